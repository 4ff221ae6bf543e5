"""Whether one row is at the centre: asked for, not concluded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from replicator.audit.centre import Centre
from replicator.audit.compare import Finding, same_bits, same_digits
from replicator.audit.places import chart
from replicator.audit.station import row_key
from replicator.change import Row, Value
from replicator.errors import DestinationRefused, DestinationUnavailable
from replicator.model import TABLES
from replicator.sink.link import Link
from replicator.source.ranges import Window


@dataclass(frozen=True, slots=True)
class Presence:
    """``present`` None: not asked, or no answer (``said``: why).

    ``same``       its cells are those expected; None where nothing is expected or nothing is there
    ``differing``  columns that are not
    ``there``      the centre's row, its ids
    """

    present: bool | None
    same: bool | None = None
    differing: Sequence[str] = ()
    there: Mapping[str, Value] | None = None
    said: str = ""


def presence(
    link: Link,
    table: str,
    time: str,
    cells: Mapping[str, int],
    expected: Mapping[str, Value] | None,
) -> Presence:
    """Ask for the row of that time with these cells (the centre's ids).

    ``expected``  the model's columns as they should be there; None where the row should not be
    """
    try:
        rows = _rows(link, table, time, cells)
        same = same_bits if link.dialect.exact_floats else same_digits
    except (DestinationUnavailable, DestinationRefused) as error:
        return Presence(None, said=f"the centre cannot be asked: {error}")
    columns = TABLES[table].columns
    here = None if expected is None else tuple(expected.get(column) for column in columns)
    if here is not None:
        rows = [row for row in rows if row_key(table, row) == row_key(table, here)]
    if not rows:
        return Presence(present=False)
    there = rows[0]
    shown = dict(zip(columns, there, strict=True))
    if here is None:
        return Presence(True, None, (), shown)
    differing = Finding("", table, row_key(table, here), here, there).differing()
    alike = same(table, here, there)
    return Presence(True, alike, () if alike else differing, shown)


def _rows(link: Link, table: str, time: str, cells: Mapping[str, int]) -> list[Row]:
    """A second's rows of the node, and of these the very time's."""
    until = (datetime.fromisoformat(time) + timedelta(seconds=1)).isoformat()
    nowhere = chart((), (), lambda _table, _number: None)
    window = Window(time, until, (cells["nodeId"],))
    found = Centre(link, nowhere).rows(table, window, cells.get("type"))
    return [row for key, row in found.items() if key[0] == time]
