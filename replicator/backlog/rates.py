"""How fast rows come and go, and when nothing will wait any more. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from replicator.backlog.values import Rates

WINDOW_SECONDS = 600.0
SHORTEST_SECONDS = 20.0

Counted = tuple[datetime, int]  # a moment, and rows ever by then


def rate(samples: Sequence[Counted], now: Counted) -> tuple[float, float] | None:
    """(rows a second, seconds that it is an average of), up to now; None where nothing is known.

    From the oldest sample of the last ten minutes, else from the newest before. Rows that became
    fewer (a rewind) tell nothing.
    """
    at, rows = now
    usable = [
        (then, before) for then, before in samples if (at - then).total_seconds() > SHORTEST_SECONDS
    ]
    if not usable:
        return None
    inside = [each for each in usable if (at - each[0]).total_seconds() <= WINDOW_SECONDS]
    then, before = inside[0] if inside else usable[-1]
    counts = [count for _, count in inside or [usable[-1]]] + [rows]
    if any(later < earlier for earlier, later in pairwise(counts)):
        return None
    seconds = (at - then).total_seconds()
    return (rows - before) / seconds, seconds


def rates(
    captured: tuple[float, float] | None,
    settled: tuple[float, float] | None,
    waiting_rows: int,
    *,
    flowing: bool = True,
) -> Rates:
    """What both mean together for so many rows that wait; not ``flowing``: ship does not run."""
    rows_in = captured[0] if captured else None
    rows_out = settled[0] if settled else None
    over = settled[1] if settled else captured[1] if captured else None
    if not waiting_rows:
        return Rates(rows_in, rows_out, over, "now", 0.0)
    if flowing and (rows_in is None or rows_out is None):
        return Rates(rows_in, rows_out, over, "unknown", None)
    if not flowing or rows_in is None or rows_out is None or rows_out <= rows_in:
        return Rates(rows_in, rows_out, over, "never", None)
    return Rates(rows_in, rows_out, over, "later", waiting_rows / (rows_out - rows_in))
