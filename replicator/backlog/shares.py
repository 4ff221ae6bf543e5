"""Which houses and tables the waiting rows are of: counted where they are few, else estimated.

Entries say their rows' houses nowhere but in the rows. So where many wait, short runs of entries
spread evenly over all of them are looked at, and what is told says that it is an estimate.
"""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from replicator.backlog.values import HouseShare, Shares, TableShare
from replicator.change import Value
from replicator.model import TABLES
from replicator.sink.lanes import Lanes

EXACT_ROWS = 10_000
EXACT_ENTRIES = 2_000
_RUNS = 12
_RUN_ROWS = 250
_RUN_ENTRIES = 40
_TURN = (math.sqrt(5) - 1) / 2  # multiples of it, modulo 1, fill the unit interval evenly

_ENTRIES = """
SELECT seq, table_name, columns, rows, committed_at FROM entry WHERE seq > ? ORDER BY seq
"""
_REFERENCE = "SELECT row FROM reference WHERE table_name = ? AND id = ?"
_PARKED_LANES = "SELECT lane, count(*) FROM parked WHERE kind = ? GROUP BY lane LIMIT 10000"

_Entry = tuple[int, str, str, str, str]


class _Count:
    """Rows by lane and by table, as entries are looked at."""

    def __init__(self, outbox: sqlite3.Connection) -> None:
        self._lanes = Lanes(reference_of(outbox))
        self.lanes: Counter[str] = Counter()
        self.oldest: dict[str, str] = {}
        self.tables: Counter[str] = Counter()

    def take(self, entry: _Entry, skipped: int = 0) -> int:
        """Add an entry without its first rows; how many it has left."""
        _, table, columns, rows, committed_at = entry
        cells = orjson.loads(rows)[skipped:]
        self.tables[table] += len(cells)
        for lane, number in self._lanes_of(table, _names(columns), cells).items():
            self.lanes[lane] += number
            self.oldest.setdefault(lane, committed_at)
        return len(cells)

    def _lanes_of(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Value]]
    ) -> Counter[str]:
        model = TABLES[table]
        leading = [name for name in (*model.lane[:1], model.node) if name in columns]
        wanted = leading if model.stream else columns
        places = [columns.index(name) for name in wanted]
        found: Counter[str] = Counter()
        for cells, number in Counter(tuple(row[p] for p in places) for row in rows).items():
            found[self._lanes.of(table, dict(zip(wanted, cells, strict=True)))] += number
        return found


def shares_of(
    outbox: sqlite3.Connection,
    delivery: sqlite3.Connection | None,
    cursor: tuple[int, int],
    waiting_rows: int,
    *,
    exactly: bool = False,
) -> Shares:
    """What waits behind a cursor (entry, rows of the next one), and what is parked.

    ``delivery`` None: a destination that has no file yet. ``exactly``: read all that waits, however
    much that is. Raises sqlite3.Error.
    """
    seq, skipped = cursor
    last = outbox.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0]
    few = waiting_rows <= EXACT_ROWS and last - seq <= EXACT_ENTRIES
    count = _Count(outbox)
    if few or exactly:
        looked_at = 0
        for entry in outbox.execute(_ENTRIES, (seq,)):
            looked_at += count.take(entry, skipped)
            skipped = 0
        return _shares(outbox, delivery, count, 1.0, looked_at)
    looked_at = sum(count.take(entry) for entry in _spread(outbox, seq, last))
    return _shares(outbox, delivery, count, waiting_rows / max(looked_at, 1), looked_at)


def _spread(outbox: sqlite3.Connection, seq: int, last: int) -> Iterator[_Entry]:
    for number in range(_RUNS):
        start = seq + int((last - seq) * ((number + 0.5) * _TURN % 1.0))
        rows = 0
        for entry in outbox.execute(f"{_ENTRIES} LIMIT {_RUN_ENTRIES}", (start,)):
            yield entry
            rows += entry[3].count("],[") + 1  # near enough to know when to stop
            if rows >= _RUN_ROWS:
                break


def _shares(
    outbox: sqlite3.Connection,
    delivery: sqlite3.Connection | None,
    count: _Count,
    scale: float,
    looked_at: int,
) -> Shares:
    exact = scale == 1.0
    parked = _parked_lanes(delivery) if delivery is not None else {}
    address = houses(reference_of(outbox))
    lanes = sorted({*count.lanes, *parked}, key=lambda lane: (-count.lanes[lane], lane))
    by_house = [
        HouseShare(
            lane=lane,
            house=address(lane),
            rows=round(count.lanes[lane] * scale),
            parked_rows=parked.get(lane, 0),
            oldest_committed_at=count.oldest.get(lane) if exact else None,
        )
        for lane in lanes
    ]
    by_table = [TableShare(name, round(n * scale)) for name, n in count.tables.most_common()]
    return Shares(exact, looked_at, by_house, by_table)


def _parked_lanes(delivery: sqlite3.Connection) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for kind in ("blocked", "rejected"):  # one by one: each has an index
        found.update(dict(delivery.execute(_PARKED_LANES, (kind,))))
    return found


def reference_of(
    outbox: sqlite3.Connection,
) -> Callable[[str, int], Mapping[str, Value] | None]:
    """Looks reference rows up, each once."""

    @lru_cache(maxsize=10_000)
    def lookup(table: str, local_id: int) -> Mapping[str, Value] | None:
        row = outbox.execute(_REFERENCE, (table, local_id)).fetchone()
        return orjson.loads(row[0]) if row else None

    return lookup


def houses(lookup: Callable[[str, int], Mapping[str, Any] | None]) -> Callable[[str], str]:
    """Lane → what people call it: a house's address with its id, "node 7", "no house"."""

    def name(lane: str) -> str:
        kind, _, number = lane.partition(":")
        if kind == "house":
            row = lookup("House", int(number))
            address = row.get("address") if row else None
            return f"{address} (house {number})" if address else f"house {number}"
        return f"node {number}, no house" if kind == "node" else "no house"

    return name


@lru_cache(maxsize=64)
def _names(columns: str) -> tuple[str, ...]:
    return tuple(orjson.loads(columns))


def merged(by_house: Iterable[HouseShare]) -> list[HouseShare]:
    """Lanes of the same name (rows of no house at all) as one."""
    found: dict[str, HouseShare] = {}
    for each in by_house:
        before = found.get(each.house)
        found[each.house] = each if before is None else _together(before, each)
    return list(found.values())


def _together(one: HouseShare, other: HouseShare) -> HouseShare:
    times = [time for time in (one.oldest_committed_at, other.oldest_committed_at) if time]
    return HouseShare(
        lane=one.lane,
        house=one.house,
        rows=one.rows + other.rows,
        parked_rows=one.parked_rows + other.parked_rows,
        oldest_committed_at=min(times, default=None),
    )
