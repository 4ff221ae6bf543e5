"""From the rows of a bulk body to what has to be done, table by table. Pure.

Three steps: ``sort_out`` groups and checks, the caller removes rows whose references do not exist,
``fold`` leaves one action a key: the last one in the order of the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from replicator.central.problems import Refusal
from replicator.central.schema import BULK_TABLES, TABLES, CentralTable
from replicator.central.validate import Refusals, check_rows
from replicator.change import Row, Value

DELETE, UPSERT = "delete", "upsert"


@dataclass(frozen=True, slots=True)
class Group:
    """Checked rows of one table, one operation and one set of columns.

    ``columns``  the cells of every row; for a delete only the key
    ``indexes``  the place of each row in the body
    """

    table: CentralTable
    op: str
    columns: tuple[str, ...]
    indexes: Sequence[int]
    rows: Sequence[Row]

    def cells(self, name: str) -> list[Value]:
        """One column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def natural_keys(self) -> Sequence[Row]:
        """The natural key of every row; a key column that was not sent counts as NULL."""
        key = self.table.natural_key
        places = [self.columns.index(c) for c in key if c in self.columns]
        if len(places) == len(key) > 1:
            return list(map(itemgetter(*places), self.rows))
        absent = [None] * len(self.rows)
        return list(
            zip(*(self.cells(c) if c in self.columns else absent for c in key), strict=True)
        )

    def without(self, bad: Iterable[int]) -> Group:
        """The group less the rows at these places (of the group, not of the body)."""
        gone = set(bad)
        if not gone:
            return self
        good = [i for i in range(len(self.rows)) if i not in gone]
        return Group(
            self.table,
            self.op,
            self.columns,
            [self.indexes[i] for i in good],
            [self.rows[i] for i in good],
        )


def sort_out(body: Sequence[object]) -> tuple[dict[str, list[Group]], Refusals]:
    """Checked groups by table name, and what cannot be used, by its place in the body."""
    refused: Refusals = {}
    groups: dict[str, list[Group]] = {}
    shapes: dict[tuple[str, ...], list[int]] = {}
    for index, row in enumerate(body):
        if type(row) is dict:
            shapes.setdefault(tuple(row), []).append(index)
        else:
            refused[index] = Refusal("bad-type", "a row must be an object")
    for shape, indexes in shapes.items():
        for name, op, part in _by_table(body, shape, indexes):
            group = _group(name, op, shape, part)
            if isinstance(group, Refusal):
                refused.update(dict.fromkeys(part, group))
                continue
            checked, bad = _checked(group, list(map(body.__getitem__, part)))
            refused.update({part[place]: refusal for place, refusal in bad.items()})
            if checked.rows:
                groups.setdefault(checked.table.name, []).append(checked)
    return groups, refused


def _by_table(
    body: Sequence[Any], shape: Sequence[str], indexes: list[int]
) -> list[tuple[str, str, list[int]]]:
    """Rows of one shape by table and operation, as text; "" where there is none."""
    if "__op__" not in shape and "__table__" in shape:
        names = {str(body[i]["__table__"]) for i in indexes}
        if len(names) == 1:
            return [(names.pop(), "", indexes)]
    parts: dict[tuple[str, str], list[int]] = {}
    for i in indexes:
        row = body[i]
        name = (str(row.get("__table__", "")), str(row.get("__op__", "")))
        parts.setdefault(name, []).append(i)
    return [(name, op, part) for (name, op), part in parts.items()]


def _group(name: str, op: str, shape: Sequence[str], indexes: Sequence[int]) -> Group | Refusal:
    if name not in BULK_TABLES:
        return Refusal("unknown-table", f"__table__ is {name[:60]!r}")
    table = TABLES[name]
    if op not in ("", "None", DELETE, UPSERT):
        return Refusal("bad-op", f"__op__ is {op[:60]!r}, not delete or upsert")
    if op == DELETE and not table.stream:
        return Refusal("bad-op", f"{name} rows are deleted one by one: DELETE {name.lower()}/<id>")
    wanted = table.natural_key if op == DELETE else tuple(table.kinds)
    columns = tuple(c for c in wanted if c in shape)
    missing = [c for c in table.required if c not in columns]
    if missing:
        return Refusal("null-key", f"{', '.join(missing)} is part of the key and is missing")
    return Group(table, DELETE if op == DELETE else UPSERT, columns, indexes, [])


def _checked(group: Group, rows: Sequence[Any]) -> tuple[Group, Refusals]:
    kinds = {name: group.table.kinds[name] for name in group.columns}
    tuples, bad = check_rows(kinds, group.table.required, rows)
    filled = Group(group.table, group.op, group.columns, group.indexes, tuples)
    return filled.without(bad), bad


@dataclass(frozen=True, slots=True)
class Actions:
    """What to do to one table: first the deletes, then the upserts. No key occurs twice in either.

    ``deletes``  natural keys
    ``upserts``  groups; the index of a row that stands for several is the last one's
    ``earlier``  that last index → the indexes of the rows folded into it
    """

    deletes: Sequence[Row]
    upserts: Sequence[Group]
    earlier: Mapping[int, Sequence[int]] = field(default_factory=dict)


def fold(groups: Sequence[Group], keep: frozenset[str] = frozenset()) -> Actions:
    """One action a key, with the effect of all rows one after the other in the body's order.

    A delete forgets what came before it. Of two upserts the later one's columns win; a NULL in a
    ``keep`` column does not win over a value.
    """
    keys = [group.natural_keys() for group in groups]
    total = sum(map(len, keys))
    if all(g.op == UPSERT for g in groups) and len(set().union(*keys)) == total:
        return Actions([], groups)
    return _fold_slowly(groups, keys, keep)


def _fold_slowly(
    groups: Sequence[Group], keys: Sequence[Sequence[Row]], keep: frozenset[str]
) -> Actions:
    steps = sorted(
        (
            (index, key, number, place)
            for number, group in enumerate(groups)
            for place, (index, key) in enumerate(zip(group.indexes, keys[number], strict=True))
        ),
        key=itemgetter(0),
    )
    deleted: dict[Row, None] = {}
    merged: dict[Row, dict[str, object]] = {}
    indexes: dict[Row, list[int]] = {}
    for index, key, number, place in steps:
        group = groups[number]
        if group.op == DELETE:
            deleted[key] = None
            merged.pop(key, None)
            continue
        row = dict(zip(group.columns, group.rows[place], strict=True))
        before = merged.get(key, {})
        lost = {c for c in keep if row.get(c, 0) is None and before.get(c) is not None}
        merged[key] = {**before, **{c: v for c, v in row.items() if c not in lost}}
        indexes.setdefault(key, []).append(index)
    last = {key: indexes[key][-1] for key in merged}
    earlier = {last[key]: indexes[key][:-1] for key in merged}
    return Actions(list(deleted), _regroup(groups[0].table, merged, last), earlier)


def _regroup(
    table: CentralTable, merged: Mapping[Row, dict[str, object]], last: Mapping[Row, int]
) -> list[Group]:
    shapes: dict[tuple[str, ...], list[tuple[int, Row]]] = {}
    for key, row in merged.items():
        columns = tuple(c for c in table.kinds if c in row)
        cells: Row = tuple(row[c] for c in columns)  # type: ignore[misc]  # checked values
        shapes.setdefault(columns, []).append((last[key], cells))
    return [
        Group(table, UPSERT, columns, [i for i, _ in found], [row for _, row in found])
        for columns, found in shapes.items()
    ]
