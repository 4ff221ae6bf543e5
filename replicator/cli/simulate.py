"""`replicator simulate`: the load on a centre when a fleet comes back after an outage."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from replicator.allowance import Window
from replicator.cli.simulate_plot import plot
from replicator.cli.simulate_text import around_the_end, lines
from replicator.config import kinds
from replicator.errors import ConfigError
from replicator.simulation.plan import Capacity, Line, Plan, Shipping
from replicator.simulation.run import Simulated, series
from replicator.simulation.run import simulate as simulated

_DAY = 86400.0


def _of(kind: kinds.Kind) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """Reads an option's text as that of a key in replicator.ini."""

    def read(_context: click.Context, _option: click.Parameter, text: str | None) -> Any:
        try:
            return None if text is None else kind.parse(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return read


_SPAN, _SIZE, _MAYBE_NOTHING = _of(kinds.duration()), _of(kinds.size()), _of(kinds.duration(0))
_WHOLE = click.IntRange(min=1)
_OVER_NOTHING = click.FloatRange(min=0, min_open=True)


@click.command(
    epilog="\b\nExamples:\n  replicator simulate --stations 2000 --outage 6h\n"
    "  replicator simulate --outage 1d --rtt 600ms --bandwidth 8kB --plot load.svg\n"
    "  replicator simulate --stations 500 --naive --json | jq .summary"
)
@click.option(
    "--stations",
    type=click.IntRange(1, 100_000),
    default=2000,
    show_default=True,
    help="Of the fleet.",
)
@click.option(
    "--rows-per-hour",
    type=_OVER_NOTHING,
    default=3360,
    show_default=True,
    help="Rows that each station captures, seven in a transaction.",
)
@click.option(
    "--outage",
    default="6h",
    callback=_SPAN,
    show_default=True,
    help="How long nobody gets through.",
)
@click.option(
    "--at",
    type=click.DateTime(["%H:%M"]),
    default="06:00",
    show_default=True,
    help="Time of day (UTC) at which it begins.",
)
@click.option(
    "--rtt", default="100ms", callback=_MAYBE_NOTHING, show_default=True, help="Of each link."
)
@click.option(
    "--bandwidth",
    default="125kB",
    callback=_SIZE,
    show_default=True,
    help="Bytes a second of each link.",
)
@click.option(
    "--loss",
    type=click.FloatRange(0, 0.5),
    default=0.0,
    show_default=True,
    help="Share of packets that a link loses.",
)
@click.option(
    "--centre-rows-per-s",
    type=_OVER_NOTHING,
    default=40_000,
    show_default=True,
    help="Rows a second that the centre stores.",
)
@click.option(
    "--centre-request",
    default="3ms",
    callback=_MAYBE_NOTHING,
    show_default=True,
    help="What a request costs a thread beside its rows.",
)
@click.option(
    "--threads", type=click.IntRange(1, 1000), default=4, show_default=True, help="Of the centre."
)
@click.option(
    "--queue",
    type=click.IntRange(min=0),
    default=256,
    show_default=True,
    help="Requests that may wait there; one more is answered 503.",
)
@click.option(
    "--retry-after",
    default="5s",
    callback=_MAYBE_NOTHING,
    show_default=True,
    help="What that answer asks for.",
)
@click.option(
    "--batch-rows",
    type=_WHOLE,
    default=10_000,
    show_default=True,
    help="As the key of [destination].",
)
@click.option("--windows", callback=_of(kinds.WINDOWS), help="As the key of [destination].")
@click.option("--daily-bytes", callback=_SIZE, help="As the key of [destination].")
@click.option("--naive", is_flag=True, help="Stations that all try again every minute, in step.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is left to chance.")
@click.option(
    "--until",
    callback=_SPAN,
    help="The run's end, since the outage began. Without it: a day after the outage.",
)
@click.option(
    "--plot",
    "picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the load into this SVG file.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="As JSON: docs/simulation.md names the fields."
)
def simulate(picture: Path | None, as_json: bool, **options: Any) -> None:
    """Tell what an outage does to the centre, before it happens.

    \b
    A whole fleet loses the centre and comes back: with ship's own batches, delays, windows and
    heartbeats over modelled links to a modelled centre. Nothing is sent, no configuration is read.
    """
    done = simulated(_plan(**options))
    if picture is not None:
        _write(picture, plot(around_the_end(done), done.plan))
    if as_json:
        click.echo(json.dumps(as_dict(done)))
    else:
        click.echo("\n".join(lines(done)))
        if picture is not None:
            click.echo(f"plot       {picture}")


def _plan(
    *,
    at: datetime,
    outage: float,
    until: float | None,
    rtt: float,
    bandwidth: int,
    loss: float,
    centre_rows_per_s: float,
    centre_request: float,
    threads: int,
    queue: int,
    retry_after: float,
    batch_rows: int,
    windows: tuple[Window, ...] | None,
    daily_bytes: int | None,
    **fleet: Any,
) -> Plan:
    return Plan(
        outage=outage,
        begins=datetime(2026, 3, 1, at.hour, at.minute, tzinfo=timezone.utc),
        until=outage + _DAY if until is None else until,
        line=Line(rtt, float(bandwidth), loss),
        centre=Capacity(centre_rows_per_s, centre_request, threads, queue, retry_after),
        shipping=Shipping(
            batch_rows=batch_rows, windows=windows or (), daily_bytes=daily_bytes or 0
        ),
        **fleet,
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            "the plot cannot be written", f"{path}: {error.strerror}", "choose another --plot"
        ) from error


def as_dict(done: Simulated) -> dict[str, object]:
    """The JSON form."""
    plan = asdict(done.plan)
    plan["begins"] = done.plan.begins.isoformat()
    plan["shipping"]["windows"] = [str(window) for window in done.plan.shipping.windows]
    return {
        "plan": plan,
        "start": done.start,
        "end": done.end,
        "summary": asdict(done.summary),
        "series": asdict(series(done)),
    }
