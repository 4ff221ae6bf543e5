"""How much each benchmark does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Rows are readings. ``plain_…``, ``library_…``: the sample of a slower way.

    ``runs``  pairs measured in turn; the figures are medians
    """

    runs: int = 3
    outbox_rows: int = 200_000
    bulk_rows: int = 600_000
    library_rows: int = 50_000
    packets: int = 3_000
    library_packets: int = 1_000
    plain_appended: int = 5_000
    shipped: int = 120_000
    shipped_packets: int = 3_000
    plain_posts: int = 1_000
    end_to_end: int = 100_000
    plain_end_to_end: int = 500
    wired: int = 20_000
    backfilled: int = 1_000_000
    backlog: int = 1_000_000
    history: int = 10_000_000
    transaction: int = 1_000_000
    large_backlog: int = 10_000_000
    steps: int = 40
    large_centre: int = 10_000_000
    small_centre: int = 10_000
    live_packets: int = 500
    live_history: int = 600_000
    idle_seconds: float = 20.0
    verified: int = 1_000_000
    published: int = 2_000_000
    shared: int = 1_200_000
    stations: int = 6


TINY = Sizes(
    runs=1,
    outbox_rows=2_000,
    bulk_rows=2_000,
    library_rows=1_000,
    packets=20,
    library_packets=10,
    plain_appended=50,
    shipped=2_000,
    shipped_packets=20,
    plain_posts=20,
    end_to_end=1_000,
    plain_end_to_end=10,
    wired=500,
    backfilled=1_000,
    backlog=3_000,
    history=12_000,
    transaction=3_000,
    large_backlog=5_000,
    steps=2,
    large_centre=5_000,
    small_centre=500,
    live_packets=5,
    live_history=1_000,
    idle_seconds=0.3,
    verified=3_000,
    published=3_000,
    shared=3_000,
    stations=3,
)
