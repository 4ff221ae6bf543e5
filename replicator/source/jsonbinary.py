"""MySQL's binary JSON to text. Pure.

Format: sql/json_binary.h in MySQL's sources. Text as wrapper_to_string in its sql/json_dom.cc, but
for what differs between versions: a fraction has no zeros at its end (8.0 shows the double 1 as
1.0, 5.7 as 1), and base64 has no line breaks. ``canonical`` brings SELECT's text there.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterator

from replicator.source import tablemap as t
from replicator.source.times import clock_text
from replicator.source.values import datetime_text, decimal_size, decimal_text, take

_SMALL_OBJECT, _LARGE_OBJECT, _SMALL_ARRAY, _LARGE_ARRAY, _LITERAL = 0, 1, 2, 3, 4
_NUMBERS = {5: "<h", 6: "<H", 7: "<i", 8: "<I", 9: "<q", 10: "<Q"}
_DOUBLE, _STRING, _OPAQUE = 11, 12, 15
_LITERALS = {0: "null", 1: "true", 2: "false"}
_INLINED = {False: frozenset({4, 5, 6}), True: frozenset({4, 5, 6, 7, 8})}
_DEEPEST = 100
_POINT_DIGITS = 15
_ESCAPES = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
_ESCAPE = {**{code: f"\\u{code:04x}" for code in range(32)}, **_ESCAPES}
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|(-?\d+)\.(\d+)([eE][-+]?\d+)?', re.DOTALL)


def json_text(data: bytes) -> str:
    """A JSON cell's content; an empty one is null (json_binary::parse_binary)."""
    return _value(data[0], data, 1, 1) if data else "null"


def canonical(shown: str) -> str:
    """JSON as a server shows it, in the form of ``json_text``."""
    return _TOKEN.sub(_token, shown)


def _token(match: re.Match[str]) -> str:
    whole, fraction, exponent = match.groups()
    if whole is None:
        return match[0].replace("\n", "")  # only base64 has it bare
    fraction = fraction.rstrip("0")
    return f"{whole}{'.' if fraction else ''}{fraction}{exponent or ''}"


def _value(kind: int, data: bytes, at: int, depth: int) -> str:
    if depth > _DEEPEST:
        raise ValueError("JSON that is deeper than a server writes it")
    if kind <= _LARGE_ARRAY:
        large = kind in (_LARGE_OBJECT, _LARGE_ARRAY)
        if kind in (_SMALL_OBJECT, _LARGE_OBJECT):
            pairs = _members(data[at:], large, depth)
            return "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        return "[" + ", ".join(_elements(data[at:], large, depth)) + "]"
    if kind == _LITERAL:
        return _LITERALS[data[at]]
    if kind in _NUMBERS:
        return str(struct.unpack_from(_NUMBERS[kind], data, at)[0])
    if kind == _DOUBLE:
        return _double_text(struct.unpack_from("<d", data, at)[0])
    if kind == _STRING:
        return _quoted(_sized(data, at).decode("utf-8"))
    if kind == _OPAQUE:
        return _opaque(data[at], _sized(data, at + 1))
    raise ValueError(f"JSON type {kind} is not known")


def _elements(data: bytes, large: bool, depth: int) -> Iterator[str]:
    width = 4 if large else 2
    count, size = _header(data, width)
    for number in range(count):
        yield _entry(data[:size], 2 * width + number * (1 + width), large, depth)


def _members(data: bytes, large: bool, depth: int) -> Iterator[tuple[str, str]]:
    width = 4 if large else 2
    count, size = _header(data, width)
    data = data[:size]
    values = 2 * width + count * (width + 2)
    for number in range(count):
        place = 2 * width + number * (width + 2)
        start = int.from_bytes(take(data, place, width), "little")
        length = int.from_bytes(take(data, place + width, 2), "little")
        key = _quoted(take(data, start, length).decode("utf-8"))
        yield key, _entry(data, values + number * (1 + width), large, depth)


def _header(data: bytes, width: int) -> tuple[int, int]:
    """How many elements, and how many bytes all is."""
    count = int.from_bytes(take(data, 0, width), "little")
    size = int.from_bytes(take(data, width, width), "little")
    if size > len(data):
        raise IndexError("JSON is cut off")
    return count, size


def _entry(data: bytes, at: int, large: bool, depth: int) -> str:
    """A value's entry: its type, and the value itself or where it is."""
    width = 4 if large else 2
    kind = data[at]
    offset = int.from_bytes(take(data, at + 1, width), "little")
    if kind in _INLINED[large]:
        return _value(kind, data, at + 1, depth)
    return _value(kind, data, offset, depth + 1)


def _sized(data: bytes, at: int) -> bytes:
    """The length in groups of seven bits, the lowest first, then as many bytes."""
    size = 0
    for group in range(5):
        byte = data[at + group]
        size |= (byte & 0x7F) << (7 * group)
        if not byte & 0x80:
            return take(data, at + group + 1, size)
    raise ValueError("a length in JSON of more than five bytes")


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPE)}"'


def _double_text(value: float) -> str:
    """my_gcvt: the shortest digits; with an exponent only beyond fifteen places of the point."""
    sign = "-" if str(value).startswith("-") else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, broken = mantissa.partition(".")
    digits = (whole + broken).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + broken) - len(digits))
    digits = digits.rstrip("0")
    if not digits:
        return sign + "0"
    if not -_POINT_DIGITS < point <= _POINT_DIGITS:
        tail = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}e{point - 1}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    before = digits[:point].ljust(point, "0")
    return f"{sign}{before}{'.' if digits[point:] else ''}{digits[point:]}"


def _opaque(kind: int, data: bytes) -> str:
    """A value of an SQL type that JSON has not got."""
    if kind == t.NEWDECIMAL:
        precision, scale = data[0], data[1]
        packed = take(data, 2, decimal_size(precision, scale))
        return canonical(decimal_text(packed, precision, scale))
    if kind in (t.DATE, t.DATETIME, t.TIMESTAMP, t.TIME):
        return f'"{_time_text(kind, int.from_bytes(take(data, 0, 8), "little", signed=True))}"'
    return f'"base64:type{kind}:{base64.b64encode(data).decode("ascii")}"'


def _time_text(kind: int, packed: int) -> str:
    """Packed as in memory: the fraction's microseconds are the lowest 24 bits."""
    clock, fraction = divmod(abs(packed), 1 << 24)
    if kind == t.TIME:
        return clock_text(packed < 0, clock, f".{fraction:06d}")
    text = datetime_text(clock, f".{fraction:06d}").replace("T", " ")
    return text[:10] if kind == t.DATE else text
