"""`replicator verify` over the stations of a fleet that are delivered on this machine."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from replicator.audit.compare import UNEXPLAINED, UNTOLD
from replicator.backlog.daemons import is_shipped
from replicator.cli.auditing import Selection, auditing
from replicator.cli.pipelines import chosen
from replicator.cli.stations import stations_here
from replicator.config import Config, DestinationConfig
from replicator.errors import ConfigError, NotTheSame, ReplicatorError, Untold

_COLUMNS = ("station", "destination", "wrong", "untold", "captured", "seconds", "")
_LEFT = ("station", "destination", "")


@dataclass(frozen=True, slots=True)
class Verified:
    """One station at one destination; rows. ``error``: why it could not be compared, else ""."""

    station: str
    destination: str
    unexplained: int
    untold: int
    captured: int
    seconds: float
    error: str = ""

    @property
    def badness(self) -> tuple[bool, int, bool, int, str, str]:
        """Smaller is worse: what is wrong, then what cannot be compared or told."""
        return (
            not self.unexplained,
            -self.unexplained,
            not self.error,
            -self.untold,
            self.station,
            self.destination,
        )


def verify_fleet(
    config: Config, names: Sequence[str], selection: Selection, *, deep: bool, as_json: bool
) -> None:
    """Compare each with the centre and print them, worst first. Raises as `verify` of one does."""
    _refuse_one_database(config)
    destinations = chosen(config, names)
    here = sorted(stations_here(config))
    held = [name for name in here if is_shipped(config.at_station(name).outbox.path)]
    failed: list[ReplicatorError] = []
    found = [
        _verified(config.at_station(name), each, selection, failed, deep=deep)
        for name in held
        for each in destinations
    ]
    found.sort(key=lambda each: each.badness)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(each) for each in found], indent=2))
    else:
        click.echo("\n".join(_lines(found, len(held), len(here) - len(held))))
    _conclude(found, failed)


def _refuse_one_database(config: Config) -> None:
    if config.source.is_of_each_station:
        return
    raise ConfigError(
        "the stations' databases cannot be told apart here",
        "[source] names one database, and verify would compare every station with it",
        "write {station} into [source] host, unix_socket or database, or run `replicator verify`"
        " at the stations",
    )


def _verified(
    config: Config,
    destination: DestinationConfig,
    selection: Selection,
    failed: list[ReplicatorError],
    *,
    deep: bool,
) -> Verified:
    """One station that cannot be reached does not keep the others from being compared."""
    started = time.monotonic()
    station, name = config.station.name, destination.name
    try:
        with auditing(config, destination, selection, lambda _rows: None) as session:
            for _finding in session.audit.run(deep=deep):
                pass  # they are counted; `verify --station` names them
            outcome = session.audit.outcome
            wrong, untold = outcome.number(*UNEXPLAINED), outcome.number(UNTOLD)
            captured = sum(known.captured.count for known in outcome.sums.values())
    except ReplicatorError as error:
        failed.append(error)
        return Verified(station, name, 0, 0, 0, round(time.monotonic() - started, 3), str(error))
    return Verified(station, name, wrong, untold, captured, round(time.monotonic() - started, 3))


def _lines(found: Sequence[Verified], held: int, elsewhere: int) -> Iterator[str]:
    wrong = sum(bool(each.unexplained) for each in found)
    failed = sum(bool(each.error) for each in found)
    more = f", {failed:,} not compared" if failed else ""
    yield f"{held:,} stations delivered here: {wrong:,} not the same as the centre{more}"
    if elsewhere:
        yield (
            f"      {elsewhere:,} more have a folder here and are delivered elsewhere by now, or"
            " nowhere: not compared"
        )
    rows = [_COLUMNS, *(_cells(each) for each in found)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
    for row in rows if found else ():
        cells = [
            f"{cell:<{width}}" if name in _LEFT else f"{cell:>{width}}"
            for name, cell, width in zip(_COLUMNS, row, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def _cells(each: Verified) -> tuple[str, ...]:
    numbers = (f"{each.unexplained:,}", f"{each.untold:,}", f"{each.captured:,}")
    return (each.station, each.destination, *numbers, f"{each.seconds:.1f}", each.error)


def _conclude(found: Sequence[Verified], failed: Sequence[ReplicatorError]) -> None:
    if not found:
        raise Untold(
            "nothing was compared",
            "no station is delivered on this machine now",
            "run it where they are: `replicator backlog` says which shipper holds which station",
        )
    wrong = [each for each in found if each.unexplained]
    if wrong:
        rows = sum(each.unexplained for each in wrong)
        raise NotTheSame(
            "the centre is not the same",
            f"{rows:,} rows of {len({e.station for e in wrong}):,} stations are missing, extra or"
            " different",
            f"replicator verify --station '{wrong[0].station}' names them; docs/audit.md",
        )
    if failed:
        raise failed[0]
    untold = sum(each.untold for each in found)
    if untold:
        raise Untold(
            "it cannot be told of all rows whether the centre has them",
            f"of {untold:,} rows capture may not know: the log is not read to its end",
            "see that `replicator tail` runs at those stations, then verify again",
        )
