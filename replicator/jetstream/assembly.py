"""From a station's messages to whole groups: what is torn, forked or of nobody is left out. Pure.

The rules this file keeps:
  * a group counts with its end, and only if that says that it follows the last end that counted;
    of two such ends the first counts (a server may let two writers pass at once);
  * of an open group so much is held, then it is handed on as it comes, and taken back if need be.
"""

from __future__ import annotations

from dataclasses import dataclass

from replicator.change import Event, Rollback
from replicator.errors import OutboxError
from replicator.jetstream.messages import Message
from replicator.outbox.place import SnapshotPlace

HOLD_ROWS = 100_000  # more than the writer puts into a group of several transactions


@dataclass(frozen=True, slots=True)
class Landed:
    """A group is complete: ``seq`` of its end and of the end before, how far tables are read."""

    seq: int
    previous: int
    place: SnapshotPlace | None


@dataclass(frozen=True, slots=True)
class Again:
    """Two writers' messages were mixed: read on from behind the last end, this group alone."""


class Assembly:
    """Takes a station's messages in order of the stream.

    ``head``  seq of the last end that counted; None: whatever end comes first counts
    """

    def __init__(self, head: int | None) -> None:
        self.head = head
        self._wanted = ""
        self._forget()

    def _forget(self) -> None:
        self._group = ""
        self._number = 0
        self._held: list[Message] = []
        self._held_rows = 0
        self._handed_on = False

    def take(self, seq: int, message: Message, *, end: bool) -> list[Event | Landed | Again]:
        """What follows from a message. Raises OutboxError where others are missing."""
        if self.head is not None and message.previous != self.head:
            if message.previous > self.head:
                raise _missing(f"message {seq} follows {message.previous}, not {self.head}")
            return []
        return self._end(seq, message) if end else self._part(message)

    def _part(self, message: Message) -> list[Event | Landed | Again]:
        if self._wanted and message.group != self._wanted:
            return []
        events: list[Event | Landed | Again] = []
        if message.group != self._group or message.number != self._number + 1:
            events += self._drop()
            if message.number != 1:
                return events
            self._group = message.group
        self._number = message.number
        self._held.append(message)
        self._held_rows += message.rows
        if self._handed_on or self._held_rows > HOLD_ROWS:
            events += self._hand_on()
        return events

    def _hand_on(self) -> list[Event | Landed | Again]:
        self._handed_on = True
        held, self._held = self._held, []
        return [event for message in held for event in _events(message)]

    def _drop(self) -> list[Event | Landed | Again]:
        handed_on = self._handed_on
        self._forget()
        return [Rollback()] if handed_on else []

    def _end(self, seq: int, message: Message) -> list[Event | Landed | Again]:
        events: list[Event | Landed | Again] = []
        if message.number == 1:
            events += self._drop()
        elif message.group != self._group or message.number != self._number + 1:
            if self._wanted == message.group:
                raise _missing(f"group {message.group} has an end and not all of its parts")
            self._wanted = message.group
            return [*self._drop(), Again()]
        self._held.append(message)
        events += self._hand_on()
        self._forget()
        self._wanted = ""
        self.head = seq
        return [*events, Landed(seq, message.previous, message.place)]


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
        "somebody has deleted them: `replicator verify` says what the central server lacks; to read"
        " on from what the stream still holds, move the folder of [outbox] path away",
    )
