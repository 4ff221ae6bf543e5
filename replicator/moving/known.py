"""Which row at the centre a row of the station is: looked up, never created. What is in the old
mapping files is held against it: confirmed, corrected, or refused with a reason.

Rows that a station creates for itself are looked up by their natural key, references first. Every
method raises DestinationUnavailable and DestinationRefused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from replicator.change import Value
from replicator.delivery import Blocked, Rejected
from replicator.model import TABLES, Table
from replicator.sink.directory import Directory, RemoteRow, matches_key
from replicator.sink.resolve import translated

MAPPED: tuple[str, ...] = ("Deployment", "House", "RoomType", "Room", "Location")
CONFIRMED, CORRECTED, FOUND, NEW, REFUSED = "confirmed", "corrected", "found", "new", "refused"
USABLE = frozenset({CONFIRMED, CORRECTED, FOUND})

Row = Mapping[str, Value]


class Rows(Protocol):
    """The station's reference rows of a table, by id."""

    def __call__(self, table: str) -> Iterable[tuple[int, Row]]: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """On one row of the station, or one line of the old file that has none.

    ``state``    confirmed: the old id is right; corrected: another is; found: the old file did not
                 have it; new: the centre has no such row yet; refused: the old id is wrong, and
                 there is none to put in its place
    ``doubled``  the other ids at the centre that have the same natural key
    """

    table: str
    local_id: int
    state: str
    old_id: int | None
    remote_id: int | None
    key: Mapping[str, Value] = field(default_factory=dict)
    reason: str = ""
    doubled: Sequence[int] = ()

    def __str__(self) -> str:
        where = f"{self.table}:{self.local_id}"
        was = "" if self.old_id is None else f" was {self.old_id}"
        now = "" if self.remote_id is None else f" is {self.remote_id}"
        why = f": {self.reason}" if self.reason else ""
        twice = f"; there {1 + len(self.doubled)} times" if self.doubled else ""
        return f"{self.state:9} {where}{was}{now}{why}{twice}"


class Known:
    """Looks rows up at one centre.

    ``rows``: the station's. ``old``: the old file's ids. ``kept``: our own mappings, not looked at.
    """

    def __init__(
        self,
        directory: Directory,
        rows: Rows,
        old: Mapping[tuple[str, int], int],
        kept: Mapping[tuple[str, int], int],
    ) -> None:
        self._directory = directory
        self._rows = rows
        self._old = old
        self._kept = kept
        self.remote: dict[tuple[str, int], int] = {}

    def verdicts(self) -> Iterator[Verdict]:
        """On every row that is mapped by natural key, and every line of the old file."""
        seen: set[tuple[str, int]] = set()
        for table in MAPPED:
            for number, row in self._rows(table):
                seen.add((table, number))
                verdict = self._verdict(TABLES[table], number, row)
                if verdict.remote_id is not None:
                    self.remote[table, number] = verdict.remote_id
                yield verdict
        for (table, number), old_id in sorted(self._old.items()):
            if (table, number) not in seen:
                gone = "the station has no such row"
                yield Verdict(table, number, REFUSED, old_id, None, reason=gone)

    def _verdict(self, model: Table, number: int, row: Row) -> Verdict:
        old_id = self._old.get((model.name, number))
        kept = self._kept.get((model.name, number))
        if kept is not None:
            return Verdict(model.name, number, FOUND, old_id, kept)
        key = translated(model, row, model.natural_key, self._remote)
        if not isinstance(key, dict):
            state = NEW if old_id is None else REFUSED
            reason = key.detail if isinstance(key, Blocked) else str(key)
            return Verdict(model.name, number, state, old_id, None, reason=reason)
        there = sorted(row["id"] for row in self._directory.matches(model, key))
        found = old_id if old_id in there else there[0] if there else None
        doubled = [each for each in there if each != found]
        clash = self._owner(model, found)
        if clash is not None:
            state, reason = REFUSED, f"the centre has one row for it and {model.name}:{clash}"
            return Verdict(model.name, number, state, old_id, None, key, reason, doubled)
        state, reason = self._judged(model, key, old_id, found)
        return Verdict(model.name, number, state, old_id, found, key, reason, doubled)

    def _remote(self, table: str, number: int) -> int | Blocked | Rejected:
        """Nodes and types have the same id everywhere."""
        if table not in MAPPED:
            return number
        found = self.remote.get((table, number))
        if found is not None:
            return found
        return Blocked(f"{table}:{number}", f"the centre has no {table}:{number} yet")

    def _owner(self, model: Table, found: int | None) -> int | None:
        if not model.distinct or found is None:
            return None
        owners = (i for (t, i), there in self.remote.items() if t == model.name and there == found)
        return next(owners, None)

    def _judged(
        self, model: Table, key: Mapping[str, Value], old_id: int | None, found: int | None
    ) -> tuple[str, str]:
        if old_id is None:
            return (FOUND if found is not None else NEW), ""
        if old_id == found:
            return CONFIRMED, ""
        there = self._directory.get(model, old_id)
        reason = _difference(key, there, old_id)
        if found is not None:
            return CORRECTED, reason
        renamed = "; if it is the same all the same: `replicator map set`" if there else ""
        return REFUSED, f"{reason}{renamed}"


def _difference(key: Mapping[str, Value], there: RemoteRow | None, old_id: int) -> str:
    if there is None:
        return f"the centre has no {old_id}"
    assert not matches_key(there, key)
    return ", ".join(
        f"{old_id} there has {column} {there.get(column)!r}, not {value!r}"
        for column, value in key.items()
        if there.get(column) != value
    )
