"""Row checks, pure: columns of decoded JSON in, storable columns and refusals out.

Works column by column, so that a good column of a large batch costs a few C-level passes; only a
column with something bad in it is looked at value by value.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from replicator.central.problems import Refusal
from replicator.central.schema import Kind
from replicator.change import Value

Refusals = dict[int, Refusal]
Column = Sequence[Any]

_NONE = type(None)
_RANGES = {
    "integer": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
    "flag": (-128, 127),
}
FLOAT_MAX = 3.4028234663852886e38  # the largest float32, widened
_ROUNDS_TO_FLOAT_MAX = 3.4028235677973366e38  # from here on a double rounds to infinity
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|[+-]\d\d:?(?:\d\d)?)?", re.ASCII
)
_FIRST_YEAR = "1000"  # what a DATETIME of MariaDB and MySQL can hold


def parse_time(text: object) -> str | None:
    """``YYYY-MM-DDTHH:MM:SS`` of an ISO 8601 text with ``T`` or a blank, None if it is not one.

    As the original server reads it: fractions are cut, a zone is dropped without conversion.
    """
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[1] < _FIRST_YEAR:
        return None
    try:
        return datetime.fromisoformat(f"{match[1]} {match[2]}").isoformat()
    except ValueError:  # a day or an hour that no calendar has
        return None


def _integers(values: Column, kind: Kind) -> tuple[Column, Refusals]:
    low, high = _RANGES[kind.name]
    types = set(map(type, values))
    if types <= {int, _NONE}:
        present = values if _NONE not in types else [v for v in values if v is not None]
        if not present or (low <= min(present) and max(present) <= high):
            return values, {}

    def one(value: object) -> Value | Refusal:
        if isinstance(value, bool) and kind.name == "flag":
            return int(value)
        if value is None:
            return None
        if type(value) is not int:
            return Refusal("bad-type", f"{_shown(value)} is not an integer")
        if not low <= value <= high:
            return Refusal("bad-number", f"{value} is outside {low} … {high}")
        return value

    return _each(values, one)


def _floats(values: Column, _: Kind) -> tuple[Column, Refusals]:
    types = set(map(type, values))
    if types <= {float, int, _NONE}:
        present = values if _NONE not in types else [v for v in values if v is not None]
        if not present or (min(present) >= -FLOAT_MAX and max(present) <= FLOAT_MAX):
            return values, {}

    def one(value: object) -> Value | Refusal:
        if value is None:
            return None
        if type(value) is not int and type(value) is not float:
            return Refusal("bad-type", f"{_shown(value)} is not a number")
        if abs(value) >= _ROUNDS_TO_FLOAT_MAX:
            return Refusal("bad-number", f"{value} does not fit a 32 bit float")
        return max(-FLOAT_MAX, min(FLOAT_MAX, value))

    return _each(values, one)


def _texts(values: Column, kind: Kind) -> tuple[Column, Refusals]:
    def one(value: object) -> Value | Refusal:
        if value is None:
            return None
        if not isinstance(value, str):
            return Refusal("bad-type", f"{_shown(value)} is not text")
        if len(value) > kind.length:
            return Refusal("too-long", f"{len(value)} characters, at most {kind.length}")
        if "\0" in value:
            return Refusal("bad-type", "text with a zero character")
        return value

    return _each(values, one)


def _times(values: Column, _: Kind) -> tuple[Column, Refusals]:
    types = set(map(type, values))
    if types <= {str, _NONE}:
        known = {text: parse_time(text) for text in set(values)}
        if None not in (known[text] for text in known if text is not None):
            return [known[text] for text in values], {}

    def one(value: object) -> Value | Refusal:
        parsed = parse_time(value)
        if value is not None and parsed is None:
            return Refusal("bad-time", f"{_shown(value)} is not YYYY-MM-DDTHH:MM:SS")
        return parsed

    return _each(values, one)


def _each(values: Column, one: Callable[[object], Value | Refusal]) -> tuple[Column, Refusals]:
    checked = [one(value) for value in values]
    refusals = {i: c for i, c in enumerate(checked) if isinstance(c, Refusal)}
    return checked, refusals


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


_CHECKS: Mapping[str, Callable[[Column, Kind], tuple[Column, Refusals]]] = {
    "integer": _integers,
    "bigint": _integers,
    "flag": _integers,
    "float": _floats,
    "text": _texts,
    "time": _times,
}


def check_column(name: str, kind: Kind, values: Column, required: bool) -> tuple[Column, Refusals]:
    """The column as it can be stored, and the refused places in it. ``required``: no NULL."""
    checked, refusals = _CHECKS[kind.name](values, kind)
    refusals = {i: Refusal(r.reason, f"{name}: {r.detail}") for i, r in refusals.items()}
    if required and None in checked:
        for i, value in enumerate(checked):
            if value is None and i not in refusals:
                refusals[i] = Refusal("null-key", f"{name} is part of the key and is NULL")
    return checked, refusals


def check_rows(
    kinds: Mapping[str, Kind], required: Sequence[str], rows: Sequence[Mapping[str, object]]
) -> tuple[list[tuple[Value, ...]], Refusals]:
    """Rows that all have exactly the columns of ``kinds`` (and perhaps others, ignored).

    Returns one storable tuple a row in the order of ``kinds``, and the refused rows by their place;
    the tuple of a refused row means nothing.
    """
    columns: list[Column] = []
    refused: Refusals = {}
    for name, kind in kinds.items():
        values = list(map(itemgetter(name), rows))
        column, refusals = check_column(name, kind, values, name in required)
        columns.append(column)
        for place, refusal in refusals.items():
            refused.setdefault(place, refusal)
    return list(zip(*columns, strict=True)) if columns else [()] * len(rows), refused


def shortest_float32(value: float) -> float:
    """The float whose decimal is the shortest that gives the same float32 as ``value``."""
    bits = struct.pack("f", value)
    first = 1 if abs(value) < 1.2e-38 else 6  # subnormals have fewer digits than six
    for digits in range(first, 9):
        candidate = float(f"{value:.{digits}g}")
        if abs(candidate) < _ROUNDS_TO_FLOAT_MAX and struct.pack("f", candidate) == bits:
            return candidate
    return float(f"{value:.9g}")
