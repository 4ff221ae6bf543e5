"""Columns of a SELECT in canonical values, the same as from the log. Pure.

Cells are bytes: numbers, times and addresses as the server shows them, text in its column's own
character set (the session has no character_set_results).
"""

from __future__ import annotations

from collections.abc import Callable

from replicator.change import Value
from replicator.source.charsets import BINARY, text_converter
from replicator.source.columns import CatalogueColumn
from replicator.source.jsonbinary import canonical
from replicator.source.mariadb import ADDRESSES
from replicator.source.values import shortest_float32

INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year", "bit"})
# As a number: BIT is shown as bytes, and FLOAT with six digits that are not enough.
_ADDED = {"bit": "0", "float": "0e0", "double": "0e0"}
_PLAIN = frozenset({"date", "time", *ADDRESSES})


def quoted(name: str) -> str:
    """For a statement whose values PyMySQL puts in."""
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def expression(column: CatalogueColumn) -> str:
    """What to select for a column."""
    added = _ADDED.get(column.data_type)
    return f"{quoted(column.name)}+{added}" if added else quoted(column.name)


def converter(column: CatalogueColumn) -> Callable[[bytes], Value]:
    """A column's cell as its canonical value."""
    kind = column.data_type
    if kind in INTEGERS:
        return int
    if kind in _NUMBERS:
        return _NUMBERS[kind]
    if kind in _PLAIN:
        return _ascii
    if kind == "json":  # MySQL's; it is utf8mb4
        return lambda cell: canonical(cell.decode("utf-8"))
    return text_converter(column.charset or BINARY)


def _ascii(cell: bytes) -> str:
    return cell.decode("ascii")


def _time(cell: bytes) -> str:
    return _ascii(cell).replace(" ", "T")


def _without_zero_fill(cell: bytes) -> str:
    text = _ascii(cell)
    whole, point, broken = text.lstrip("-").partition(".")
    sign = "-" if text.startswith("-") else ""
    return f"{sign}{whole.lstrip('0') or '0'}{point}{broken}"


_NUMBERS: dict[str, Callable[[bytes], Value]] = {
    "float": lambda cell: shortest_float32(float(cell)),
    "double": float,
    "decimal": _without_zero_fill,
    "datetime": _time,
    "timestamp": lambda cell: _time(cell) + "Z",
}
