"""What a row's two sides mean: the same, missing, extra, different. Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from replicator.audit.digest import row_hash
from replicator.audit.station import RowKey
from replicator.change import Row, Value
from replicator.model import TABLES

MISSING, EXTRA, DIFFERENT = "missing", "extra", "different"
WAITING, PARKED, TWIN, UNTOLD, ELSEWHERE = "waiting", "parked", "twin", "untold", "elsewhere"
UNEXPLAINED = frozenset({MISSING, EXTRA, DIFFERENT})

Same = Callable[[str, Row, Row], bool]


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that is not the same on both sides, in the model's columns and the centre's ids.

    ``kind``    missing, extra, different: unexplained. waiting, parked: the outbox has it.
                twin: the station has the same identity again. elsewhere: another station's.
                untold: see ``reason``
    ``key``     time, node, and type or sequence number
    ``here``    the station's cells, None where it has none; ``there``: the centre's
    ``reason``  a sentence where there is more to say
    """

    kind: str
    table: str
    key: RowKey
    here: Row | None
    there: Row | None
    reason: str = ""

    def differing(self) -> list[str]:
        """Columns whose cells differ."""
        if self.here is None or self.there is None:
            return []
        columns = TABLES[self.table].columns
        cells = zip(columns, self.here, self.there, strict=True)
        return [column for column, here, there in cells if not _is_same(here, there)]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A key that may be wrong. ``here``: every version that the station has, ids cut off."""

    key: RowKey
    here: Sequence[Row]
    there: Row | None


def suspects(
    table: str, here: Mapping[RowKey, Sequence[Row]], there: Mapping[RowKey, Row], same: Same
) -> list[Suspect]:
    """Keys whose two sides are not the same, in order. Of twins at the station any one will do."""
    found = []
    for key in sorted(here.keys() | there.keys(), key=repr):
        mine, theirs = here.get(key, ()), there.get(key)
        if theirs is None or not any(same(table, row, theirs) for row in mine):
            found.append(Suspect(key, mine, theirs))
    return found


def twins(here: Mapping[RowKey, Sequence[Row]]) -> list[Suspect]:
    """Identities that the station has more than once."""
    return [Suspect(key, rows, None) for key, rows in here.items() if len(rows) > 1]


def same_bits(table: str, here: Row, there: Row) -> bool:
    """Every cell, FLOATs by their 32 bits."""
    return row_hash(table, here) == row_hash(table, there)


def same_digits(table: str, here: Row, there: Row) -> bool:  # noqa: ARG001  # as same_bits
    """Every cell, FLOATs by the six digits that the original server shows."""
    return all(
        _six_digits(mine) == _six_digits(theirs)
        if isinstance(mine, float) or isinstance(theirs, float)
        else _is_same(mine, theirs)
        for mine, theirs in zip(here, there, strict=True)
    )


def _six_digits(value: Value) -> Value:
    if not isinstance(value, int | float):
        return value
    try:
        exact: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:  # beyond any FLOAT
        return value
    return float(f"{exact:.6g}")


def _is_same(here: Value, there: Value) -> bool:
    if isinstance(here, float) and isinstance(there, int | float):
        try:
            return struct.pack("<f", here + 0.0) == struct.pack("<f", there + 0.0)
        except OverflowError:
            return here == there
    return here == there
