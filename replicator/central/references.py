"""Reference rows: which ids exist, and creating or changing rows by natural key.

All of it runs inside one transaction. Functions that decide by look-up and then write expect that
the transaction was begun with ``references=True`` (one such writer at a time).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from replicator.central.batch import Group
from replicator.central.keys import natural_key_hash
from replicator.central.problems import Refusal
from replicator.central.schema import ID_COUNTER, TABLES, CentralTable
from replicator.central.upsert import upsert
from replicator.central.validate import Refusals
from replicator.change import Row

_LOOKUP = 500  # values of one IN (…)


@dataclass(slots=True)
class Existing:
    """The ids of this transaction's references: looked up once, locked against deletion."""

    connection: Connection
    _known: dict[str, dict[int, bool]] = field(default_factory=dict)

    def missing(self, table: str, ids: set[Any]) -> set[int]:
        """Those of ``ids`` that are not in the table."""
        known = self._known.setdefault(table, {})
        asked = sorted(ids - known.keys())
        column = TABLES[table].sql.c.id
        for start in range(0, len(asked), _LOOKUP):
            part = asked[start : start + _LOOKUP]
            query = sa.select(column).where(column.in_(part)).with_for_update(read=True)
            found = set(self.connection.execute(query).scalars())
            known.update({i: i in found for i in part})
        return {i for i in ids if not known[i]}

    def refuse(self, group: Group) -> Refusals:
        """Rows of the group that point at something that does not exist, by place in the group."""
        refused: Refusals = {}
        for column, target in group.table.references.items():
            if column not in group.columns:
                continue
            cells = group.cells(column)
            missing = self.missing(target, set(cells) - {None})
            if not missing:
                continue
            for place, cell in enumerate(cells):
                if cell in missing:
                    detail = f"{column}: there is no {target} {cell}"
                    refused.setdefault(place, Refusal("unknown-reference", detail))
        return refused

    def forget(self, table: str) -> None:
        """Rows were added to the table."""
        self._known.pop(table, None)


def store_group(connection: Connection, group: Group) -> Refusals:
    """Insert or update the group's reference rows by natural key; refused ones by place."""
    if not group.table.hashed:
        upsert(connection, group.table, group.columns, group.rows)
        return {}
    table = group.table
    hashes = [natural_key_hash(key) for key in group.natural_keys()]
    given = group.cells("id") if "id" in group.columns else [None] * len(group.rows)
    ids, refused = _settle_ids(connection, table, hashes, given)
    others = [c for c in group.columns if c != "id"]
    places = [group.columns.index(c) for c in others]
    rows: list[Row] = [
        (ids[i], hashes[i], *(row[p] for p in places))
        for i, row in enumerate(group.rows)
        if i not in refused
    ]
    if rows:
        upsert(connection, table, ["id", "natural_key", *others], rows)
    return refused


def _settle_ids(
    connection: Connection, table: CentralTable, hashes: Sequence[str], given: Sequence[object]
) -> tuple[list[int], Refusals]:
    by_key = _lookup(connection, table, "natural_key", hashes)
    taken = set(_lookup(connection, table, "id", [i for i in given if i is not None]).values())
    ids: list[int | None] = []
    refused: Refusals = {}
    for place, (key, wish) in enumerate(zip(hashes, given, strict=True)):
        found = by_key.get(key)
        if not isinstance(wish, int):
            ids.append(found)
            continue
        refusal = _unusable(table, wish, found, wish in taken)
        if refusal is not None:
            refused[place] = refusal
        taken.add(wish)
        ids.append(wish)
    fresh = sum(i is None for i in ids)
    if not fresh:
        return [i for i in ids if i is not None], refused
    above = max((i for i in ids if i is not None), default=0)
    new = iter(_hand_out(connection, table, fresh, above))
    return [next(new) if i is None else i for i in ids], refused


def _unusable(table: CentralTable, wish: int, found: int | None, taken: bool) -> Refusal | None:
    if wish < 1:
        return Refusal("bad-number", f"id: {wish} is less than 1")
    if found is not None and found != wish:
        return Refusal("id-taken", f"id: this {table.name} already has the id {found}, not {wish}")
    if found is None and taken:
        return Refusal("id-taken", f"id: {wish} belongs to another {table.name}")
    return None


def _lookup(
    connection: Connection, table: CentralTable, column: str, values: Sequence[object]
) -> dict[object, int]:
    found: dict[object, int] = {}
    by = table.sql.c[column]
    for start in range(0, len(values), _LOOKUP):
        part = values[start : start + _LOOKUP]
        query = sa.select(by.label("k"), table.sql.c.id.label("i")).where(by.in_(part))
        found.update({row.k: row.i for row in connection.execute(query)})
    return found


def _hand_out(connection: Connection, table: CentralTable, count: int, above: int) -> range:
    """``count`` ids that no row of the table ever had, above ``above``."""
    start = max(above, remember_ids(connection, table))
    change = ID_COUNTER.update().where(ID_COUNTER.c.name == table.name)
    connection.execute(change.values(last=start + count))
    return range(start + 1, start + count + 1)


def remember_ids(connection: Connection, table: CentralTable) -> int:
    """Note the highest id, so that it is not handed out again once its row is deleted."""
    counter = sa.select(ID_COUNTER.c.last).where(ID_COUNTER.c.name == table.name)
    remembered = connection.execute(counter).scalar()
    highest = connection.execute(sa.select(sa.func.max(table.sql.c.id))).scalar()
    last = max(highest or 0, remembered or 0)
    if remembered is None:
        connection.execute(ID_COUNTER.insert().values({"name": table.name, "last": last}))
    elif remembered < last:
        change = ID_COUNTER.update().where(ID_COUNTER.c.name == table.name)
        connection.execute(change.values(last=last))
    return last


def find(connection: Connection, table: CentralTable, values: Mapping[str, object]) -> int | None:
    """The id of the row with the natural key in ``values``."""
    key = [values.get(c) for c in table.natural_key]
    if not table.hashed:
        column, value = table.sql.c.id, key[0]
    else:
        column, value = table.sql.c.natural_key, natural_key_hash(key)  # type: ignore[arg-type]  # checked
    found = connection.execute(sa.select(table.sql.c.id).where(column == value)).scalar()
    return None if found is None else int(found)
