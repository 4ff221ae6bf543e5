"""Which reader a column's cells need. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from replicator.change import Value
from replicator.errors import Unsupported
from replicator.source import tablemap as t
from replicator.source import times, values
from replicator.source.charsets import BINARY, text_converter
from replicator.source.jsonbinary import json_text
from replicator.source.labels import Label, enum, labels_of_set
from replicator.source.mariadb import ADDRESSES, uncompressed
from replicator.source.values import Reader

_INTEGERS = {t.TINY: 1, t.SHORT: 2, t.INT24: 3, t.LONG: 4, t.LONGLONG: 8}
_PLAIN: dict[int, Reader] = {
    t.FLOAT: values.read_float,
    t.DOUBLE: values.read_double,
    t.DATE: times.read_date,
    t.TIME: times.read_old_time,
    t.DATETIME: times.read_old_datetime,
    t.TIMESTAMP: times.read_old_timestamp,
    t.YEAR: times.read_year,
}
_BY_META: dict[int, Callable[[int], Reader]] = {
    t.DATETIME2: times.datetime,
    t.TIMESTAMP2: times.timestamp,
    t.TIME2: times.time,
    t.BIT: values.bits,
    t.NEWDECIMAL: lambda meta: values.decimal(meta >> 8, meta & 0xFF),
    t.GEOMETRY: lambda meta: values.sized(meta, text_converter(BINARY)),
    t.VECTOR: lambda meta: values.sized(meta, text_converter(BINARY)),
    t.JSON: lambda meta: values.sized(meta, json_text),
}


@dataclass(frozen=True, slots=True)
class Details:
    """What the type code does not tell: from the row metadata or the catalogue.

    ``charset``   of text, ENUM and SET; None where there is none
    ``address``   "uuid", "inet4" or "inet6" where a BINARY is one
    """

    charset: str | None = None
    unsigned: bool = False
    labels: Sequence[Label] = ()
    address: str = ""


def reader(column: t.MappedColumn, details: Details) -> Reader:
    """The reader of one column's cells. Raises Unsupported for a type that is not decoded."""
    kind, meta = column.type, column.meta
    if kind in _INTEGERS:
        return values.integer(_INTEGERS[kind], details.unsigned)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _BY_META:
        return _BY_META[kind](meta)
    if kind == t.ENUM:
        return enum(meta, details.labels)
    if kind == t.SET:
        return labels_of_set(meta, details.labels)
    return _text(kind, meta, details)


def _text(kind: int, meta: int, details: Details) -> Reader:
    if details.address:
        size, shown = ADDRESSES[details.address]
        return values.padded(size, shown)
    convert = text_converter(details.charset or "")
    length = 1 if meta < 256 else 2
    match kind:
        case t.STRING if details.charset == BINARY:
            return values.padded(meta, convert)
        case t.VARCHAR | t.VAR_STRING | t.STRING:
            return values.sized(length, convert)
        case t.BLOB:
            return values.sized(meta, convert)
        case t.VARCHAR_COMPRESSED:
            return values.sized(length, _unpacking(convert))
        case t.BLOB_COMPRESSED:
            return values.sized(meta, _unpacking(convert))
    raise Unsupported("a column type that is not decoded yet", f"type code {kind}")


def _unpacking(convert: Callable[[bytes], str]) -> Callable[[bytes], Value]:
    return lambda data: convert(uncompressed(data))
