"""A station's rows from a stream into its folder, which is tail's own from then on.

The rules this file keeps:
  * a seal goes behind the last end: no tail writes any more, and the folder has all before it;
  * the stream is cleared only when the folder says, durably, that it is tail's own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from replicator.errors import OutboxError, OutboxTaken
from replicator.feed import Feed
from replicator.jetstream.bus import Bus
from replicator.jetstream.messages import Message
from replicator.jetstream.seal import seal_of, sealed
from replicator.jetstream.shelf import Shelf
from replicator.jetstream.stream import StationStream, publish_end
from replicator.naming import token
from replicator.outbox.home import Home, hand_over, home_of, set_home
from replicator.outbox.writer import OutboxWriter

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Homeward:
    """One move from a stream to the folder. The caller holds tail's and ships' locks there.

    ``reader``  the name under which the folder reads; ``url``: of the stream, without a login
    ``feed``    makes a feed that belongs to the move of that number
    All raise OutboxError and its children; repeated after any of them, it goes on.
    """

    bus: Bus
    stream: StationStream
    shelf: Shelf
    writer: OutboxWriter
    url: str
    reader: str
    feed: Callable[[str], Feed]

    def look(self) -> int:
        """The stream's seq up to which rows are there. Raises OutboxError where none may move."""
        home = home_of(self.writer.database)
        own = home.move if home is not None else ""
        head = self.stream.head()
        if head.end is None:
            raise OutboxError(
                f"the stream has nothing of station {self.stream.station}",
                self.url,
                "is [station] name the one that tail has? If nothing was captured, set [outbox]"
                " path alone and start tail",
            )
        seal = seal_of(head.end.message.writer)
        if seal is not None and seal != own:
            raise OutboxError(
                "this station's rows have moved from the stream to another folder",
                f"message {head.seq} is the seal of move {seal}",
                "use that folder",
            )
        others = self.shelf.readers() - {token(self.reader)}
        if others:
            raise OutboxError(
                "other readers have this station's rows from the stream",
                ", ".join(sorted(others)),
                "stop their ships and delete their keys (docs/scaling.md), then move",
            )
        return head.seq

    def run(self) -> int:
        """Move; the rows that came into the folder now."""
        home = home_of(self.writer.database)
        rows = 0
        if home is None or home.state != "clearing":
            self.look()
            home = self._begun(home)
            rows = self._read(home)
            hand_over(self.writer.database, home.now("clearing"), 0)
        self.clear(home)
        return rows

    def _begun(self, home: Home | None) -> Home:
        if home is None or home.state != "returning":
            move = secrets.token_hex(8)
            home = Home("returning", self.url, self.stream.station, move)
            set_home(self.writer.database, home)
        return home

    def _read(self, home: Home) -> int:
        feed = self.feed(home.move)
        total = self.writer.row_total
        for _ in range(_TRIES):
            feed.read_to_end()
            if self._seal(home):
                feed.read_to_end()
                return self.writer.row_total - total
        raise OutboxTaken(
            "tail writes into the stream while its rows are to move",
            f"station {self.stream.station}",
            "stop it, then run `replicator outbox move` again",
        )

    def _seal(self, home: Home) -> bool:
        """True: nobody writes behind what is here."""
        head = self.stream.head()
        assert head.end is not None
        if seal_of(head.end.message.writer) == home.move:
            return True
        if head.seq != self.writer.fed_to:
            return False
        before = head.end.message
        end = Message(
            secrets.token_hex(8),
            1,
            head.seq,
            None,
            before.commit,
            before.place,
            sealed(home.move),
            before.chain,
            before.group if self.stream.leaf else "",
        )
        try:
            self.bus.call(lambda js: publish_end(js, self.stream, end, head.last))
        except OutboxTaken:  # the stream says what came between
            return False
        return True

    def clear(self, home: Home) -> None:
        """Remove what the stream had of the station, but for the seal."""
        head = self.stream.head()
        if head.end is not None and seal_of(head.end.message.writer) == home.move:
            self.shelf.clear_desks()
            self.shelf.clear()
            self.stream.purge(head.seq)
        set_home(self.writer.database, None)
