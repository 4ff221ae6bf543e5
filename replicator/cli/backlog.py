"""`replicator backlog`: what waits, why, how old, and until when."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from replicator.backlog import (
    Alarm,
    Backlog,
    HouseShare,
    Thresholds,
    alarms_of,
    read_backlog,
    worst,
)
from replicator.backlog.alarms import CRITICAL, FINE, WARNING
from replicator.backlog.read import Detail
from replicator.cli import logs
from replicator.cli.backlog_text import backlog_lines
from replicator.cli.options import configured_fleet
from replicator.cli.signals import Stop
from replicator.config import Config
from replicator.errors import ReplicatorError
from replicator.outbox import clock

EXIT_OF = {FINE: 0, WARNING: 1, CRITICAL: 2}
EXIT_UNKNOWN = 3  # as monitoring plugins say that they cannot tell
_EVERY_SECONDS = 2.0
_ALL = "\0all"


class Checking(click.Command):
    """With --check, whatever keeps the command from telling is exit code 3."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        try:
            return super().invoke(ctx)
        except ReplicatorError as error:
            if not ctx.params.get("check"):
                raise
            logs.report(error)
            ctx.exit(EXIT_UNKNOWN)


@click.command(
    cls=Checking,
    epilog="\b\nExamples:\n  replicator backlog\n  replicator backlog --watch\n"
    '  replicator backlog --house "12 High St"\n  replicator backlog --check\n'
    "  replicator backlog --json | jq '.destinations[].waiting_rows'",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON: docs/backlog.md names the fields.")
@click.option("--watch", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
@click.option(
    "--house",
    is_flag=False,
    flag_value=_ALL,
    metavar="[HOUSE]",
    help="Count every house exactly, or this one (id or address). Reads all that waits: about a"
    " second for a million rows.",
)
@click.option(
    "--check",
    is_flag=True,
    help="For monitoring: one line an alarm; exit code 0 fine, 1 warning, 2 critical, 3 cannot"
    " tell. Thresholds: [alarm].",
)
@configured_fleet
def backlog(config: Config, as_json: bool, watch: bool, house: str | None, check: bool) -> None:
    """Show what waits for each destination, why, and how old it is. Reads only.

    \b
    In a fleet, without --station: the totals, its shippers, and the ten stations worst off.
    """
    context = click.get_current_context()
    if watch and check:
        raise click.UsageError("--check looks once: not with --watch")
    if config.fleet.stations:
        if house is not None:
            raise click.UsageError("--house is of one station: --station NAME")
        level = _of_fleet(config, as_json=as_json, watch=watch, check=check)
        context.exit(EXIT_OF[level] if check else 0)
    if watch:
        _watch(config, house, as_json)
        return
    found, alarms = look(config, house)
    if as_json:
        click.echo(json.dumps(as_dict(found, alarms), indent=2))
    elif check:
        click.echo("\n".join(check_lines(alarms)))
    else:
        click.echo("\n".join(_lines(config, found, alarms, house)))
    if check:
        context.exit(EXIT_OF[worst(alarms)])


def _of_fleet(config: Config, *, as_json: bool, watch: bool, check: bool) -> str:
    """Print it; its level."""
    from replicator.cli import fleet_look as fleet  # noqa: PLC0415  # needs what a folder does not

    with Stop() as stop:
        while True:
            found = fleet.look_at_fleet(config)
            if as_json:
                click.echo(json.dumps(fleet.as_dict(found), indent=None if watch else 2))
            else:
                lines = fleet.fleet_check_lines(found) if check else fleet.fleet_lines(found)
                click.echo("\n".join(lines))
            if not watch or stop.wait(_EVERY_SECONDS):
                return found.level


def look(
    config: Config, house: str | None = None, detail: Detail = "quick"
) -> tuple[Backlog, Sequence[Alarm]]:
    """The backlog as configured, and its alarms. Raises OutboxError, click.BadParameter."""
    at = clock.now()
    found = read_backlog(
        config.outbox.path,
        [(each.name, each.enabled) for each in config.destinations],
        at,
        clock.text(at),
        budget=config.outbox.max_size,
        shares="exact" if house else detail,
    )
    if house and house != _ALL:
        found = _only(found, _number(config, house), house)
    return found, alarms_of(found, thresholds(config))


def thresholds(config: Config) -> Thresholds:
    """As configured: [alarm], and [source] purge_warning."""
    return Thresholds(purge_warning=config.source.purge_warning, **dataclasses.asdict(config.alarm))


def _number(config: Config, house: str) -> int:
    """The station's id of a house. Raises click.BadParameter."""
    from replicator.cli.desk import house_of  # noqa: PLC0415  # half of the time of a quick look
    from replicator.outbox.reader import OutboxReader  # noqa: PLC0415  # the same

    outbox = OutboxReader(config.outbox.path)
    try:
        return house_of(outbox, house)
    finally:
        outbox.close()


def _only(found: Backlog, number: int, written: str) -> Backlog:
    """One house's rows alone."""
    lane = f"house:{number}"
    nothing = HouseShare(lane, written, 0, 0, None)
    kept = []
    for each in found.destinations:
        assert each.shares is not None
        chosen = [share for share in each.shares.by_house if share.lane == lane]
        shares = dataclasses.replace(each.shares, by_house=chosen or [nothing], by_table=())
        kept.append(dataclasses.replace(each, shares=shares))
    return dataclasses.replace(found, destinations=kept)


def as_dict(found: Backlog, alarms: Sequence[Alarm]) -> dict[str, Any]:
    """The JSON form."""
    said = [dataclasses.asdict(alarm) for alarm in alarms]
    return {**dataclasses.asdict(found), "level": worst(alarms), "alarms": said}


def check_lines(alarms: Sequence[Alarm]) -> Iterator[str]:
    """Monitoring shows the first line."""
    if not alarms:
        yield "OK: replicator: all is well"
    for alarm in alarms:
        yield f"{alarm.level.upper()}: {alarm.about}: {alarm.text}"


def _lines(
    config: Config, found: Backlog, alarms: Sequence[Alarm], house: str | None
) -> Iterator[str]:
    warn_below = config.source.purge_warning
    return backlog_lines(found, alarms, warn_below, every_house=house is not None)


def _watch(config: Config, house: str | None, as_json: bool) -> None:
    """Ctrl-C is the way out, and no failure."""
    with Stop() as stop:
        if as_json or not sys.stdout.isatty():
            while not stop.is_set():
                found, alarms = look(config, house)
                if as_json:
                    click.echo(json.dumps(as_dict(found, alarms)))
                else:
                    click.echo("\n".join((*_lines(config, found, alarms, house), "")))
                stop.wait(_EVERY_SECONDS)
            return
        from rich.live import Live  # noqa: PLC0415  # 50 ms that a single look can do without
        from rich.text import Text  # noqa: PLC0415

        with Live(auto_refresh=False, screen=True) as live:
            while not stop.is_set():
                found, alarms = look(config, house)
                lines = [f"{found.at}  (Ctrl-C ends)", *_lines(config, found, alarms, house)]
                live.update(Text("\n".join(lines)), refresh=True)
                stop.wait(_EVERY_SECONDS)
