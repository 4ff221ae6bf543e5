"""`replicator backlog`: what waits, why, how old, and until when."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator

import click
from rich.console import Console
from rich.table import Table

from replicator.backlog import Backlog, Capture, Daemon, Forecast, Gap, Waiting, read_backlog
from replicator.cli.options import configured
from replicator.config import Config
from replicator.outbox import clock

_PIPE_COLUMNS = 500


@click.command(
    epilog="\b\nExamples:\n  replicator backlog\n"
    "  replicator backlog --json | jq '.destinations[].waiting_rows'"
)
@click.option("--json", "as_json", is_flag=True, help="As JSON: docs/backlog.md names the fields.")
@configured
def backlog(config: Config, as_json: bool) -> None:
    """Show what waits for each destination, why, and how old it is. Reads only."""
    at = clock.now()
    destinations = [(each.name, each.enabled) for each in config.destinations]
    found = read_backlog(config.outbox.path, destinations, at, clock.text(at))
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found), indent=2))
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS)
    for line in capture_lines(found.tail, config.source.purge_warning):
        console.print(line, markup=False, soft_wrap=True)
    console.print(destinations_table(found))
    for line in problem_lines(found):
        console.print(line, markup=False, soft_wrap=True)


def capture_lines(tail: Capture, warn_below: float) -> Iterator[str]:
    """Two or three lines on capture."""
    yield f"tail: {state_text(tail.daemon)}"
    snapshot = f", reading table {tail.snapshot}" if tail.snapshot else ""
    yield (
        f"      {tail.rows_captured:,} rows captured, {tail.entries:,} entries held, "
        f"{size_text(tail.bytes)}{snapshot}; last commit {tail.committed_at or 'never'}"
    )
    if tail.forecast is not None:
        yield forecast_line(tail.forecast, warn_below)


def destinations_table(found: Backlog) -> Table:
    """One line a destination."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("destination", "waiting", "oldest", "parked", "last acknowledged", "state"):
        right = column in {"waiting", "oldest", "parked"}
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for each in found.destinations:
        table.add_row(*destination_cells(each))
    return table


def destination_cells(each: Waiting) -> tuple[str, ...]:
    """The cells of one destination's line."""
    return (
        each.name if each.enabled else f"{each.name} (off)",
        f"{each.waiting_rows:,}",
        age_text(each.lag_seconds) if each.waiting_rows else "-",
        f"{each.parked_rows:,}",
        each.last_acknowledged_at or "never",
        state_text(each.daemon),
    )


def problem_lines(found: Backlog) -> Iterator[str]:
    """Parked rows by reason, and gaps; nothing where all is well."""
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


def span_text(seconds: float) -> str:
    """ "3 d 4 h", "5 h 10 min", "50 s"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def state_text(daemon: Daemon) -> str:
    """ "waiting until 12:00: the link is down"."""
    until = f" until {daemon.wait_until}" if daemon.wait_until else ""
    since = f" since {daemon.since}" if daemon.since and not until else ""
    return f"{daemon.state}{until}{since}" + (f": {daemon.detail}" if daemon.detail else "")


def age_text(seconds: float) -> str:
    """ "45 s", "12 min", "3.5 h", "2.1 d"."""
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h")):
        if seconds < limit:
            shown = seconds / unit
            return f"{shown:.0f} {name}" if unit < 3600 else f"{shown:.1f} {name}"
    return f"{seconds / 86_400:.1f} d"


def size_text(size: int) -> str:
    """ "1.5 MiB"."""
    amount = float(size)
    for name in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or name == "GiB":
            return f"{amount:.1f} {name}" if name != "B" else f"{size} B"
        amount /= 1024
    raise AssertionError("unreachable")
