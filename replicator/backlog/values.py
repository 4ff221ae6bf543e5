"""The backlog as values. Times are ISO 8601, UTC; docs/backlog.md tells of the fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Daemon:
    """``state``: running, waiting, paused, refused, stopped, gone or "never started".

    ``gone``        it said that it lives, and no process has its role: since when is not known
    ``last_error``  what went wrong last, also when all is well again
    """

    state: str
    detail: str
    since: str | None
    wait_until: str | None
    last_error: str | None = None
    last_error_at: str | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """Tail's side. ``snapshot``: the table being read, None when complete.

    ``used_bytes``   of the outbox, as its budget counts them; ``budget_bytes`` None: not asked for
    ``lag_seconds``  at most so far behind the source, as tail saw it at ``lag_known_at``; None
                     where it has not said
    """

    daemon: Daemon
    position: str | None
    committed_at: str | None
    read_at: str | None
    snapshot: str | None
    entries: int
    rows_captured: int
    bytes: int
    forecast: Forecast | None
    used_bytes: int = 0
    budget_bytes: int | None = None
    lag_seconds: float | None = None
    lag_known_at: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of the source's log that could not be read.

    ``state``: open, healing, healed; ``kind``: purged, reset, unreadable, restored, another server,
    skipped, unknown; rows as counted up to now while it is being healed.
    """

    state: str
    kind: str
    how: str | None
    found_at: str
    last_position: str
    reason: str
    next_position: str | None
    healed_at: str | None
    rows_compared: int
    rows_read: int
    rows_deleted: int
    rows_kept: int
    rows_unnamed: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the source may purge what is unread.

    ``safe_until``: not before, None where it purges nothing by itself; ``seconds``: from now until
    then, less than 0 when it is past; ``unread_bytes``: of its log, when tail looked last.
    """

    looked_at: str
    unread_bytes: int
    safe_until: str | None
    seconds: float | None
    rule: str


@dataclass(frozen=True, slots=True)
class Parked:
    """Rows taken out of the flow for one reason; ``kind``: blocked or rejected."""

    kind: str
    reason: str
    detail: str
    rows: int
    oldest_committed_at: str


@dataclass(frozen=True, slots=True)
class Paused:
    """By an operator: since when, by whom, why ("" where not said)."""

    at: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Rates:
    """Averages over the last ``over_seconds``, rows a second; None where that is not known.

    ``rows_in``   captured; ``rows_out``: settled, that is delivered or parked
    ``empty``     now (nothing waits), later, never (out is not more than in, or ship does not run)
                  or unknown
    ``empty_in_seconds``  if both go on like this; None unless ``empty`` is now or later
    """

    rows_in: float | None
    rows_out: float | None
    over_seconds: float | None
    empty: str
    empty_in_seconds: float | None


@dataclass(frozen=True, slots=True)
class HouseShare:
    """What waits and what is parked of one lane: a house, or rows of which no house is known.

    ``oldest_committed_at``: of its waiting rows; None where they were only estimated
    """

    lane: str
    house: str
    rows: int
    parked_rows: int
    oldest_committed_at: str | None


@dataclass(frozen=True, slots=True)
class TableShare:
    """What waits of one table."""

    table: str
    rows: int


@dataclass(frozen=True, slots=True)
class Shares:
    """Waiting rows by house and by table.

    ``exact`` False: estimated from ``rows_looked_at`` of them, spread over all that wait; a house
    with few rows may be missing, and its parked rows are counted all the same.
    """

    exact: bool
    rows_looked_at: int
    by_house: Sequence[HouseShare]
    by_table: Sequence[TableShare]


@dataclass(frozen=True, slots=True)
class Waiting:
    """One destination. ``waiting_rows``: behind the cursor; ``lag_seconds``: age of the oldest.

    ``to_send_again``          rows before the cursor that an operator wants sent again
    ``behind_source_seconds``  at most so far behind the source; None where tail has not said
    ``shares``                 None: not asked for
    """

    name: str
    enabled: bool
    daemon: Daemon
    cursor: int
    waiting_rows: int
    waiting_entries: int
    oldest_committed_at: str | None
    lag_seconds: float
    parked_rows: int
    parked: Sequence[Parked]
    mappings: int
    last_acknowledged_at: str | None
    paused: Paused | None = None
    to_send_again: int = 0
    behind_source_seconds: float | None = None
    rates: Rates = Rates(None, None, None, "unknown", None)
    shares: Shares | None = None
    sampled_at: str | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """The whole picture at ``at``."""

    at: str
    tail: Capture
    destinations: Sequence[Waiting]
    gaps: Sequence[Gap]
