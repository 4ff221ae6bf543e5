"""The second opinion: mysql-replication's own decoder, its values in our canonical form."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.constants import FIELD_TYPE as F
from pymysqlreplication.row_event import DeleteRowsEvent, UpdateRowsEvent, WriteRowsEvent

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Op, Position, Value
from replicator.model import TABLES, split_key
from replicator.source.values import shortest_float32
from tests.source.capture import endpoint, library_connect

Flat = tuple[str, str, tuple[tuple[str, Any], ...]]
"""Table, operation, cells by name."""


def of_the_library(
    server: PrivateMariaDB, database: str, start: Position, end: Position
) -> list[Flat]:
    """Its rows of replicated tables, in order. Raises whatever it raises."""
    reader = BinLogStreamReader(
        connection_settings=endpoint(server, "").settings(),
        server_id=3998,
        log_file=start.file,
        log_pos=start.offset,
        resume_stream=True,
        blocking=False,
        only_events=[WriteRowsEvent, UpdateRowsEvent, DeleteRowsEvent],
        only_schemas=[database],
        only_tables=list(TABLES),
        enable_logging=False,
        pymysql_wrapper=library_connect,
    )
    found: list[Flat] = []
    with closing(reader):
        for event in reader:
            if event.packet.log_pos > end.offset:
                break
            found += _rows(event)
    return found


def _rows(event: Any) -> Iterator[Flat]:
    for row in event.rows:
        if isinstance(event, UpdateRowsEvent):
            before = _cells(event, row["before_values"])
            after = _cells(event, row["after_values"])
            yield from _update(event.table, before, after)
        else:
            kind = Op.INSERT if isinstance(event, WriteRowsEvent) else Op.DELETE
            yield event.table, kind.value, _cells(event, row["values"])


def _update(
    table: str, before: tuple[tuple[str, Any], ...], after: tuple[tuple[str, Any], ...]
) -> Iterator[Flat]:
    key = split_key(TABLES[table])
    if [v for n, v in before if n in key] == [v for n, v in after if n in key]:
        yield table, Op.UPDATE.value, after
    else:
        yield table, Op.DELETE.value, before
        yield table, Op.INSERT.value, after


def _cells(event: Any, values: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    cells = zip(event.columns, values.items(), strict=True)
    return tuple((name, canonical(column, value)) for column, (name, value) in cells)


def ours(changes: Sequence[Sequence[Change]]) -> list[Flat]:
    """The captured rows in the same form."""
    return [
        (change.table, change.op.value, tuple(zip(change.columns, row, strict=True)))
        for transaction in changes
        for change in transaction
        for row in change.rows
    ]


def differences(theirs: Sequence[Flat], our: Sequence[Flat]) -> set[str]:
    """ "Table.column" of cells that differ, in name or value; "*" where the rows are others."""
    if [flat[:2] for flat in theirs] != [flat[:2] for flat in our]:
        return {"*"}
    return {
        f"{table}.{name}"
        for (table, _, here), (_, _, there) in zip(our, theirs, strict=True)
        for (name, value), (other, cell) in zip(here, there, strict=True)
        if name != other or repr(value) != repr(cell)
    }


def canonical(column: Any, value: Any) -> Value:
    """One of the library's values as docs/values.md has it."""
    if value is None:
        return None
    form = _FORMS.get(column.type)
    told: Value = form(column, value) if form else _text(value)
    return told


def _text(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _fraction(column: Any, microsecond: int) -> str:
    digits = getattr(column, "fsp", 0)
    return f".{microsecond:06d}"[: digits + 1] if digits else ""


def _datetime(column: Any, value: dt.datetime) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%S}{_fraction(column, value.microsecond)}"


def _time(column: Any, value: dt.timedelta) -> str:
    size = abs(value)
    seconds = size.days * 86_400 + size.seconds
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{'-' if value < dt.timedelta() else ''}{clock}{_fraction(column, size.microseconds)}"


_FORMS: dict[int, Callable[[Any, Any], Value]] = {
    F.FLOAT: lambda _, value: shortest_float32(value),
    F.NEWDECIMAL: lambda _, value: f"{value:f}",
    F.BIT: lambda _, value: int(value, 2),
    F.SET: lambda column, value: ",".join(v for v in column.set_values if v in value),
    F.DATE: lambda _, value: str(value.isoformat()),
    F.DATETIME2: _datetime,
    F.TIMESTAMP2: lambda column, value: _datetime(column, value) + "Z",
    F.TIME2: _time,
}
