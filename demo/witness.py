"""Witnesses: triggers that note each change of a stream table, in order, in a table of their own.

One at the station (in a database beside it; the station's tables stay as they are) and one at the
centre (in its SQLite file) together show whether rows arrived in the order they were written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.mariadbd import PrivateMariaDB
from demo.scratch import float_bits, text

_TABLES = {
    # table: (last column of the key, column that tells versions apart, query for the lane's house)
    "Reading": (
        "type",
        "value",
        "SELECT houseId FROM {db}.Location WHERE id = {row}.locationId",
    ),
    "NodeState": (
        "seq_num",
        "rssi",
        "SELECT houseId FROM {db}.Location JOIN {db}.Node ON Location.id = Node.locationId"
        " WHERE Node.id = {row}.nodeId",
    ),
}
_COLUMNS = "n INTEGER PRIMARY KEY {auto}, op TEXT, tab TEXT, time TEXT, node INT, part INT"
_EVENTS = {"insert": ("NEW",), "update": ("OLD", "NEW"), "delete": ("OLD",)}


@dataclass(frozen=True, slots=True)
class Act:
    """One row put or deleted. ``content``: the float32's bits, or "deleted"; ``lane``: its house,
    or its node where it has none (known at the station only).
    """

    key: str
    content: int | str | None
    lane: str = ""


def watch_station(server: PrivateMariaDB, database: str) -> None:
    """Create the station's witness (a database ``<database>_witness`` and triggers)."""
    seen = f"{database}_witness"
    columns = _COLUMNS.format(auto="AUTO_INCREMENT")
    server.execute(
        f"CREATE DATABASE {seen}",
        f"CREATE TABLE {seen}.act ({columns}, value DOUBLE, house INT)",
    )
    for table, (part, value, house) in _TABLES.items():
        for event, sides in _EVENTS.items():
            body = "".join(
                f" INSERT INTO {seen}.act (op, tab, time, node, part, value, house) VALUES"
                f" ('{_op(event, row)}', '{table}',"
                f" DATE_FORMAT({row}.time, '%Y-%m-%dT%H:%i:%s'), {row}.nodeId, {row}.{part},"
                f" {row}.{value} + 0e0, ({house.format(db=database, row=row)}));"
                for row in sides
            )
            server.execute(
                f"CREATE TRIGGER {database}.witness_{table}_{event} AFTER {event} ON"
                f" {database}.{table} FOR EACH ROW BEGIN{body} END"
            )


def watch_centre(path: Path) -> None:
    """Create the centre's witness in its SQLite file (a table ``witness`` and triggers)."""
    with sqlite3.connect(path, timeout=30) as connection:
        connection.execute(f"CREATE TABLE witness ({_COLUMNS.format(auto='')}, value REAL)")
        for table, (part, value, _) in _TABLES.items():
            for event, sides in _EVENTS.items():
                body = "".join(
                    f" INSERT INTO witness (op, tab, time, node, part, value) VALUES"
                    f" ('{_op(event, row)}', '{table}', replace(substr({row}.time, 1, 19), ' ',"
                    f" 'T'), {row}.nodeId, {row}.{part}, {row}.{value});"
                    for row in sides
                )
                connection.execute(
                    f"CREATE TRIGGER witness_{table}_{event} AFTER {event} ON {table}"
                    f" BEGIN{body} END"
                )
    connection.close()


def _op(event: str, row: str) -> str:
    if event == "update":
        return "before" if row == "OLD" else "put"
    return "delete" if event == "delete" else "put"


def station_acts(server: PrivateMariaDB, database: str) -> list[Act]:
    """What the station's witness saw, in order."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT op, tab, time, node, part, value, house FROM {database}_witness.act ORDER BY n"
        )
        return _acts(cursor.fetchall())


def centre_acts(path: Path) -> list[Act]:
    """What the centre's witness saw, in order."""
    connection = sqlite3.connect(path, timeout=30)
    try:
        return _acts(
            connection.execute(
                "SELECT op, tab, time, node, part, value, NULL FROM witness ORDER BY n"
            ).fetchall()
        )
    finally:
        connection.close()


def _acts(rows: Iterable[tuple[Any, ...]]) -> list[Act]:
    """Rows in order → acts; an update's before-image is a deletion only where the key changed."""
    acts: list[Act] = []
    before: Act | None = None
    for op, table, time, node, part, value, house in rows:
        key = text(table, time, node, part)
        lane = f"node {node}" if house is None else f"house {house}"
        if op == "before":
            before = Act(key, "deleted", lane)
            continue
        if before is not None and before.key != key:
            acts.append(before)
        before = None
        acts.append(Act(key, "deleted" if op == "delete" else float_bits(value), lane))
    return acts
