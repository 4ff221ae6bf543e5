"""Reading rows: conditions as SQL, one page at a time, cells in canonical form."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from replicator.central.filters import Condition, Query
from replicator.central.problems import Problem
from replicator.central.schema import CentralTable, Kind
from replicator.central.settings import DEFAULT_PAGE, MAX_PAGE
from replicator.central.validate import shortest_float32

Json = dict[str, object]
_RANGE = re.compile(r"items=(\d{1,12})-(\d{1,12})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Page:
    """``rows`` from number ``first`` (from 0) of ``total`` matching ones."""

    rows: list[Json]
    first: int
    total: int

    @property
    def content_range(self) -> str:
        """As the original says it; an empty page ends where it begins."""
        last = max(self.first, self.first + len(self.rows) - 1)
        return f"items {self.first}-{last}/{self.total}"


def parse_range(header: str | None) -> tuple[int, int]:
    """(offset, limit) of a ``Range: items=a-b`` header. Raises Problem 400."""
    if header is None:
        return 0, DEFAULT_PAGE
    match = _RANGE.fullmatch(header.strip())
    if match is None or int(match[2]) < int(match[1]):
        raise Problem(400, "bad-range", f"Range must be items=a-b, not {header[:60]!r}")
    first, last = int(match[1]), int(match[2])
    return first, min(last - first + 1, MAX_PAGE)


def read_page(
    connection: Connection, table: CentralTable, query: Query, offset: int, limit: int
) -> Page:
    """One page of the matching rows, in the asked order, then by primary key."""
    where = [_where(connection, table, c) for c in query.conditions]
    total = connection.execute(
        sa.select(sa.func.count()).select_from(table.sql).where(*where)
    ).scalar_one()
    order = [_ordered(table, column, down) for column, down in query.order]
    order += [table.sql.c[c].asc() for c in table.primary_key]
    select = _select(connection, table).where(*where).order_by(*order)
    rows = connection.execute(select.limit(limit).offset(offset))
    return Page(_rendered(table, rows), offset, int(total))


def read_row(connection: Connection, table: CentralTable, key: Mapping[str, object]) -> Json | None:
    """The row with this primary key, or None."""
    where = [table.sql.c[c] == key[c] for c in table.primary_key]
    found = _rendered(table, connection.execute(_select(connection, table).where(*where)))
    return found[0] if found else None


def _select(connection: Connection, table: CentralTable) -> sa.Select[Any]:
    return sa.select(*cells(connection, table, tuple(table.kinds)))


def cells(
    connection: Connection, table: CentralTable, names: Sequence[str]
) -> list[sa.ColumnElement[Any]]:
    """What to select for these columns, FLOATs with all their bits."""
    mysql = _is_mysql(connection)
    return [
        _widened(table.sql.c[name]).label(name)
        if mysql and table.kinds[name].name == "float"
        else table.sql.c[name]
        for name in names
    ]


def _is_mysql(connection: Connection) -> bool:
    return connection.dialect.name in ("mysql", "mariadb")


def _widened(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    # Read plainly, MySQL shows a FLOAT with six digits; as a DOUBLE it shows all of it.
    return column + sa.literal_column("0e0", sa.Double())


def _ordered(table: CentralTable, column: str, descending: bool) -> sa.ColumnElement[Any]:
    return table.sql.c[column].desc() if descending else table.sql.c[column].asc()


def _rendered(table: CentralTable, rows: sa.CursorResult[Any]) -> list[Json]:
    names = ("__table__", *table.kinds)
    renderers = [_RENDER.get(kind.name) for kind in table.kinds.values()]
    return [
        dict(
            zip(
                names,
                (
                    table.name,
                    *(
                        cell if cell is None or render is None else render(cell)
                        for cell, render in zip(row, renderers, strict=True)
                    ),
                ),
                strict=True,
            )
        )
        for row in rows
    ]


_RENDER: dict[str, Callable[[Any], object]] = {"float": shortest_float32, "flag": int}


def _where(connection: Connection, table: CentralTable, wanted: Condition) -> Any:
    column: Any = table.sql.c[wanted.column]
    kind = table.kinds[wanted.column]
    if wanted.operator == "null":
        return column.is_(None)
    if wanted.operator == "like":
        return _like(connection, column, wanted)
    left, right = _comparable(connection, column, kind, wanted.value)
    return {
        "eq": left == right,
        "ge": left >= right,
        "gt": left > right,
        "le": left <= right,
        "lt": left < right,
    }[wanted.operator]


def _comparable(connection: Connection, column: Any, kind: Kind, value: Any) -> tuple[Any, Any]:
    if _is_mysql(connection) and kind.name == "text":  # its comparison ignores trailing blanks
        return sa.cast(column, sa.LargeBinary()), value.encode()
    if _is_mysql(connection) and kind.name == "float":
        return _widened(column), struct.unpack("f", struct.pack("f", value))[0]
    if connection.dialect.name == "postgresql" and kind.name == "float":
        return column, sa.cast(value, sa.REAL())
    return column, value


def _like(connection: Connection, column: Any, wanted: Condition) -> Any:
    text = str(wanted.value)
    if connection.dialect.name == "sqlite":  # its LIKE ignores case
        escaped = re.sub(r"([*?\[])", r"[\1]", text)
        return column.op("GLOB")(f"{'*' * wanted.before}{escaped}{'*' * wanted.after}")
    escaped = re.sub(r"([%_!])", r"!\1", text)
    return column.like(f"{'%' * wanted.before}{escaped}{'%' * wanted.after}", escape="!")
