"""The backlog in lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from replicator.backlog import Alarm, Backlog, Capture, Daemon, Forecast, Gap, Rates, Waiting
from replicator.backlog.shares import merged
from replicator.backlog.words import age_text, size_text, span_text

_COLUMNS = (
    *("destination", "waiting", "oldest", "behind source", "in/s", "out/s", "empty in"),
    *("parked", "last acknowledged", "state"),
)
_LEFT = ("destination", "last acknowledged", "state")
HOUSES_SHOWN = 10


def backlog_lines(
    found: Backlog, alarms: Sequence[Alarm], warn_below: float, *, every_house: bool = False
) -> Iterator[str]:
    """All of it; ``every_house``: instead of the first ten."""
    for alarm in alarms:
        yield f"{alarm.level.upper()}: {alarm.about}: {alarm.text}"
        yield f"      → {alarm.help}"
    yield from capture_lines(found.tail, warn_below, found.at)
    yield from destination_lines(found)
    for each in found.destinations:
        yield from shares_lines(each, None if every_house else HOUSES_SHOWN)
    yield from problem_lines(found)


def capture_lines(tail: Capture, warn_below: float, at: str) -> Iterator[str]:
    """Two to four lines on capture."""
    yield f"tail: {state_text(tail.daemon, at)}"
    snapshot = f", reading table {tail.snapshot}" if tail.snapshot else ""
    budget = ""
    if tail.budget_bytes:
        percent = 100 * tail.used_bytes / tail.budget_bytes
        budget = f" ({percent:.0f} % of the {size_text(tail.budget_bytes)} it may take)"
    yield (
        f"      {tail.rows_captured:,} rows captured, {tail.entries:,} entries held, "
        f"{size_text(tail.bytes)}{budget}{snapshot}; last commit {tail.committed_at or 'never'}"
    )
    if tail.lag_seconds is not None:
        lag = age_text(tail.lag_seconds)
        yield f"      {lag} behind the source, at most; tail looked at {tail.lag_known_at}"
    if tail.forecast is not None:
        yield forecast_line(tail.forecast, warn_below)


def destination_lines(found: Backlog) -> Iterator[str]:
    """A table, one line a destination."""
    rows = [_COLUMNS, *(destination_cells(each, found.at) for each in found.destinations)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
    for row in rows:
        cells = [
            f"{cell:<{width}}" if name in _LEFT else f"{cell:>{width}}"
            for name, cell, width in zip(_COLUMNS, row, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def destination_cells(each: Waiting, at: str) -> tuple[str, ...]:
    """The cells of one destination's line."""
    behind = each.behind_source_seconds
    return (
        each.name if each.enabled else f"{each.name} (off)",
        f"{each.waiting_rows:,}",
        age_text(each.lag_seconds) if each.waiting_rows else "-",
        "?" if behind is None else age_text(behind),
        rate_text(each.rates.rows_in),
        rate_text(each.rates.rows_out),
        empty_text(each.rates),
        f"{each.parked_rows:,}",
        each.last_acknowledged_at or "never",
        state_text(each.daemon, at),
    )


def is_past(moment: str, at: str) -> bool:
    """Whether one time is before another; whole seconds are written without a fraction or with."""
    return moment[:19] < at[:19]


def rate_text(rate: float | None) -> str:
    """Rows a second: "1,234", "3.2", "0.05", "0", "?"."""
    if rate is None:
        return "?"
    for limit, digits in ((100.0, 0), (1.0, 1), (0.005, 2)):
        if rate >= limit:
            return f"{rate:,.{digits}f}"
    return "0" if rate == 0 else "<0.01"


def empty_text(rates: Rates) -> str:
    """When nothing will wait: "-" where nothing does, "never", "?" or a span."""
    if rates.empty_in_seconds is None:
        return "never" if rates.empty == "never" else "?"
    return "-" if rates.empty == "now" else f"~{span_text(rates.empty_in_seconds)}"


def shares_lines(each: Waiting, most: int | None) -> Iterator[str]:
    """By table, and by house; what is estimated has a ~."""
    shares = each.shares
    if shares is None or not (shares.by_house or shares.by_table):
        return
    about = "" if shares.exact else "~"
    how = f" (~ estimated from {shares.rows_looked_at:,} rows)" if about else ""
    tables = ", ".join(f"{share.table} {about}{share.rows:,}" for share in shares.by_table)
    if tables:
        yield f"{each.name} by table{how}: {tables}"
    rows = merged(shares.by_house)
    yield f"{each.name} by house{how}:"
    for share in rows[:most]:
        parked = f", {share.parked_rows:,} parked" if share.parked_rows else ""
        oldest = f", oldest {share.oldest_committed_at}" if share.oldest_committed_at else ""
        yield f"      {share.house}: {about}{share.rows:,} waiting{parked}{oldest}"
    if most is not None and len(rows) > most:
        yield f"      and {len(rows) - most} more: `replicator backlog --house`"


def problem_lines(found: Backlog) -> Iterator[str]:
    """Last errors, parked rows by reason, and gaps; nothing where all is well."""
    daemons = [("tail", found.tail.daemon), *((d.name, d.daemon) for d in found.destinations)]
    for name, daemon in daemons:
        if daemon.last_error:
            yield f"{name}: last error {daemon.last_error_at}: {daemon.last_error}"
    for each in found.destinations:
        if each.paused:
            why = f": {each.paused.why}" if each.paused.why else ""
            yield (
                f"{each.name}: paused by {each.paused.by} since {each.paused.at}{why}; "
                f"`replicator resume {each.name}`"
            )
        if each.to_send_again:
            yield f"{each.name}: {each.to_send_again:,} rows are to be sent again, first of all"
        for parked in each.parked:
            yield (
                f"{each.name}: {parked.rows:,} {parked.kind}: {parked.reason} ({parked.detail}); "
                f"oldest {parked.oldest_committed_at}"
            )
    for gap in found.gaps:
        yield from gap_lines(gap)


def gap_lines(gap: Gap) -> Iterator[str]:
    """What was lost, and what has become of it, or what to do."""
    yield (
        f"gap ({gap.kind}): from {gap.last_position} to {gap.next_position or 'the present'}, "
        f"found {gap.found_at}: {gap.reason}"
    )
    if gap.state == "open":
        yield "      open: run `replicator heal`, then start tail"
        return
    state = f"healed {gap.healed_at}" if gap.healed_at else "being healed"
    yield (
        f"      {state} ({gap.how}): {gap.rows_compared:,} rows were captured already, "
        f"{gap.rows_read:,} captured again, {gap.rows_deleted:,} deleted"
    )
    if gap.rows_kept:
        yield (
            f"      {gap.rows_kept:,} rows that the source no longer has stay at the destinations; "
            "`replicator heal --deletes` deletes them there"
        )
    if gap.rows_unnamed:
        yield (
            f"      at least {gap.rows_unnamed:,} more are gone at the source, and nothing held "
            "here says which"
        )


def forecast_line(forecast: Forecast, warn_below: float) -> str:
    """How long the source keeps what is unread, and whether that is enough."""
    unread = f"{size_text(forecast.unread_bytes)} of the log unread at {forecast.looked_at}"
    if forecast.seconds is None:
        return f"      the source purges nothing by itself ({forecast.rule}); {unread}"
    if forecast.seconds <= 0:
        return (
            f"      WARNING: the source may purge what is unread ever since {forecast.safe_until} "
            f"({forecast.rule}); {unread}"
        )
    warning = "WARNING: " if forecast.seconds < warn_below else ""
    return (
        f"      {warning}the source may purge what is unread in {span_text(forecast.seconds)}, "
        f"not before ({forecast.rule}); {unread}"
    )


def state_text(daemon: Daemon, at: str = "") -> str:
    """ "waiting until 12:00: the link is down"; "trying again since 12:00"; ``at``: now."""
    until = f" until {daemon.wait_until}" if daemon.wait_until else ""
    if daemon.wait_until and is_past(daemon.wait_until, at):
        until = f", trying again since {daemon.wait_until}"
    since = f" since {daemon.since}" if daemon.since and not until else ""
    return f"{daemon.state}{until}{since}" + (f": {daemon.detail}" if daemon.detail else "")
