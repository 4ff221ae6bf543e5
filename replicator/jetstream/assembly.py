"""From a station's messages to whole groups: what is torn, forked or of nobody is left out. Pure.

The rules this file keeps:
  * a group counts with its end, and only if that says that it follows the last end that counted;
    of two such ends the first counts (a server may let two writers pass at once);
  * parts may come in any order, and mixed with another writer's;
  * a message that was sourced from a leaf counts by its seq there: what comes twice is left out,
    and so is what another stream of that leaf's has under the same seqs;
  * of open groups so much is held, then one is handed on as it comes, and taken back if need be.
"""

from __future__ import annotations

from dataclasses import dataclass

from replicator.change import Event, Rollback
from replicator.errors import OutboxError
from replicator.jetstream.messages import Floor, Message, floor_of
from replicator.outbox.place import SnapshotPlace

HOLD_ROWS = 100_000  # more than the writer puts into a group of several transactions


@dataclass(frozen=True, slots=True)
class Landed:
    """A group is complete: ``seq`` of its end and of the end before, how far tables are read.

    ``previous``  0: not known here
    ``floor``     where the group begins where it was written, at the leaf or right here
    """

    seq: int
    previous: int
    place: SnapshotPlace | None
    floor: Floor


@dataclass(frozen=True, slots=True)
class Strange:
    """A message of a leaf that does not follow what was read, and was left out.

    ``other``  it is of another stream than that, or of one that fell back; else it came twice
    """

    other: bool


@dataclass(frozen=True, slots=True)
class Again:
    """Two writers' messages were mixed: read on from behind the last end, this group alone."""


Taken = Event | Landed | Again | Strange


class Assembly:
    """Takes a station's messages in order of the stream.

    ``head``  seq of the last end that counted, as its writer knows it; None: whatever end comes
              first counts
    ``seq``   its seq here; ``end``: itself, where it is known; ``group`` is its group
    ``floor`` messages of a leaf from there on must be there when ``head`` is None
    """

    def __init__(
        self, head: int | None, seq: int = 0, floor: Floor | None = None, end: Message | None = None
    ) -> None:
        self.head = head
        self.seq = seq
        self._chain, self.group = (end.chain, end.group) if end is not None else ("", "")
        self._floor = floor or Floor()
        self._forked = False
        self._wanted = ""
        self._forget()

    def _forget(self) -> None:
        self._held: dict[str, dict[int, Message]] = {}  # group → number → part
        self._held_rows = 0
        self._handed_on = ""  # the group of which parts up to ``_number`` were handed on
        self._number = 0

    def take(
        self, seq: int, message: Message, *, end: bool, origin: int | None = None
    ) -> list[Taken]:
        """What follows from a message. Raises OutboxError where others are missing."""
        if self.head is None:
            if origin is not None and self._floor.misses(message):
                raise _missing(f"message {seq} follows {message.previous}, not {self._floor.seq}")
        elif message.chain != self._chain:
            return [Strange(other=True)]
        elif message.previous != self.head:
            if message.previous > self.head and not self._forked:
                raise _missing(f"message {seq} follows {message.previous}, not {self.head}")
            return [Strange(other=self._forked)] if origin is not None else []
        elif message.follows and self.group and message.follows != self.group:
            self._forked = True  # and what follows it
            return [Strange(other=True)]
        return self._end(seq, message, origin) if end else self._part(message)

    def _part(self, message: Message) -> list[Taken]:
        group = message.group
        if self._wanted and group != self._wanted:
            return []
        self._held.setdefault(group, {})[message.number] = message
        self._held_rows += message.rows
        if group == self._handed_on:
            return self._hand_on()
        if self._held_rows <= HOLD_ROWS:
            return []
        parts, undone = self._held[group], self._take_back()
        self._forget()  # if another group is the one that ends, it is read again
        self._held = {group: parts}
        self._held_rows = sum(part.rows for part in parts.values())
        self._handed_on = group
        return [*undone, *self._hand_on()]

    def _hand_on(self) -> list[Taken]:
        """What of the group is next in order."""
        events: list[Taken] = []
        parts = self._held[self._handed_on]
        while (part := parts.pop(self._number + 1, None)) is not None:
            self._number += 1
            self._held_rows -= part.rows
            events += _events(part)
        return events

    def _take_back(self) -> list[Taken]:
        return [Rollback()] if self._handed_on else []

    def _end(self, seq: int, message: Message, origin: int | None) -> list[Taken]:
        group = message.group
        parts = self._held.get(group, {})
        undone = [] if group == self._handed_on else self._take_back()
        first = self._number + 1 if group == self._handed_on else 1
        if any(number not in parts for number in range(first, message.number)):
            if self._wanted == group:
                raise _missing(f"group {group} has an end and not all of its parts")
            undone = self._take_back()
            self._forget()
            self._wanted = group
            return [*undone, Again()]
        whole = [*(parts[number] for number in range(first, message.number)), message]
        self._forget()
        self._wanted = ""
        previous = message.previous if origin is None else self.seq
        self.head, self.seq = seq if origin is None else origin, seq
        self._chain, self.group = message.chain, group
        events: list[Taken] = [e for each in whole for e in _events(each)]
        landed = Landed(seq, previous, message.place, floor_of(message))
        return [*undone, *events, landed]


def _events(message: Message) -> list[Event]:
    found: list[Event] = []
    if message.change is not None:
        found.append(message.change)
    if message.commit is not None:
        found.append(message.commit)
    return found


def _missing(detail: str) -> OutboxError:
    return OutboxError(
        "messages are missing in the stream",
        detail,
        "a server whose disk was full or damaged may lack them while the others have them: stop it,"
        " empty its store_dir, start it (docs/scaling.md). If all lack them, somebody has deleted"
        " them: `replicator verify` says what the central server lacks; to read on from what the"
        " stream still holds, move the folder of [outbox] path away",
    )
