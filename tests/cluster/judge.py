"""The truth of all stations, and what the centre made of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from demo.conservation import Conservation, conserve
from demo.proof import Proof, prove
from demo.scratch import build_scratch, float_bits, text
from demo.sides import SQLiteSide
from demo.witness import Act
from replicator.change import Change, Op, Row
from replicator.model import TABLES
from tests.cluster.centre import Centre
from tests.cluster.history import READING, History

_IDS_A_STATION = 1_000
_SHARED = frozenset({"Node", "NodeType", "SensorType"})  # the same id at all stations


def judge(
    seed: int, totals: Mapping[int, int], centre: Centre, folder: Path
) -> tuple[Proof, Conservation]:
    """What is missing, doubled, misplaced, different, and out of order.

    ``totals``: station → its transactions.
    """
    histories = [(History(seed, station), count) for station, count in sorted(totals.items())]
    truth = folder / "truth.db"
    with closing(sqlite3.connect(truth)) as connection, connection:
        _make(connection)
        for history, count in histories:
            for done in history.all(count):
                for change in done.changes:
                    _apply(connection, history.station, change)
    with SQLiteSide(truth) as source, centre.side() as central:
        scratch = build_scratch(source, central)
    with closing(scratch):
        written = [act for history, count in histories for act in _acts(history, count)]
        return prove(scratch), conserve(scratch, written, in_order(written, centre.batches()))


def last_states(seed: int, totals: Mapping[int, int]) -> list[tuple[str, int]]:
    """(time, node) of the node states with which all lanes end."""
    return [
        state
        for station, count in totals.items()
        for state in History(seed, station).closing_states(count)
    ]


def in_order(written: Sequence[Act], batches: Iterable[Sequence[Act]]) -> list[Act]:
    """The acts of all batches, those of one batch as they were written: it is stored at once."""
    place = {(act.key, act.content): n for n, act in enumerate(written)}
    return [
        act
        for batch in batches
        for act in sorted(batch, key=lambda act: place.get((act.key, act.content), -1))
    ]


def stream_rows(seed: int, totals: Mapping[int, int]) -> int:
    """How many readings and node states there are in the end."""
    rows = 0
    for station, count in totals.items():
        for done in History(seed, station).all(count):
            for change in done.changes:
                if TABLES[change.table].stream and change.op is not Op.UPDATE:
                    rows += len(change.rows) * (-1 if change.op is Op.DELETE else 1)
    return rows


def _make(connection: sqlite3.Connection) -> None:
    for table in TABLES.values():
        columns = [f"`{c}`" for c in dict.fromkeys((*table.columns, *table.primary_key))]
        key = ", ".join(f"`{c}`" for c in table.natural_key) if table.stream else "id"
        connection.execute(f"CREATE TABLE {table.name} ({', '.join(columns)}, PRIMARY KEY ({key}))")


def _apply(connection: sqlite3.Connection, station: int, change: Change) -> None:
    table = TABLES[change.table]
    columns = change.columns
    for row in _rows(station, change):
        if change.op is Op.DELETE:
            where = " AND ".join(f"`{c}` = :{c}" for c in table.natural_key)
            connection.execute(f"DELETE FROM {table.name} WHERE {where}", row)
        else:
            names, marks = ", ".join(f"`{c}`" for c in columns), ", ".join(f":{c}" for c in columns)
            connection.execute(f"REPLACE INTO {table.name} ({names}) VALUES ({marks})", row)


def _rows(station: int, change: Change) -> Iterator[dict[str, Any]]:
    """A station's rows with ids that no other station has."""
    table = TABLES[change.table]
    own = {c for c, to in table.references.items() if to not in _SHARED}
    if table.name not in _SHARED:
        own.add("id")
    for row in change.rows:
        cells: dict[str, Any] = dict(zip(change.columns, row, strict=True))
        for column in own & cells.keys():
            cells[column] += station * _IDS_A_STATION
        yield cells


def _acts(history: History, count: int) -> Iterable[Act]:
    """What a witness at the station would have seen."""
    for done in history.all(count):
        for change in done.changes:
            if TABLES[change.table].stream:
                yield from (_act(history, change, row) for row in change.rows)


def _act(history: History, change: Change, row: Row) -> Act:
    cells = dict(zip(change.columns, row, strict=True))
    reading = change.columns == READING
    key = text(
        change.table, cells["time"], cells["nodeId"], cells["type" if reading else "seq_num"]
    )
    value = cells["value" if reading else "rssi"]
    assert isinstance(value, float)
    assert isinstance(cells["nodeId"], int)
    house = (cells["nodeId"] % 100 - 1) // 2 + 1
    content = "deleted" if change.op is Op.DELETE else float_bits(value)
    return Act(key, content, f"{history.name}, house {house}")
