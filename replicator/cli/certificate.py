"""`replicator certificate`: a signed statement on one house and month."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from replicator import __version__
from replicator.audit.certificate import FORMAT, PARKED_LISTED, Signed, text_of
from replicator.audit.compare import UNEXPLAINED, UNTOLD
from replicator.audit.signature import SigningKey, check, fingerprint, known_fingerprint
from replicator.audit.verify import Outcome
from replicator.cli.audit_report import sum_fields
from replicator.cli.auditing import Auditing, Selection, auditing, period_bounds
from replicator.cli.options import config_option, load, log_level_option
from replicator.cli.pipelines import chosen
from replicator.cli.verify import progress
from replicator.config import Config, DestinationConfig
from replicator.errors import ConfigError, NotTheSame, Untold
from replicator.model import STREAM_TABLES
from replicator.outbox import clock

_GAP = ("found_at", "last_position", "reason", "next_position", "healed_at")


@dataclass(frozen=True, slots=True)
class Made:
    """``name``: of its file, where none is asked for."""

    name: str
    signed: Signed
    outcome: Outcome


@click.command(
    epilog="\b\nExamples:\n  replicator certificate --house '12 High Street' --month 2026-03\n"
    "  replicator certificate --verify certificate-7-2026-03.json\n"
    "  replicator certificate --fingerprint"
)
@config_option
@log_level_option
@click.option("--house", metavar="ADDRESS|ID", help="The house: its address or id.")
@click.option("--month", metavar="MONTH", help="The month (UTC), such as 2026-03.")
@click.option("--destination", "name", metavar="NAME", help="Needed where there are several.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the JSON goes; the text goes beside it as .txt.",
)
@click.option(
    "--verify",
    "filed",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Check a certificate's signature.",
)
@click.option("--key", metavar="FINGERPRINT", help="With --verify: the station's key.")
@click.option("--fingerprint", "show", is_flag=True, help="Show this station's key, and exit.")
@click.pass_context
def certificate(
    context: click.Context,
    config_path: Path | None,
    log_level: str | None,
    house: str | None,
    month: str | None,
    name: str | None,
    output: Path | None,
    filed: Path | None,
    key: str | None,
    show: bool,
) -> None:
    """Write what a house's month came to: captured, acknowledged, present; signed (Ed25519).

    \b
    Compares first, as verify does. A certificate that says NOT COMPLETE is written too; the exit
    code is then 20 (rows are missing, extra or different) or 21 (it cannot be told).
    """
    if filed is not None:
        _verify(context, config_path, filed, key)
        return
    config = load(context, config_path, log_level)
    if show:
        click.echo(SigningKey(config.outbox.path).fingerprint)
        return
    if house is None or month is None or not re.fullmatch(r"\d{4}-\d\d", month):
        raise click.UsageError("--house and --month (2026-03) say what is certified")
    destinations = chosen(config, (name,) if name else ())
    if len(destinations) > 1:
        raise click.UsageError("--destination: there are several")
    _certify(config, destinations[0], house, month, output)


def _certify(
    config: Config, destination: DestinationConfig, house: str, month: str, output: Path | None
) -> None:
    with progress() as read:
        made = certified(config, destination, house, month, read)
    signed = made.signed
    path = output or Path(made.name)
    text = text_of(signed.statement, fingerprint(signed.public_key))
    try:
        path.write_bytes(signed.to_json())
        path.with_suffix(".txt").write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            "the certificate cannot be written", f"{path}: {error.strerror}", "--output"
        ) from error
    click.echo(text + f"{path}")
    _conclude(made.outcome)


def certified(
    config: Config,
    destination: DestinationConfig,
    house: str,
    month: str,
    read: Callable[[int], None],
) -> Made:
    """Compare a house's month ("2026-03") and sign what came of it. Writes nothing.

    ``read``: is told of rows read. Raises ConfigError for an unknown house, and what a comparison
    raises.
    """
    key = SigningKey(config.outbox.path)
    selection = Selection(house, *period_bounds(month, month))
    with auditing(config, destination, selection, read) as session:
        deep = not session.link.dialect.exact_floats  # the original's counts do not tell houses
        for _ in session.audit.run(deep=deep):
            pass  # the audit counts them
        statement = _statement(config, destination, session, selection)
        assert session.house is not None
        name = f"certificate-{session.house.id}-{month}.json"
    return Made(name, key.sign(statement), session.audit.outcome)


def _conclude(outcome: Outcome) -> None:
    if outcome.number(*UNEXPLAINED):
        raise NotTheSame("the month is not complete", "see the certificate", "replicator verify")
    if outcome.number(UNTOLD):
        raise Untold("the month cannot be certified yet", "capture lags", "start replicator tail")


def _statement(
    config: Config, destination: DestinationConfig, session: Auditing, selection: Selection
) -> Mapping[str, object]:
    outcome, house = session.audit.outcome, session.house
    assert house is not None
    end = session.log.now()
    unexplained, untold = outcome.number(*UNEXPLAINED), outcome.number(UNTOLD)
    return {
        "format": FORMAT,
        "station": {"name": config.station.name, "source": end.source},
        "destination": {
            "name": destination.name,
            "url": destination.url,
            "kind": session.link.dialect.name,
        },
        "house": {"id": house.id, "address": house.address},
        "period": {"from": selection.since, "until": selection.until},
        "tables": {table: sum_fields(outcome.of(table)) for table in STREAM_TABLES},
        "complete": not unexplained and not untold,
        "unexplained": unexplained,
        "untold": untold,
        "found": outcome.found,
        "excused": [
            {"table": table, "kind": kind, "reason": reason, "rows": rows}
            for (table, kind, reason), rows in sorted(outcome.excused.items())
        ],
        "parked": _parked(session),
        "gaps": [dict(zip(_GAP, gap, strict=True)) for gap in session.outbox.gaps()],
        "positions": {
            "log_end": str(end),
            "captured_to": str(session.log.captured_to()),
            "cursor": session.pending.cursor,
        },
        "made_at": clock.text(clock.now()),
        "software": __version__,
    }


def _parked(session: Auditing) -> list[dict[str, object]]:
    """The first of them, one by one; their number stands under excused."""
    places = {here for i in session.scope.places for here in session.chart.places[i].locations}
    nodes = set(session.scope.state_nodes or ())
    found: list[dict[str, object]] = []
    for parked in session.pending.parked(session.scope.since, session.scope.until):
        reading = parked.table == "Reading"
        if (parked.location in places) if reading else (parked.key[1] in nodes):
            why = parked.excuse
            found.append(
                {
                    "table": parked.table,
                    "key": list(parked.key),
                    "kind": why.kind,
                    "reason": why.reason,
                    "detail": why.detail,
                }
            )
        if len(found) == PARKED_LISTED:
            break
    return found


def _verify(context: click.Context, config_path: Path | None, filed: Path, key: str | None) -> None:
    """The signature, and whose it is. Needs no configuration where the key is named."""
    try:
        signed = Signed.parse(filed.read_bytes())
    except OSError as error:
        raise ConfigError("the certificate cannot be read", f"{filed}: {error.strerror}") from error
    check(signed)
    own = fingerprint(signed.public_key)
    click.echo(text_of(signed.statement, own), nl=False)
    wanted = key or _own_key(context, config_path)
    if wanted is None:
        raise Untold(
            "the signature fits, but whose key it is is not known",
            own,
            "compare it with `replicator certificate --fingerprint` at the station; then --key",
        )
    if wanted != own:
        raise NotTheSame("signed with another key", f"{own}, not {wanted}", "ask the station")
    click.echo("the signature fits, and the key is the station's")


def _own_key(context: click.Context, config_path: Path | None) -> str | None:
    """This station's, where we are at a station."""
    try:
        config = load(context, config_path, None)
    except ConfigError:
        if config_path is not None or "REPLICATOR_CONFIG" in os.environ:
            raise
        return None  # on another machine nothing is configured: then whose key it is is not known
    return known_fingerprint(config.outbox.path)
