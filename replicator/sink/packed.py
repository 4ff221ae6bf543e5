"""The columnar form of a bulk body, for a central server that reads it (docs/rest.md). Pure.

A header in JSON says, column by column, which values occur; behind it stand the places of each
row's values in those lists, a byte or two a row.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import orjson

from replicator.change import Value

MAGIC = b"RCB1"
CONTENT_TYPE = "application/x-replicator-columns"

_FEW_ROWS = 24  # of so few a list of the values alone is shorter
_MOST_PLACES = 1 << 16
_NONE = type(None)
_FIRST_YEAR = "1000"  # earlier times are no times at a centre, which shall say so of each row
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # as the station's times: without zone
_MINUS_ZERO = -(2**63)  # the bits of -0.0

Spec = dict[str, Any]


def packed(
    parts: Sequence[tuple[str, Mapping[str, Sequence[Value]], Mapping[str, Any]]],
    order: bytes = b"",
) -> bytes:
    """The body of (table, columns, ids) for each table; ids as sink.columns.translated.

    ``order``  of several parts: the part that each row of the batch is in
    """
    tables, planes = [], []
    for table, columns, ids in parts:
        specs: dict[str, Spec] = {}
        rows = 0
        for name, cells in columns.items():
            rows = len(cells)
            specs[name], plane = _column(cells, ids.get(name))
            planes.append(plane)
        tables.append({"table": table, "rows": rows, "columns": specs})
    header = orjson.dumps({"parts": tables})
    return b"".join([MAGIC, len(header).to_bytes(4, "big"), header, *planes, order])


def _column(cells: Sequence[Value], ids: Mapping[Value, Value] | None) -> tuple[Spec, bytes]:
    """How the header tells a column, and the plane of its places."""
    distinct = set(cells) if ids is None else set(ids)
    repeats = len(distinct) == 1 or (
        len(cells) >= _FEW_ROWS and len(distinct) <= min(len(cells) // 2, _MOST_PLACES)
    )
    if repeats and (ids is not None or _is_exact(cells, distinct)):
        if len(distinct) == 1:
            return {"all": cells[0] if ids is None else ids[cells[0]]}, b""
        return _dictionary(cells, distinct, ids)
    each = cells if ids is None else list(map(ids.__getitem__, cells))
    return _told(each, "each"), b""


def _dictionary(
    cells: Sequence[Value], distinct: set[Value], ids: Mapping[Value, Value] | None
) -> tuple[Spec, bytes]:
    values = _in_order(distinct if ids is None else set(ids.values()))
    place = {value: number for number, value in enumerate(values)}
    if ids is not None:
        place = {local: place[ids[local]] for local in distinct}
    numbers = map(place.__getitem__, cells)
    if len(values) <= 256:
        return _told(values, "of"), bytes(numbers)
    wide = array("H", numbers)
    if sys.byteorder == "big":
        wide.byteswap()
    content = wide.tobytes()
    return _told(values, "of"), content[::2] + content[1::2]


def _in_order(values: set[Value]) -> list[Value]:
    present: list[Any] = [value for value in values if value is not None]
    present.sort()
    return [None, *present] if len(present) < len(values) else present


def _is_exact(cells: Sequence[Value], distinct: set[Value]) -> bool:
    """Whether equal cells are the same: 1 is 1.0 and 0.0 is -0.0 to a set."""
    kinds = set(map(type, cells)) - {_NONE}
    if len(kinds) > 1:
        return False
    if kinds == {float} and 0.0 in distinct:
        present: list[Any] = [cell for cell in cells if cell is not None]
        return _MINUS_ZERO not in array("q", array("d", present).tobytes())
    return True


def _told(values: Sequence[Value], how: str) -> Spec:
    """A list of values; times as steps of seconds from the first."""
    if isinstance(values[0], str):
        seconds = _seconds(values)
        if seconds is not None:
            steps = [b - a for a, b in pairwise(seconds)]
            return {"from": values[0], how: [0, *steps]}
    return {how: values}


def _seconds(values: Sequence[Value]) -> list[int] | None:
    """Seconds since 1970 of times in canonical form; None where one is not."""
    found = []
    try:
        for text in values:
            if not isinstance(text, str):
                return None
            moment = datetime.fromisoformat(text)
            if moment.microsecond or moment.isoformat() != text or text < _FIRST_YEAR:
                return None
            since = moment - _EPOCH
            found.append(since.days * 86_400 + since.seconds)
    except (ValueError, TypeError):  # no time, or one with a zone
        return None
    return found
