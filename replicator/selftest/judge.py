"""What a self-test holds against the promise: lost, doubled, out of order? Pure.

The rules it checks:
  * the outbox has exactly the transactions up to its position, each row once, in order;
  * what capture said was durable still is;
  * the cursor has passed only rows that arrived; what arrived was durable before;
  * whenever a row arrives, all rows of its lane before it have arrived, or newer versions of them;
  * in the end every key is at the centre in its last version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from replicator.selftest.made import NODES, Key, Version, history, inserted, updated

_MOST_FINDINGS = 10


@dataclass(slots=True)
class _Lane:
    """One node's history, as far as it was needed. Before ``done`` all has arrived."""

    history: list[Version] = field(default_factory=list)
    places: dict[Version, int] = field(default_factory=dict)
    next_number: int = 0
    done: int = 0


class Judge:
    """Is told what happens, in the order in which it does; ``findings`` says what is wrong."""

    def __init__(self) -> None:
        self.findings: list[str] = []
        self.rows_captured = 0
        self.rows_arrived = 0
        self.position = 0
        self._claimed = 0
        self._settled: Iterator[Version] = history(1, 1 << 40)
        self._rows_settled = 0
        self._newest: dict[Key, int] = {}
        self._now: dict[Key, int] = {}
        self._lanes = [_Lane(next_number=node or NODES) for node in range(NODES)]
        self._last_arrived = 0

    def found(self, sentence: str) -> None:
        """Something is wrong."""
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(sentence)

    def claimed(self, position: int) -> None:
        """Capture says that everything up to a position is durable."""
        self._claimed = max(self._claimed, position)

    def captured(self, rows: Iterable[Version], position: int) -> None:
        """After a kill: the rows that are new in the outbox since the last time, its position."""
        if position < self._claimed:
            self.found(
                f"transaction {self._claimed} was durable, and the outbox ends at {position}"
            )
        expected = history(self.position + 1, position)
        for row in rows:
            wanted = next(expected, None)
            if row != wanted:
                self.found(_astray(row, wanted, position))
                return
            self.rows_captured += 1
        missing = next(expected, None)
        if missing is not None:
            self.found(f"the outbox says it is at {position} and lacks {_text(missing)}")
        if self._last_arrived > position:
            self.found(f"transaction {self._last_arrived} arrived and is not in the outbox")
        self.position = position

    def settled(self, rows: int) -> None:
        """The cursor has passed so many rows."""
        for _ in range(self._rows_settled, rows):
            row = next(self._settled)
            if self._newest.get(row.key, 0) < row.number:
                self.found(f"acknowledged, and never arrived: {_text(row)}")
        self._rows_settled = max(self._rows_settled, rows)

    def arrived(self, rows: Sequence[Version]) -> None:
        """A request has come."""
        self.rows_arrived += len(rows)
        for row in rows:
            self._now[row.key] = row.number
            self._newest[row.key] = max(row.number, self._newest.get(row.key, 0))
            self._last_arrived = max(row.number, self._last_arrived)
        for row in rows:
            lane = self._lane(row)
            if row not in lane.places:
                self.found(f"arrived, and never written: {_text(row)}")
            elif lane.places[row] >= lane.done:
                before = _text(lane.history[lane.done])
                self.found(f"out of order, or lost: {_text(row)} arrived before {before}")
                return

    def _lane(self, row: Version) -> _Lane:
        lane = self._lanes[row.key.node % NODES]
        while lane.next_number <= row.number:
            for each in (*inserted(lane.next_number), *updated(lane.next_number)):
                lane.places[each] = len(lane.history)
                lane.history.append(each)
            lane.next_number += NODES
        while lane.done < len(lane.history) and self._has(lane.history[lane.done]):
            lane.done += 1
        return lane

    def _has(self, row: Version) -> bool:
        return self._newest.get(row.key, 0) >= row.number

    def at_the_end(self) -> None:
        """All is delivered; is everything there, in its last version?"""
        last = {row.key: row.number for row in history(1, self.position)}
        for key, number in last.items():
            now = self._now.get(key)
            if now is None:
                self.found(f"lost: {_text(Version(key, number))} never arrived")
            elif now != number:
                self.found(
                    f"the centre has an old version ({now}) of {_text(Version(key, number))}"
                )


def _astray(row: Version, wanted: Version | None, position: int) -> str:
    if wanted is None:
        return f"captured twice, or behind its position {position}: {_text(row)}"
    what = "captured twice" if row.number < wanted.number else "lost or out of order in the outbox"
    return f"{what}: {_text(row)} stands where {_text(wanted)} belongs"


def _text(row: Version) -> str:
    key = row.key
    return f"node {key.node}, second {key.second}, type {key.kind} of transaction {row.number}"
