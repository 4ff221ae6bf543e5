"""SQL over a range of primary keys, `after` < key <= `upto`: rows, their digest, a boundary. Pure.

The first key column bounds the range, so that the index finds it: `a >= x AND (a > x OR …)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replicator.change import Value
from replicator.source.columns import CatalogueColumn
from replicator.source.shown import expression, quoted

Key = tuple[Value, ...]
Query = tuple[str, list[Value]]


@dataclass(frozen=True, slots=True)
class Window:
    """Rows with ``since`` ≤ time < ``until`` (ISO 8601, no zone), of these nodes; None: all."""

    since: str | None = None
    until: str | None = None
    nodes: Sequence[int] | None = None

    def conditions(self) -> tuple[list[str], list[Value]]:
        """As SQL, with its values."""
        bounds = [("`time` >= %s", self.since), ("`time` < %s", self.until)]
        found = [(sql, value) for sql, value in bounds if value is not None]
        parts, values = [sql for sql, _ in found], list[Value](value for _, value in found)
        if self.nodes is not None:
            parts.append(f"`nodeId` IN ({', '.join(['%s'] * len(self.nodes)) or 'NULL'})")
            values += self.nodes
        return parts, values


EVERYTHING = Window()


def rows_of(
    table: str, columns: Sequence[CatalogueColumn], key: Sequence[str], within: Query, limit: int
) -> Query:
    """The range's first ``limit`` rows in the key's order."""
    shown = ", ".join(expression(column) for column in columns)
    where, values = within
    sql = f"SELECT {shown} FROM {table} {where} ORDER BY {_order(key)} LIMIT %s"  # noqa: S608  # own names
    return sql, [*values, limit]


def digest_of(table: str, columns: Sequence[CatalogueColumn], within: Query) -> Query:
    """How many rows, and 128 bits over all their cells that do not depend on the rows' order.

    A cell is the text that the server shows for it, in hex, so that no cell's end can be mistaken,
    and no character set has to be converted into another.
    """
    cells = ", ".join(f"COALESCE(HEX(CONCAT({expression(c)})), '-')" for c in columns)
    halves = ", ".join(
        f"BIT_XOR(CAST(CONV(SUBSTRING(digest, {start}, 16), 16, 10) AS UNSIGNED))"
        for start in (1, 17)
    )
    where, values = within
    inner = f"SELECT MD5(CONCAT_WS(',', {cells})) AS digest FROM {table} {where}"  # noqa: S608  # own names
    return f"SELECT COUNT(*), {halves} FROM ({inner}) AS of_rows", values  # noqa: S608  # own names


def key_at(table: str, key: Sequence[str], within: Query, place: int) -> Query:
    """The range's key number ``place``, counted from 0."""
    where, values = within
    order = _order(key)
    sql = f"SELECT {order} FROM {table} {where} ORDER BY {order} LIMIT 1 OFFSET %s"  # noqa: S608  # own names
    return sql, [*values, place]


def within(
    key: Sequence[str], after: Key | None, upto: Key | None, window: Window = EVERYTHING
) -> Query:
    """The WHERE clause of a range, and of a window in it; "" where nothing bounds it."""
    conditions, values = window.conditions()
    for bound, sign, closed in ((after, ">", False), (upto, "<", True)):
        if bound is not None:
            condition, more = _beside(key, bound, sign, closed)
            conditions.append(condition)
            values += more
    return (f"WHERE {' AND '.join(conditions)}" if conditions else ""), values


def _beside(key: Sequence[str], bound: Key, sign: str, closed: bool) -> Query:
    condition, values = "", list[Value]()
    for name, value in reversed(list(zip(key, bound, strict=True))):
        column = quoted(name)
        if condition:
            condition = f"({column} {sign} %s OR ({column} = %s AND {condition}))"
            values = [value, value, *values]
        else:
            condition, values = f"{column} {sign}{'=' if closed else ''} %s", [value]
    if len(key) == 1:
        return condition, values
    return f"{quoted(key[0])} {sign}= %s AND {condition}", [bound[0], *values]


def _order(key: Sequence[str]) -> str:
    return ", ".join(quoted(name) for name in key)
