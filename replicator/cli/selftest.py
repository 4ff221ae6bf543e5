"""`replicator selftest`: does this machine keep what it was given, whoever is killed?"""

from __future__ import annotations

import json
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import click

from replicator.cli.options import configured
from replicator.config import Config
from replicator.errors import PromiseBroken
from replicator.outbox.store import translated
from replicator.selftest.disk import Latency, fsync_latency
from replicator.selftest.trial import Trial, Verdict

_TOO_FAST = 20e-6  # seconds; no disk that waits is so fast, memory is


@click.command(
    epilog="\b\nExamples:\n  replicator selftest\n  replicator selftest --kills 500 --json"
)
@click.option(
    "--kills",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="How often a process is killed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@configured
def selftest(config: Config, kills: int, as_json: bool) -> None:
    """Kill a sandboxed copy of capture and delivery again and again, on the real disk, and judge.

    \b
    It works in a folder of its own inside [outbox] path, which it removes; the station's outbox and
    database are not touched, and tail and ship may run. Some ten seconds. Ends with 22 when a row
    was lost, doubled or out of order.
    """
    with _sandbox(config.outbox.path) as folder:
        latency = fsync_latency(folder)
        with _progress(kills, quiet=as_json) as told:
            chance = random.Random()  # noqa: S311  # not a secret
            verdict = Trial(folder, kills, chance, told).run()
    click.echo(_json(verdict, latency) if as_json else _text(config, verdict, latency))
    if verdict.findings:
        raise PromiseBroken(
            f"rows were lost, doubled or out of order after {verdict.kills} kills",
            "\n".join(verdict.findings),
            "do not rely on this machine; its disk, or a bug: please send us what it printed",
        )


@contextmanager
def _sandbox(outbox: Path) -> Iterator[Path]:
    """A folder on the outbox's disk, for a while. Raises OutboxError."""
    with translated(outbox):
        outbox.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="selftest-", dir=outbox))
        before = signal.signal(signal.SIGTERM, _end)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)
            signal.signal(signal.SIGTERM, before)


def _end(number: int, _frame: FrameType | None) -> None:
    """Told to end: as if by itself, so that nothing is left behind."""
    sys.exit(128 + number)


@contextmanager
def _progress(kills: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal. It draws when it is told, not in a thread: the test forks."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415  # 50 ms that others can do without
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), auto_refresh=False, transient=True) as bar:
        task = bar.add_task("killed", total=kills)

        def told(done: int) -> None:
            bar.update(task, completed=done)
            bar.refresh()

        yield told


def notes(latency: Latency) -> list[str]:
    """What is no fault, and yet worth a word."""
    if latency.p50 >= _TOO_FAST:
        return []
    return [
        "this disk says at once that all is written: a disk in memory, or one that does not wait; "
        "after a power cut the last moments may be missing"
    ]


def _text(config: Config, verdict: Verdict, latency: Latency) -> str:
    lines = [
        f"killed {verdict.kills} times in {verdict.seconds:.1f} s: {verdict.transactions:,} "
        f"transactions, {verdict.rows_captured:,} rows captured, {verdict.sent_again:,} sent again",
        f"fsync on {config.outbox.path}: {1e3 * latency.p50:.2f} ms (p50), "
        f"{1e3 * latency.p99:.2f} ms (p99) of {latency.count}",
        *notes(latency),
    ]
    if not verdict.findings:
        lines.append("nothing lost, nothing doubled, all in order")
    return "\n".join(lines)


def _json(verdict: Verdict, latency: Latency) -> str:
    times = {
        "count": latency.count,
        "p50_ms": round(1e3 * latency.p50, 3),
        "p99_ms": round(1e3 * latency.p99, 3),
    }
    return json.dumps({**asdict(verdict), "fsync": times, "notes": notes(latency)}, indent=2)
