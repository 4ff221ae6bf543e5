"""`replicator verify`: is the centre complete?"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import click
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

from replicator.audit.compare import UNEXPLAINED, UNTOLD, Finding
from replicator.cli.audit_report import Report, summary_of
from replicator.cli.auditing import Auditing, Selection, auditing, period_bounds
from replicator.cli.options import configured_fleet
from replicator.cli.pipelines import chosen
from replicator.config import Config, DestinationConfig
from replicator.errors import NotTheSame, OutboxBusy, Untold
from replicator.outbox.lock import RoleLock

_REPAIR_ROWS = 1_000
_TOLD_EVERY = 20_000


@dataclass(slots=True)
class Totals:
    """Over all destinations."""

    unexplained: int = 0
    untold: int = 0


@click.command(
    epilog="\b\nExamples:\n  replicator verify\n  replicator verify --from 2026-03 --to 2026-03\n"
    "  replicator verify --house '12 High Street' --repair\n"
    "  replicator verify --json | jq '.[].summary.unexplained'"
)
@click.option(
    "--destination", "names", multiple=True, metavar="NAME", help="Only this one; repeatable."
)
@click.option("--house", metavar="ADDRESS|ID", help="Only this house.")
@click.option(
    "--from", "since", metavar="PERIOD", help="From the beginning of 2026, 2026-03, 2026-03-01, …"
)
@click.option(
    "--to", "until", metavar="PERIOD", help="To the end of 2026, 2026-03, 2026-03-01T14, …"
)
@click.option("--deep", is_flag=True, help="Compare every row, whatever the sums say.")
@click.option("--repair", is_flag=True, help="Send what is missing or different again.")
@click.option("--delete-extra", is_flag=True, help="With --repair: delete what is extra there.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: docs/audit.md names the fields.")
@configured_fleet
def verify(
    config: Config,
    names: tuple[str, ...],
    house: str | None,
    since: str | None,
    until: str | None,
    deep: bool,
    repair: bool,
    delete_extra: bool,
    as_json: bool,
) -> None:
    """Compare the station's readings and node states with the centre's; name each difference.

    \b
    Only sums are compared where they agree. Exit code 0: equal, or explained (rows that
    wait or are parked). 20: rows are missing, extra or different. Another: it cannot be
    told. --repair needs ship stopped; what it sends is the station's row as it is now.
    In a fleet, without --station: all stations delivered on this machine, worst first;
    21 where there are none.
    """
    if delete_extra and not repair:
        raise click.UsageError("--delete-extra goes with --repair")
    selection = Selection(house, *period_bounds(since, until))
    if config.fleet.stations:
        if repair or house is not None:
            raise click.UsageError("--repair and --house are of one station: --station NAME")
        from replicator.cli.verify_fleet import verify_fleet  # noqa: PLC0415  # of few

        verify_fleet(config, names, selection, deep=deep, as_json=as_json)
        return
    report, totals = Report(as_json), Totals()
    report.open()
    for number, destination in enumerate(chosen(config, names)):
        if repair:
            _refuse_beside_ship(config, destination)
        report.begin(destination.name, first=number == 0)
        mode = _Mode(deep, repair, delete_extra)
        _one(config, destination, selection, mode, report, totals)
    report.close()
    _conclude(totals)


@dataclass(frozen=True, slots=True)
class _Mode:
    deep: bool
    repair: bool
    delete_extra: bool


def _refuse_beside_ship(config: Config, destination: DestinationConfig) -> None:
    """Early, before anything is read; again when the rows are sent."""
    try:
        RoleLock(config.outbox.path, f"ship-{destination.name}").release()
    except OutboxBusy as error:
        hint = "stop ship (or run) while rows are repaired; it catches up afterwards"
        raise OutboxBusy("rows cannot be repaired beside ship", error.detail, hint) from error


def _one(
    config: Config,
    destination: DestinationConfig,
    selection: Selection,
    mode: _Mode,
    report: Report,
    totals: Totals,
) -> None:
    started = time.monotonic()
    with progress() as read, auditing(config, destination, selection, read) as session:
        repaired = unrepaired = 0
        waiting: list[Finding] = []
        for finding in session.audit.run(deep=mode.deep):
            if not (mode.repair and finding.kind in UNEXPLAINED):
                report.finding(finding)
                continue
            waiting.append(finding)
            if len(waiting) == _REPAIR_ROWS:
                good, bad = _repair(session, waiting, mode, report)
                repaired, unrepaired, waiting = repaired + good, unrepaired + bad, []
        if waiting:
            good, bad = _repair(session, waiting, mode, report)
            repaired, unrepaired = repaired + good, unrepaired + bad
        outcome = session.audit.outcome
        unexplained = unrepaired if mode.repair else outcome.number(*UNEXPLAINED)
        totals.unexplained += unexplained
        totals.untold += outcome.number(UNTOLD)
        summary = summary_of(session, unexplained, repaired, time.monotonic() - started)
    report.end(summary)


def _repair(
    session: Auditing, findings: Sequence[Finding], mode: _Mode, report: Report
) -> tuple[int, int]:
    """How many were mended, and how many not."""
    good = bad = 0
    with session.repairing(delete_extra=mode.delete_extra) as repair:
        for done in repair.carry_out(findings):
            report.finding(done.finding, done)
            good, bad = good + (not done.why), bad + bool(done.why)
    return good, bad


def _conclude(totals: Totals) -> None:
    if totals.unexplained:
        raise NotTheSame(
            "the centre is not the same",
            f"{totals.unexplained:,} rows are missing, extra or different",
            "replicator verify --repair sends them again; docs/audit.md",
        )
    if totals.untold:
        raise Untold(
            "it cannot be told of all rows whether the centre has them",
            f"of {totals.untold:,} rows capture may not know: the log is not read to its end",
            "start `replicator tail`, then verify again",
        )


@contextmanager
def progress() -> Iterator[Callable[[int], None]]:
    """Tells a terminal how many rows were read; nothing goes into a log or a file."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    rows = shown = 0
    spinner = Spinner("dots", "reading")
    console = Console(stderr=True)  # nothing is redirected: findings go to standard output
    with Live(
        spinner, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ):

        def read(count: int) -> None:
            nonlocal rows, shown
            rows += count
            if rows >= shown + _TOLD_EVERY:
                shown = rows
                spinner.update(text=f"{rows:,} rows of the station read")

        yield read
