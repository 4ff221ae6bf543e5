"""One row at a time: POST type/, PUT type/7, DELETE type/7."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from replicator.central.batch import UPSERT, Group
from replicator.central.bulk import now
from replicator.central.keys import natural_key_hash
from replicator.central.listing import Json, read_row
from replicator.central.problems import Problem, Refusal
from replicator.central.references import Existing, find, remember_ids, store_group
from replicator.central.schema import TABLES, CentralTable
from replicator.central.store import Database
from replicator.central.upsert import upsert
from replicator.central.validate import check_rows
from replicator.change import Value

# (table, column) pairs that refuse a deletion although no constraint does: see schema.
_STREAM_USERS = {
    "Node": (("Reading", "nodeId"), ("NodeState", "nodeId")),
    "SensorType": (("Reading", "type"),),
}


@dataclass(frozen=True, slots=True)
class Stored:
    """The row as it is now, and whether this request made it."""

    row: Json
    created: bool


def create(database: Database, table: CentralTable, sent: Mapping[str, object]) -> Stored:
    """POST: insert the row, or find the one with its natural key.

    An existing reference row is answered as it is, unchanged; a reading or node state is
    overwritten. Missing columns are NULL. Raises Problem 422.
    """
    group = _checked(table, sent)

    def work(connection: Connection) -> Stored:
        values: dict[str, object] = dict(zip(group.columns, group.rows[0], strict=True))
        if table.stream:
            _raise_first(Existing(connection).refuse(group))
            before = read_row(connection, table, values)
            upsert(connection, table, group.columns, group.rows)
            return Stored(_row(connection, table, values), before is None)
        found = find(connection, table, values)
        if found is None:
            _raise_first(Existing(connection).refuse(group))
            _raise_first(store_group(connection, group))
            found = find(connection, table, values)
            return Stored(_row(connection, table, {"id": found}), True)
        return Stored(_row(connection, table, {"id": found}), False)

    return database.write(work, references=not table.stream)


def log_push(database: Database, table: CentralTable, sent: Mapping[str, object]) -> Stored:
    """POST pushstatus/: always a new row; ``time`` is ours."""
    group = _checked(table, {**sent, "time": now(), "id": 1})

    def work(connection: Connection) -> Stored:
        values = dict(zip(group.columns, group.rows[0], strict=True))
        values["id"] = remember_ids(connection, table) + 1
        connection.execute(table.sql.insert().values(values))
        return Stored(_row(connection, table, values), True)

    return database.write(work, references=True)


def replace(
    database: Database, table: CentralTable, number: int, sent: Mapping[str, object]
) -> Stored:
    """PUT: the row with this id gets exactly these values; missing columns become NULL.

    Raises Problem 422: another row has this natural key, or the body names another id.
    """
    given = sent.get("id", number)
    if type(given) is not int or given != number:
        raise Problem(422, "bad-id", f"the body's id is not {number}")
    group = _checked(table, {**sent, "id": number})

    def work(connection: Connection) -> Stored:
        values = dict(zip(group.columns, group.rows[0], strict=True))
        _raise_first(Existing(connection).refuse(group))
        if table.hashed:
            holder = find(connection, table, values)
            if holder not in (None, number):
                key = ", ".join(table.natural_key)
                raise Problem(422, "duplicate-key", f"{table.name} {holder} has this {key}")
            values["natural_key"] = natural_key_hash(values[c] for c in table.natural_key)
        existed = read_row(connection, table, {"id": number}) is not None
        upsert(connection, table, list(values), [tuple(values.values())])
        return Stored(_row(connection, table, {"id": number}), not existed)

    return database.write(work, references=True)


def remove(database: Database, table: CentralTable, number: int) -> bool:
    """DELETE: whether there was such a row. Raises Problem 422 where others refer to it.

    A house takes its locations with it; nodes and readings there lose their location.
    """

    def work(connection: Connection) -> bool:
        if table.hashed:
            remember_ids(connection, table)
        locations = TABLES["Location"]
        if table.name == "House":
            remember_ids(connection, locations)
            there = locations.sql.c.houseId == number
            gone = connection.execute(sa.select(locations.sql.c.id).where(there)).scalars().all()
            _leave_locations(connection, list(gone))
        elif table.name == "Location":
            _leave_locations(connection, [number])
        lock = sa.select(table.sql.c.id).where(table.sql.c.id == number).with_for_update()
        if connection.execute(lock).scalar() is None:
            return False
        _refuse_used(connection, table, number)
        connection.execute(table.sql.delete().where(table.sql.c.id == number))
        return True

    try:
        return database.write(work, references=True)
    except sa.exc.IntegrityError as error:
        raise _in_use(table, number, "other rows") from error


def _leave_locations(connection: Connection, ids: list[int]) -> None:
    locations, readings = TABLES["Location"].sql, TABLES["Reading"].sql
    lock = sa.select(locations.c.id).where(locations.c.id.in_(ids)).with_for_update()
    connection.execute(lock).all()
    change = readings.update().where(readings.c.locationId.in_(ids)).values(locationId=None)
    connection.execute(change)


def _refuse_used(connection: Connection, table: CentralTable, number: int) -> None:
    for user, column in _STREAM_USERS.get(table.name, ()):
        points = TABLES[user].sql.c[column] == number
        if connection.execute(sa.select(sa.literal(1)).where(points).limit(1)).scalar():
            raise _in_use(table, number, user)


def _in_use(table: CentralTable, number: int, user: str) -> Problem:
    return Problem(422, "in-use", f"{user} refer to {table.name} {number}")


def _checked(table: CentralTable, sent: Mapping[str, object]) -> Group:
    row = {name: sent.get(name) for name in table.kinds}
    tuples, refused = check_rows(table.kinds, table.required, [row])
    _raise_first(refused)
    columns = tuple(table.kinds)
    values: tuple[Value, ...] = tuples[0]
    if table.numbers and isinstance(values[0], int) and values[0] < 1:
        raise Problem(422, "bad-number", f"id: {values[0]} is less than 1")
    if table.hashed and values[0] is None:  # an id that was not sent is handed out
        columns, values = columns[1:], values[1:]
    return Group(table, UPSERT, columns, [0], [values])


def _raise_first(refused: Mapping[int, Refusal]) -> None:
    if refused:
        raise Problem(422, refused[0].reason, refused[0].detail)


def _row(connection: Connection, table: CentralTable, key: Mapping[str, object]) -> Json:
    row = read_row(connection, table, key)
    assert row is not None, "written in this transaction"
    return row
