"""Cells: what the server takes, what its database keeps, what it says again."""

from __future__ import annotations

import math
import re
import struct
import unicodedata
from datetime import datetime

from tests.original.schema import Kind

Cell = None | int | float | str
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?")
_FLOAT_MAX = 3.4028234663852886e38
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


class BadCell(ValueError):
    """The database, or the parser in front of it, refuses this value."""


def stored(kind: Kind, value: object) -> Cell:
    """The cell a strict MariaDB keeps for a JSON value. Raises BadCell."""
    if value is None:
        return None
    if isinstance(value, bool):
        value = int(value)
    if kind.name == "time":
        return time_cell(value)
    if not isinstance(value, (int, float, str)):
        raise BadCell(f"{value!r} is no cell")
    if kind.name == "text":
        return _text(kind, value)
    return _number(kind, value)


def time_cell(value: object) -> str:
    """ISO, whole seconds; zone and fraction are dropped, nothing is converted."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise BadCell(f"unknown string format: {value!r}")
    text = f"{match[1]}T{match[2] or '00:00'}{match[3] or ':00'}"
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise BadCell(str(error)) from error
    return text


def _text(kind: Kind, value: float | str) -> str:
    text = str(value)
    if len(text) > kind.length:
        raise BadCell(f"data too long: {text[:40]!r}")
    return text


def _number(kind: Kind, value: float | str) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError as error:
            raise BadCell(f"incorrect {kind.name} value: {value!r}") from error
    if not math.isfinite(value):
        raise BadCell(f"{value!r} can not be used")
    if kind.name == "float":
        if abs(value) > _FLOAT_MAX:
            raise BadCell(f"out of range value: {value!r}")
        return float32(value)
    number = value if isinstance(value, int) else round(value)
    limit = 2**63 if kind.name == "bigint" else 2**31
    if not -limit <= number < limit:
        raise BadCell(f"out of range value: {value!r}")
    return number


def float32(value: float) -> float:
    """The nearest 32-bit float, as a double."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def shortest(value: float) -> float:
    """The shortest decimal with the same 32 bits."""
    for digits in range(6, 9):
        text = f"{value:.{digits}g}"
        if float32(float(text)) == value:
            return float(text)
    return float(f"{value:.9g}")


def said(kind: Kind, cell: Cell) -> Cell:
    """As a SELECT gives it to the server: a FLOAT with six digits."""
    if kind.name == "float" and isinstance(cell, float):
        return float(f"{cell:.6g}")
    return cell


def leading_number(text: str) -> float:
    """What MariaDB compares a number column with: the number at the start of a text, else 0."""
    match = _NUMBER.match(text)
    return float(match[0]) if match else 0.0


def collated(text: str) -> str:
    """utf8_general_ci, near enough: case, accents and blanks at the end do not count."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return plain.casefold().rstrip(" ")
