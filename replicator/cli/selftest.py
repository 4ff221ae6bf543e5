"""`replicator selftest`: does what was acknowledged survive, on this machine's own disk?"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from replicator.cli.options import configured
from replicator.config import Config
from replicator.errors import OutboxError
from replicator.outbox.store import translated
from replicator.selftest.storm import Report, storm


@click.command(epilog="\b\nExamples:\n  replicator selftest\n  replicator selftest --kills 500")
@configured
@click.option(
    "--kills", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many."
)
@click.option("--seed", type=int, default=None, help="Of the moments to kill at.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def selftest(config: Config, kills: int, seed: int | None, as_json: bool) -> None:
    """Kill a copy of this process again and again while it captures and delivers, and judge.

    \b
    In a folder of its own beside the outbox, which it removes: on the same disk, with the same
    code, a synthetic source and a destination that only listens. Nothing acknowledged may be lost,
    nothing doubled, order kept. It kills processes; it cannot cut the power. Exit code 7 when it
    finds anything.
    """
    folder = config.outbox.path
    with translated(folder):
        place = next(one for one in (folder, *folder.parents) if one.exists())
        with tempfile.TemporaryDirectory(prefix=".replicator-selftest-", dir=place) as sandbox:
            report = _stormed(Path(sandbox), kills, random.Random(seed))  # noqa: S311  # no secret
    if as_json:
        click.echo(json.dumps({"ok": not report.wrong, **asdict(report)}, indent=2))
    else:
        click.echo(_words(report))
    if report.wrong:
        raise OutboxError(
            "what was acknowledged did not survive",
            "; ".join(report.wrong),
            "another disk or card for [outbox] path, then again; if it stays, report it",
        )


def _stormed(sandbox: Path, kills: int, chance: random.Random) -> Report:
    """Drawn by this thread alone: a process that forks has no other."""
    console = Console(stderr=True)
    hidden = not sys.stderr.isatty()
    with Progress(console=console, auto_refresh=False, disable=hidden, transient=True) as bar:
        task = bar.add_task("killing", total=kills)

        def told(done: int) -> None:
            bar.update(task, completed=done, refresh=True)

        return storm(sandbox, kills, chance, told)


def _words(report: Report) -> str:
    mark = "✗" if report.wrong else "✓"
    return (
        f"{mark} {report.kills} kills in {report.seconds:.1f} s: {report.transactions:,} "
        f"transactions captured, {report.rows:,} rows delivered, {report.resent:,} sent again; "
        + ("; ".join(report.wrong) or "none lost, none doubled, order kept")
    )
