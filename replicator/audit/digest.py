"""Digests of readings and node states: the same number on both sides for the same rows. Pure.

A row's hash is BLAKE2b, 128 bits, over a fixed binary form of its cells; a group's digest is the
sum of its rows' hashes modulo 2^128. So it does not depend on the order of the rows, parts of a
group can be added up, and a row that is there twice counts twice (with XOR it would vanish). It
tells accidents, not a liar: sums of hashes can be forged on purpose.

FLOATs are hashed by their 32 bits, times by their text to the second, references by the
destination's ids: the centre hashes what it has, the station what it would send.
"""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType

from replicator.change import Row, Value

_MODULUS = 1 << 128
_BYTES = 16
_LETTERS = 22
_READING = struct.Struct("<c19sqqBqBf")
_STATE = struct.Struct("<c19sqqBqBqBf")

Key = tuple[int | str, ...]
Places = Sequence[Sequence[int | None]]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows, and the sum of their hashes; two add up, and a part goes off again."""

    count: int = 0
    total: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.count + other.count, (self.total + other.total) % _MODULUS)

    def __sub__(self, other: Tally) -> Tally:
        return Tally(self.count - other.count, (self.total - other.total) % _MODULUS)

    def to_text(self) -> str:
        """The digest as 22 characters of base64."""
        return b64encode(self.total.to_bytes(_BYTES, "big")).decode().rstrip("=")

    def to_hex(self) -> str:
        """The digest as 32 hexadecimal digits."""
        return f"{self.total:032x}"

    @classmethod
    def parse(cls, count: object, text: object) -> Tally:
        """Inverse of ``to_text``. Raises ValueError for anything else."""
        if type(count) is int and count >= 0 and isinstance(text, str) and len(text) == _LETTERS:
            try:
                return cls(count, int.from_bytes(b64decode(text + "==", validate=True), "big"))
            except ValueError:  # letters that base64 has not got
                pass
        raise ValueError(f"not a digest: {count!r}, {text!r}")


NOTHING = Tally()


def row_hash(table: str, row: Row) -> int:
    """128 bits for a row with the cells of ``model.TABLES[table].columns``, in that order.

    Cells that no centre can store (a float beyond 32 bits, a text for a number) still count.
    """
    try:
        packed = _pack_reading(row) if table == "Reading" else _pack_state(row)
    except (struct.error, OverflowError, AttributeError, TypeError, UnicodeEncodeError):
        packed = repr((table, row)).encode("utf-8", "backslashreplace")
    return int.from_bytes(blake2b(packed, digest_size=_BYTES).digest(), "little")


def _pack_reading(row: Row) -> bytes:
    time, node, kind, place, value = row
    return _READING.pack(
        b"R",
        time.encode("ascii"),  # type: ignore[union-attr]  # anything else is caught above
        node,
        kind,
        place is None,
        place or 0,
        value is None,
        value or 0.0,  # and zero has no sign
    )


def _pack_state(row: Row) -> bytes:
    time, node, parent, local_time, sequence, rssi = row
    return _STATE.pack(
        b"S",
        time.encode("ascii"),  # type: ignore[union-attr]  # as above
        node,
        sequence,
        parent is None,
        parent or 0,
        local_time is None,
        local_time or 0,
        rssi is None,
        rssi or 0.0,
    )


# Level → what identifies its groups. Readings have a place (an index into Places), node states
# only place 0 and type 0. Periods are the beginning of the time's text: 2026-03, 2026-03-01T14.
_KEYS: Mapping[str, Callable[[int, str, int, int], Key]] = MappingProxyType(
    {
        "month": lambda place, time, _node, _kind: (place, time[:7]),
        "day": lambda place, time, _node, _kind: (place, time[:10]),
        "series": lambda _place, time, node, kind: (node, kind, time[:10]),
        "hour": lambda _place, time, node, kind: (node, kind, time[:13]),
        "node": lambda place, time, node, _kind: (place, node, time[:10]),
    }
)
LEVELS: tuple[str, ...] = tuple(_KEYS)


class Digester:
    """Adds rows up in groups. ``places``: readings elsewhere are left out; None: all count.

    Rows have the cells of ``model.TABLES[table].columns``, none of their key NULL.
    """

    def __init__(self, table: str, level: str, places: Places | None = None) -> None:
        self._table = table
        self._key = _KEYS[level]
        self._place_of = None if places is None or table != "Reading" else places_of(places)
        self._groups: dict[Key, list[int]] = {}

    def add(self, rows: Iterable[Row]) -> None:
        """Count these rows."""
        groups, key_of, place_of, table = self._groups, self._key, self._place_of, self._table
        reading = table == "Reading"
        place: int | None = 0
        for row in rows:
            if place_of is not None:
                place = place_of.get(row[3])
                if place is None:
                    continue
            key = key_of(place, row[0], row[1], row[2] if reading else 0)  # type: ignore[arg-type]  # a whole key
            group = groups.get(key)
            if group is None:
                group = groups[key] = [0, 0]
            group[0] += 1
            group[1] += row_hash(table, row)

    def __len__(self) -> int:
        return len(self._groups)

    def tallies(self) -> dict[Key, Tally]:
        """The groups so far, in the order of their keys."""
        return {
            key: Tally(count, total % _MODULUS)
            for key, (count, total) in sorted(self._groups.items())
        }


def places_of(places: Places) -> dict[Value, int]:
    """Location id (None: no location) → the index of its place."""
    return {location: index for index, place in enumerate(places) for location in place}


def summed(tallies: Iterable[Tally]) -> Tally:
    """All of them as one."""
    return sum(tallies, NOTHING)
