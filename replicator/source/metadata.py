"""Row metadata: the optional fields at the end of a TABLE_MAP event. Pure.

Layout: Optional_metadata_field_type in
https://dev.mysql.com/doc/dev/mysql-server/latest/classbinary__log_1_1Table__map__event.html

Each field is about the columns of some types only, in their order; so all take the places of these.
"""

from __future__ import annotations

from collections.abc import Sequence

SIGNEDNESS, NAMES = 1, 4
CHARACTER, LABELLED = (2, 3), (10, 11)
"""Collations of character columns, and of ENUM and SET: by default and exceptions, or one each."""
SET_LABELS, ENUM_LABELS = 5, 6


def lenenc(data: bytes, at: int) -> tuple[int, int]:
    """A length-encoded integer and the offset behind it."""
    first = data[at]
    if first < 251:
        return first, at + 1
    size = {252: 2, 253: 3, 254: 8}[first]
    if at + 1 + size > len(data):
        raise IndexError("a length is cut off")
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


def fields(body: bytes, at: int) -> dict[int, bytes]:
    """Field type → content, from ``at`` to the end."""
    found: dict[int, bytes] = {}
    while at < len(body):
        kind = body[at]
        found[kind], at = _text(body, at + 1)
    return found


def names(data: bytes) -> list[str]:
    """The columns' names, of all columns."""
    found = []
    at = 0
    while at < len(data):
        name, at = _text(data, at)
        found.append(name.decode("utf-8"))
    return found


def signedness(places: Sequence[int], bits: bytes | None) -> dict[int, bool]:
    """Place → is it unsigned: one bit for each numeric column, from the highest bit on."""
    if bits is None:
        return {}
    if len(bits) != (len(places) + 7) // 8:
        raise IndexError(f"{len(bits)} bytes of signs for {len(places)} numeric columns")
    return {
        place: bool(bits[number // 8] >> (7 - number % 8) & 1)
        for number, place in enumerate(places)
    }


def collations(
    places: Sequence[int], optional: dict[int, bytes], kinds: tuple[int, int]
) -> dict[int, int]:
    """Place → collation id, in either of the two packings."""
    default_field, column_field = kinds
    if column_field in optional:
        return dict(zip(places, _integers(optional[column_field]), strict=True))
    if default_field not in optional:
        return {}
    default, *others = _integers(optional[default_field])
    found = dict.fromkeys(places, default)
    for index, collation in zip(others[::2], others[1::2], strict=True):
        found[places[index]] = collation
    return found


def labels(places: Sequence[int], data: bytes | None) -> dict[int, tuple[bytes, ...]]:
    """Place → labels of an ENUM or SET, in its character set."""
    if data is None:
        return {}
    found: dict[int, tuple[bytes, ...]] = {}
    at = 0
    for place in places:
        count, at = lenenc(data, at)
        here: list[bytes] = []
        for _ in range(count):
            label, at = _text(data, at)
            here.append(label)
        found[place] = tuple(here)
    if at != len(data):
        raise IndexError("labels of more columns than there are")
    return found


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = lenenc(data, at)
    if at + size > len(data):
        raise IndexError("row metadata is cut off")
    return data[at : at + size], at + size


def _integers(data: bytes) -> list[int]:
    found = []
    at = 0
    while at < len(data):
        number, at = lenenc(data, at)
        found.append(number)
    return found
