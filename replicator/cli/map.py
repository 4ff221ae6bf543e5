"""`replicator map`: which row at a centre a row of the station is, why, and how to correct it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from replicator.cli.desk import (
    begun,
    count_of,
    destination_option,
    destinations,
    in_ships_place,
    json_option,
    looked_at,
    who,
    why_option,
    yes_option,
)
from replicator.cli.options import configured, group
from replicator.cli.pipelines import address
from replicator.cli.replay import again_lines
from replicator.config import Config
from replicator.model import REFERENCE_TABLES
from replicator.outbox.journal import Deed
from replicator.outbox.mappings import Mappings
from replicator.outbox.reader import OutboxReader
from replicator.repair.explain import Explainer, Step, reference_name, shown
from replicator.repair.mapping import Corrected, Desk
from replicator.sink.link import Link
from replicator.sink.rest import Rest


def _row(_context: click.Context, _parameter: click.Parameter, written: str) -> tuple[str, int]:
    try:
        return reference_name(written)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _rows(
    context: click.Context, parameter: click.Parameter, written: Sequence[str]
) -> tuple[tuple[str, int], ...]:
    return tuple(_row(context, parameter, each) for each in written)


@click.group(
    "map",
    epilog="\b\nExamples:\n  replicator map show --table House\n"
    "  replicator map explain Location:7\n  replicator map set SensorType:5 205",
)
@group
def map_() -> None:
    """See which row at a centre a row of the station is, why, and correct it."""


@map_.command(epilog="\b\nExample:\n  replicator map show --table House --json")
@click.option("--table", type=click.Choice(REFERENCE_TABLES), help="Rows of this table.")
@destination_option
@json_option
@configured
def show(config: Config, table: str | None, names: tuple[str, ...], as_json: bool) -> None:
    """List the mappings: the station's id, the centre's, how it was matched and by what."""
    rows = []
    for name in begun(config, names):
        with looked_at(config, name) as (database, path):
            rows += [(name, kept) for kept in Mappings(database, path).kept(table)]
    if as_json:
        said = [{"destination": name, **dataclasses.asdict(kept)} for name, kept in rows]
        click.echo(json.dumps(said, indent=2))
        return
    for name, kept in rows:
        where = f"{name} {kept.table}:{kept.local_id} → {kept.remote_id}"
        click.echo(f"{where} ({kept.matched_by} {kept.mapped_at}) {shown(kept.natural_key)}")
    if not rows:
        click.echo("nothing")


@map_.command(epilog="\b\nExample:\n  replicator map explain Location:7")
@click.argument("row", metavar="TABLE:ID", callback=_row)
@destination_option
@json_option
@configured
def explain(config: Config, row: tuple[str, int], names: tuple[str, ...], as_json: bool) -> None:
    """Say step by step what a row is at the centre, what it waits for, and why. Only looks."""
    said = {}
    for name in begun(config, names):
        with looked_at(config, name) as (database, path), _link(config, name) as link:
            outbox = OutboxReader(config.outbox.path)
            mappings = Mappings(database, path)
            said[name] = list(Explainer(outbox, database.conn, mappings, link).steps(*row))
            outbox.close()
    if as_json:
        steps = {name: [dataclasses.asdict(s) for s in found] for name, found in said.items()}
        click.echo(json.dumps(steps, indent=2))
        return
    for name, found in said.items():
        click.echo(f"{name}:")
        for step in found:
            click.echo(step_line(step))


@map_.command("set", epilog="\b\nExample:\n  replicator map set SensorType:5 205")
@click.argument("row", metavar="TABLE:ID", callback=_row)
@click.argument("remote_id", type=int)
@destination_option
@why_option
@yes_option
@configured
def set_(
    config: Config,
    /,
    row: tuple[str, int],
    remote_id: int,
    names: tuple[str, ...],
    why: str,
    yes: bool,
) -> None:
    """Say by hand which row at the centre a row of the station is.

    \b
    The centre is asked whether it is there and means the same. Rows that are held and went to
    another place are sent again, and parked ones that lacked it. At its next change here the row
    there takes the station's values.
    """
    name = _one(config, names)
    label = f"{row[0]}:{row[1]}"
    with in_ships_place(config, name) as (deliveries, outbox), _link(config, name) as link:
        desk = Desk(outbox, deliveries, link)
        objection = desk.objection(*row, remote_id)
        if objection is not None:
            raise objection
        for difference in desk.differences(*row, remote_id):
            click.echo(f"{label} is not by name what {remote_id} is: {difference}")
            if not yes:
                click.confirm("Is it the same all the same?", abort=True)
        deed = Deed(who(), "map set", f"{label} is {remote_id}", why)
        done = desk.set(*row, remote_id, deed)
    for line in corrected_lines(done):
        click.echo(f"{name}: {line}")


@map_.command(
    epilog="\b\nExamples:\n  replicator map refresh House:3\n  replicator map refresh --all"
)
@click.argument("rows", metavar="[TABLE:ID]...", nargs=-1, callback=_rows)
@click.option("--all", "everything", is_flag=True, help="Every mapping.")
@destination_option
@configured
def refresh(
    config: Config, rows: tuple[tuple[str, int], ...], everything: bool, names: tuple[str, ...]
) -> None:
    """Forget mappings and look them up again, with all that rests on them.

    \b
    What is not at the centre any more is created. Rows that are held and went to another place are
    sent again, and parked ones that lacked it. A mapping made by hand is forgotten, too.
    """
    if not rows and not everything:
        raise click.UsageError("say which: TABLE:ID, or --all")
    for name in begun(config, names):
        with in_ships_place(config, name) as (deliveries, outbox), _link(config, name) as link:
            kept = Mappings(deliveries.database, deliveries.path).kept()
            wanted = [(each.table, each.local_id) for each in kept] if everything else list(rows)
            what = "all" if everything else ", ".join(f"{t}:{i}" for t, i in rows)
            deed = Deed(who(), "map refresh", what)
            done = Desk(outbox, deliveries, link).refresh(wanted, deed)
        for line in corrected_lines(done):
            click.echo(f"{name}: {line}")


@contextmanager
def _link(config: Config, name: str) -> Iterator[Link]:
    destination = next(each for each in config.destinations if each.name == name)
    link = Link(Rest(address(destination)))
    try:
        yield link
    finally:
        link.close()


def _one(config: Config, names: Sequence[str]) -> str:
    found = destinations(config, names)
    if len(found) != 1:
        raise click.UsageError(
            f"say which with --destination: {', '.join(found) or 'none is there'}"
        )
    return found[0]


def step_line(step: Step) -> str:
    """One line a step, deeper ones further right."""
    return f"{'  ' * (step.depth + 1)}{'✓' if step.ok else '✗'} {step.row}: {step.said}"


def corrected_lines(done: Corrected) -> Iterator[str]:
    """What came of a correction."""
    for table, local_id, before, now in done.changed:
        yield f"{table}:{local_id} was {before}, is {now if now is not None else 'not known yet'}"
    if not done.changed:
        yield "no row that was delivered is another now: nothing is sent again"
    if done.again is not None:
        yield from again_lines(done.again, dry_run=False)
    for place, count in done.left.items():
        had = f"{place} had {count_of(count, 'reading')} at the centre"
        yield f"{had}; those that are not sent again stay there"
    if done.parked:
        yield f"{count_of(done.parked, 'parked row')} sent again"
    for problem in done.problems:
        yield f"✗ {problem}"
