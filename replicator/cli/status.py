"""`replicator status`: how it goes, in a few lines, or in one to read out on the phone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import click

from replicator.backlog import Alarm, Backlog, Daemon, Waiting, worst
from replicator.backlog.alarms import FINE
from replicator.backlog.words import age_text
from replicator.cli.backlog import EXIT_OF, Checking, look
from replicator.cli.backlog_text import empty_text, is_past
from replicator.cli.options import configured_fleet
from replicator.config import Config


@click.command(
    cls=Checking,
    epilog="\b\nExamples:\n  replicator status\n  replicator status --line\n"
    "  replicator status --json | jq -r .line",
)
@click.option("--line", is_flag=True, help="One line, to read out on the phone.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: docs/backlog.md names the fields.")
@click.option("--check", is_flag=True, help="Exit code as that of `backlog --check`.")
@configured_fleet
def status(config: Config, line: bool, as_json: bool, check: bool) -> None:
    """Say how it goes: what is wrong and what helps, capture, each destination. Reads only.

    \b
    In a fleet, without --station: of all of it.
    """
    if config.fleet.stations:
        level = _of_fleet(config, line=line, as_json=as_json)
        click.get_current_context().exit(EXIT_OF[level] if check else 0)
    found, alarms = look(config, detail="none")
    name = config.station.name
    if as_json:
        click.echo(json.dumps(as_dict(name, found, alarms), indent=2))
    elif line:
        click.echo(line_of(name, found, alarms))
    else:
        click.echo("\n".join(status_lines(name, found, alarms)))
    if check:
        click.get_current_context().exit(EXIT_OF[worst(alarms)])


def _of_fleet(config: Config, *, line: bool, as_json: bool) -> str:
    """Print it; its level."""
    from replicator.cli import fleet_look as fleet  # noqa: PLC0415  # needs what a folder does not

    found = fleet.look_at_fleet(config)
    if as_json:
        said = {**fleet.as_dict(found), "line": fleet.headline(found)}
        click.echo(json.dumps(said, indent=2))
    elif line:
        click.echo(fleet.headline(found))
    else:
        click.echo("\n".join(fleet.fleet_lines(found)))
    return found.level


def as_dict(station: str, found: Backlog, alarms: Sequence[Alarm]) -> dict[str, object]:
    """The JSON form."""
    return {
        "at": found.at,
        "station": station,
        "level": worst(alarms),
        "line": line_of(station, found, alarms),
        "tail": {"state": found.tail.daemon.state, "lag_seconds": found.tail.lag_seconds},
        "destinations": [
            {
                "name": each.name,
                "enabled": each.enabled,
                "state": each.daemon.state,
                "waiting_rows": each.waiting_rows,
                "behind_source_seconds": each.behind_source_seconds,
                "parked_rows": each.parked_rows,
            }
            for each in found.destinations
        ],
        "alarms": [{"level": a.level, "about": a.about, "text": a.text} for a in alarms],
    }


def line_of(station: str, found: Backlog, alarms: Sequence[Alarm]) -> str:
    """ "barn: all well; tail running, 2 s behind at most; central: nothing waits"."""
    level = worst(alarms)
    head = "all well" if level == FINE else f"{level.upper()} ({_counted(alarms)})"
    parts = [f"{station}: {head}", capture_text(found)]
    parts += [destination_text(each, found.at) for each in found.destinations if each.enabled]
    return "; ".join(parts)


def _counted(alarms: Sequence[Alarm]) -> str:
    first = f"{alarms[0].about} {alarms[0].kind}"
    return first if len(alarms) == 1 else f"{first} and {len(alarms) - 1} more"


def capture_text(found: Backlog) -> str:
    """ "tail running, 2 s behind at most"."""
    tail = found.tail
    lag = "" if tail.lag_seconds is None else f", {age_text(tail.lag_seconds)} behind at most"
    reading = f", reading {tail.snapshot}" if tail.snapshot else ""
    return f"tail {state_word(tail.daemon, found.at)}{lag}{reading}"


def destination_text(each: Waiting, at: str) -> str:
    """ "central running: 612 rows wait, oldest 12 min, empty in ~3 min, 3 parked"."""
    parts = []
    if each.waiting_rows:
        rows = "1 row waits" if each.waiting_rows == 1 else f"{each.waiting_rows:,} rows wait"
        parts.append(f"{rows}, oldest {age_text(each.lag_seconds)}")
        if each.rates.empty in ("never", "later"):
            parts.append(
                f"empty {'' if each.rates.empty == 'never' else 'in '}{empty_text(each.rates)}"
            )
    else:
        parts.append("nothing waits")
    if each.parked_rows:
        parts.append(f"{each.parked_rows:,} parked")
    return f"{each.name} {state_word(each.daemon, at)}: {', '.join(parts)}"


def state_word(daemon: Daemon, at: str) -> str:
    """ "running", "waiting until 12:05:00 UTC"."""
    if daemon.wait_until and is_past(daemon.wait_until, at):
        return f"{daemon.state}, trying again"
    if daemon.wait_until:
        return f"{daemon.state} until {daemon.wait_until[11:19]} UTC"
    return daemon.state


def status_lines(station: str, found: Backlog, alarms: Sequence[Alarm]) -> Iterator[str]:
    """A line for what is wrong, for capture, and for each destination."""
    yield f"{station} at {found.at}: {'all well' if not alarms else worst(alarms).upper()}"
    for alarm in alarms:
        yield f"  {alarm.level.upper()} {alarm.about}: {alarm.text}"
        yield f"      → {alarm.help}"
    yield f"  {capture_text(found)}; {found.tail.rows_captured:,} rows captured ever"
    for each in found.destinations:
        off = "" if each.enabled else " (off)"
        acknowledged = each.last_acknowledged_at or "never"
        yield f"  {destination_text(each, found.at)}{off}; last acknowledged {acknowledged}"
