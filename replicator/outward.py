"""A station's folder onto a stream: entries → groups, whole transactions, in order, with positions.

The rules this file keeps:
  * an end says by its writer up to which entry of the folder the stream has it, so a move that was
    killed goes on behind it; whatever else is last there was written by somebody else: refused;
  * the folder says that it is on its way before the first message, and that the stream has it all
    only when the last end, with the folder's own position, is acknowledged.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import orjson

from replicator.change import Change, Commit, Op, Position
from replicator.delivery import Entry
from replicator.errors import OutboxError
from replicator.jetstream.bus import Bus
from replicator.jetstream.messages import Message, cut
from replicator.jetstream.seal import copied, copied_to, seal_of
from replicator.jetstream.shelf import Reference, Shelf
from replicator.jetstream.stream import (
    Head,
    Placed,
    StationStream,
    chain_behind,
    publish_end,
    publish_parts,
)
from replicator.outbox.clock import parse
from replicator.outbox.home import Home, hand_over, home_of, set_home, stream_name
from replicator.outbox.place import SnapshotPlace
from replicator.outbox.reader import OutboxReader
from replicator.outbox.store import translated
from replicator.outbox.writer import OutboxWriter

GROUP_ROWS = 20_000
_HEADERS_BYTES = 4_096
_REFERENCES = "SELECT table_name, id, row FROM reference WHERE deleted = 0"
_COUNT = "SELECT count(*), coalesce(sum(row_count), 0) FROM entry WHERE seq > ?"
_UNHEALED = "SELECT reason FROM gap WHERE healed_at IS NULL LIMIT 1"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is to be published: entries behind ``after``, their number, their rows."""

    after: int
    entries: int
    rows: int


class Outward:
    """One move from a folder to a stream. The caller holds tail's and ships' locks there.

    ``url``       of the stream, without a login
    ``progress``  called with rows as they become durable
    All raise OutboxError and its children; repeated after any of them, it goes on.
    """

    def __init__(
        self,
        bus: Bus,
        stream: StationStream,
        shelf: Shelf,
        writer: OutboxWriter,
        outbox: OutboxReader,
        url: str,
        progress: Callable[[int], None] = lambda _rows: None,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._shelf = shelf
        self._writer = writer
        self._outbox = outbox
        self._url = url
        self._progress = progress
        self._head = Head(None, 0)

    def look(self, settled: int) -> Waiting:
        """What would go. Raises OutboxError where the folder cannot be moved as it is."""
        self._refuse_unready()
        with translated(self._writer.path):
            entries, rows = self._writer.database.conn.execute(_COUNT, (settled,)).fetchone()
        return Waiting(settled, entries, rows)

    def begin(self, settled: int, replicas: int, max_bytes: int) -> tuple[Home, Waiting]:
        """Say in the folder that it moves; what is left to go, now or after being killed."""
        self._refuse_unready()
        home = home_of(self._writer.database)
        if home is not None and home.state == "leaving" and not self._same(home):
            raise OutboxError(
                "another move of this folder is not finished",
                f"station {home.station} to {home.url}",
                f"finish it: `replicator outbox move --to {home.url}`",
            )
        fresh = home is None or home.state != "leaving"
        if home is None or fresh:
            home = Home("leaving", self._url, self._stream.station, secrets.token_hex(8))
        self._stream.ensure(replicas, max_bytes)
        self._head = head = self._stream.head()
        after = max(settled, self._copied_to(head, home))
        if fresh:
            if head.end is not None:
                self._stream.purge(head.seq)  # what was there before it moved away
                self._shelf.clear()
            set_home(self._writer.database, home)
        return home, self.look(after)

    def _same(self, home: Home) -> bool:
        same_stream = stream_name(home.url) == stream_name(self._url)
        return same_stream and home.station == self._stream.station

    def _copied_to(self, head: Head, home: Home) -> int:
        """The entry up to which the stream has the folder."""
        if head.end is None:
            return 0
        writer = head.end.message.writer
        if seal_of(writer) is not None:
            return 0
        entry = copied_to(writer, home.move)
        if entry is None:
            raise OutboxError(
                f"the stream has rows of station {self._stream.station} that are not this folder's",
                f"its last one, message {head.seq}, was written by {writer or 'somebody else'}",
                "give this station a [station] name of its own; or, if those rows are not needed:"
                f" `nats stream purge {self._stream.name} --subject '{self._stream.subjects.all}'`"
                " (servers before 2.9.18: docs/scaling.md)",
            )
        return entry

    def _refuse_unready(self) -> None:
        writer = self._writer
        home = home_of(writer.database)
        if writer.fed_to or (home is not None and home.state in ("stream", "returning")):
            raise OutboxError(
                "this folder is filled from a stream; it has no rows of its own to move",
                home.url if home else str(writer.path),
                "`replicator outbox move --to sqlite:///FOLDER` brings the rows back first",
            )
        if writer.position is None:
            raise OutboxError(
                "nothing was captured into this folder yet",
                str(writer.path),
                "set [outbox] url and start tail: there is nothing to move",
            )
        with translated(writer.path):
            gap = writer.database.conn.execute(_UNHEALED).fetchone()
        if gap or (writer.snapshot is not None and writer.snapshot.healing is not None):
            raise OutboxError(
                "a gap in the source's log is not healed; a stream has nothing to compare with",
                gap[0] if gap else "tail compares the tables",
                "let tail finish (after `replicator heal`, where it asks for that), then move",
            )

    def copy(self, home: Home, waiting: Waiting) -> int:
        """Publish what waits and then the folder's own position; seq of the last end."""
        most = self._bus.max_payload - _HEADERS_BYTES
        group = _Group(self._head, self._stream, self._bus, home.move, self._writer.snapshot)
        reached = waiting.after
        for entry, last in transactions(self._outbox.entries(waiting.after)):
            change = Change(entry.table, entry.op, entry.columns, list(entry.rows))
            reached = entry.seq
            group.add(list(cut(change, most)), _commit(entry) if last else None, reached)
            self._progress(len(entry.rows))
        return self._close(group, reached)

    def _close(self, group: _Group, reached: int) -> int:
        """The last end: position and time of the folder, whatever the last entry had."""
        position = self._writer.position
        assert position is not None
        at = Commit(position, parse(self._writer.committed_at))
        if not group.stands_at(at):
            group.add([], at, reached)
        group.end()
        return group.head.seq

    def finish(self, home: Home, end: int) -> None:
        """Reference rows beside the stream; then the folder is ship's."""
        with translated(self._writer.path):
            rows = self._writer.database.conn.execute(_REFERENCES).fetchall()
        self._shelf.keep(
            [Reference(table, n, orjson.loads(row), deleted=False) for table, n, row in rows]
        )
        self._shelf.clear_desks()  # of a folder of before
        hand_over(self._writer.database, home.now("stream"), end)


class _Group:
    """Messages on their way to an end. The rule: a group has many transactions, or a large one.

    Of a large one the parts go out before its end is known; readers hold a group of many.
    """

    def __init__(
        self, head: Head, stream: StationStream, bus: Bus, move: str, place: SnapshotPlace | None
    ) -> None:
        self.head = head
        self._stream, self._bus = stream, bus
        self._move, self._place = move, place
        self._renew()

    def _renew(self) -> None:
        before = self.head.end.message if self.head.end is not None else None
        follows = before.group if before is not None and self._stream.leaf else ""
        chain = chain_behind(self._stream, before)
        self._tie = Message("", 0, self.head.seq, None, chain=chain, follows=follows)
        self._name = secrets.token_hex(8)
        self._number = 0
        self._rows = 0
        self._held: list[tuple[Message, int]] = []  # and the entry that it is of

    def add(self, changes: Sequence[Change], commit: Commit | None, entry: int) -> None:
        """The next changes of a transaction, and its end."""
        some: Sequence[Change | None] = changes or [None]
        for change in some:
            self._number += 1
            message = replace(self._tie, group=self._name, number=self._number, change=change)
            self._held.append((message, entry))
            self._rows += message.rows
        if commit is not None:
            self._held[-1] = (replace(self._held[-1][0], commit=commit), entry)
        if self._rows >= GROUP_ROWS:
            if commit is not None:
                self.end()
            else:
                self._make_room()

    def _make_room(self) -> None:
        """End the group before the open transaction; if it is that alone, its parts go out."""
        ends = [n for n, (message, _) in enumerate(self._held, 1) if message.commit is not None]
        if ends:
            held, self._held = self._held, self._held[: ends[-1]]
            self.end()
            for message, entry in held[ends[-1] :]:
                self.add([message.change] if message.change else [], None, entry)
            return
        self._send([message for message, _ in self._held])
        self._held = []
        self._rows = 0

    def stands_at(self, commit: Commit) -> bool:
        """Whether the last transaction, held or published, ends so, and says where tables are."""
        if self._held:
            return self._held[-1][0].commit == commit
        end = self.head.end.message if self.head.end else None
        ours = end is not None and copied_to(end.writer, self._move) is not None
        return ours and end is not None and (end.commit, end.place) == (commit, self._place)

    def end(self) -> None:
        """Publish what is held; the last message is the end."""
        if not self._held:
            return
        last, entry = self._held[-1]
        end = replace(last, place=self._place, writer=copied(self._move, entry))
        self._send([message for message, _ in self._held[:-1]])
        behind = self.head.last
        seq = self._bus.call(lambda js: publish_end(js, self._stream, end, behind))
        self.head = Head(Placed(seq, end), seq)
        self._renew()

    def _send(self, parts: Sequence[Message]) -> None:
        if parts:
            self._bus.call(lambda js: publish_parts(js, self._stream, parts))


def transactions(entries: Iterator[Entry]) -> Iterator[tuple[Entry, bool]]:
    """Entries, each with whether its source transaction ends with it. Chunks stand alone."""
    before: Entry | None = None
    for entry in entries:
        if before is not None:
            yield before, not _together(before, entry)
        before = entry
    if before is not None:
        yield before, True


def _together(one: Entry, other: Entry) -> bool:
    if Op.SNAPSHOT in (one.op, other.op):
        return False
    return (one.position, one.committed_at) == (other.position, other.committed_at)


def _commit(entry: Entry) -> Commit:
    return Commit(Position.parse(entry.position), parse(entry.committed_at))
