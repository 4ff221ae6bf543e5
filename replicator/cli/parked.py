"""`replicator parked`: rows that were taken out of the flow: seen, sent again, given up."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from replicator.cli.desk import (
    begun,
    count_of,
    destination_option,
    house_of,
    json_option,
    looked_at,
    opened,
    who,
    why_option,
    yes_option,
)
from replicator.cli.options import configured, group
from replicator.config import Config
from replicator.errors import OutboxError
from replicator.model import TABLES
from replicator.outbox.parking import Held, Parking, Requeued, Wanted
from replicator.outbox.reader import OutboxReader
from replicator.repair.advice import advice

_STUCK = ("blocked", "rejected")


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--reason", metavar="TEXT", help="The reason, or how it begins."),
        click.option("--table", type=click.Choice(list(TABLES)), help="Rows of this table."),
        click.option("--house", metavar="HOUSE", help="The house's id or address."),
        destination_option,
    ):
        command = option(command)
    return command


@click.group(
    epilog="\b\nExamples:\n  replicator parked list\n  replicator parked show 4711\n"
    "  replicator parked requeue --reason conflict\n  replicator parked drop 4711/3"
)
@group
def parked() -> None:
    """See rows taken out of the flow, send them again, or give them up."""


@parked.command("list", epilog="\b\nExample:\n  replicator parked list --house 3 --json")
@_filters
@click.option("--superseded", is_flag=True, help="Those whose newer version was delivered.")
@click.option("--dropped", is_flag=True, help="Those that were given up, by whom and why.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="Rows.")
@json_option
@configured
def list_(config: Config, /, names: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """List parked rows in capture order, each with its reason and what helps."""
    wanted, limit = _wanted(config, **options), options["limit"]
    found, total = [], 0
    for name in begun(config, names):
        with looked_at(config, name) as (database, path):
            parking = Parking(database, path)
            total += 0 if options["dropped"] else parking.count(wanted)
            rows = parking.dropped if options["dropped"] else parking.rows
            found += [(name, held) for held in rows(wanted, limit)]
    _print_list(found[:limit], max(total, len(found)), as_json=as_json)


def _print_list(found: Sequence[tuple[str, Held]], total: int, *, as_json: bool) -> None:
    if as_json:
        rows = [_as_json(name, held) for name, held in found]
        click.echo(json.dumps({"total": total, "rows": rows}, indent=2))
        return
    for name, held in found:
        click.echo(line_of(name, held))
    if total > len(found):
        click.echo(f"… {count_of(total - len(found), 'more row')}: --limit, or narrow it down")
    if not found:
        click.echo("nothing")


@parked.command(epilog="\b\nExample:\n  replicator parked show 4711/3")
@click.argument("row")
@destination_option
@json_option
@configured
def show(config: Config, row: str, names: tuple[str, ...], as_json: bool) -> None:
    """Show one parked row (ENTRY/PLACE, as `list` names it) or all of an ENTRY."""
    wanted = Wanted(kinds=(*_STUCK, "superseded"), row=_place(row))
    found = []
    for name in begun(config, names):
        with looked_at(config, name) as (database, path):
            parking = Parking(database, path)
            found += [(name, held) for held in parking.rows(wanted, 1000)]
            found += [(name, held) for held in parking.dropped(wanted, 1000)]
    if not found:
        raise _no_such_row(row)
    if as_json:
        click.echo(json.dumps([_as_json(name, held) for name, held in found], indent=2))
        return
    for name, held in found:
        for line in lines_of(name, held):
            click.echo(line)


@parked.command(
    epilog="\b\nExamples:\n  replicator parked requeue --house 3\n"
    "  replicator parked requeue 4711/3"
)
@click.argument("row", required=False)
@_filters
@configured
def requeue(config: Config, /, row: str | None, names: tuple[str, ...], **options: Any) -> None:
    """Send rejected rows again, and try blocked ones now: all, or those that you name.

    \b
    Works while ship runs. A row whose newer version was delivered stays superseded: it is never
    sent over it.
    """
    wanted = _wanted(config, row=row, kinds=(*_STUCK, "superseded"), **options)
    found = False
    for name in begun(config, names):
        with opened(config, name) as deliveries:
            done = Parking(deliveries.database, deliveries.path).requeue(wanted, who())
        found = found or bool(done.again or done.lanes_tried or done.superseded)
        click.echo(f"{name}: {requeued_text(done)}")
    if row and not found:
        raise _no_such_row(row)


@parked.command(epilog='\b\nExample:\n  replicator parked drop 4711/3 --why "test rows of the lab"')
@click.argument("row", required=False)
@_filters
@why_option
@yes_option
@configured
def drop(
    config: Config,
    /,
    row: str | None,
    names: tuple[str, ...],
    why: str,
    yes: bool,
    **options: Any,
) -> None:
    """Give parked rows up: they are not sent. Asks first; `list --dropped` keeps them on record."""
    if row is None and not any(options.values()):
        raise click.UsageError("say which: a ROW, --house, --table or --reason")
    wanted = _wanted(config, row=row, **options)
    dropped = 0
    for name in begun(config, names):
        with opened(config, name) as deliveries:
            parking = Parking(deliveries.database, deliveries.path)
            count = parking.count(wanted)
            if count and not yes:
                click.confirm(f"{name}: give up {count_of(count, 'row')} for good?", abort=True)
            gone = parking.drop(wanted, who(), why) if count else 0
        dropped += gone
        click.echo(f"{name}: {count_of(gone, 'row')} dropped")
    if row and not dropped:
        raise _no_such_row(row)


def _wanted(
    config: Config,
    house: str | None = None,
    table: str | None = None,
    reason: str | None = None,
    row: str | None = None,
    kinds: Sequence[str] = _STUCK,
    superseded: bool = False,
    dropped: bool = False,
    **_more: object,
) -> Wanted:
    number = None
    if house is not None:
        outbox = OutboxReader(config.outbox.path)
        try:
            number = house_of(outbox, house)
        finally:
            outbox.close()
    kinds = ("superseded",) if superseded else (*_STUCK, "superseded") if dropped else kinds
    return Wanted(number, table, reason, kinds, None if row is None else _place(row))


def _place(row: str) -> tuple[int, int | None]:
    seq, slash, place = row.partition("/")
    try:
        return int(seq), int(place) if slash else None
    except ValueError as error:
        raise click.BadParameter(
            f"{row!r} is not ENTRY or ENTRY/PLACE, such as 4711/3", param_hint="ROW"
        ) from error


def _no_such_row(row: str) -> OutboxError:
    return OutboxError("no such row is parked", row, "`replicator parked list` names them")


def _as_json(name: str, held: Held) -> dict[str, Any]:
    helps = advice(held.reason, held.table)
    return {"destination": name, **dataclasses.asdict(held), "advice": helps}


def line_of(name: str, held: Held) -> str:
    """One line a row."""
    key = ", ".join("NULL" if part is None else str(part) for part in held.key)
    head = f"{name} {held.seq}/{held.row_index} {held.table}({key}) {held.op}"
    if held.dropped is not None:
        said = f"dropped by {held.dropped['by']} {held.dropped['at']}"
        why = f": {held.dropped['why']}" if held.dropped["why"] else ""
        return f"{head}: {said}{why} (was {held.reason}: {held.detail})"
    return f"{head}: {held.kind}: {held.reason}: {held.detail}"


def lines_of(name: str, held: Held) -> Iterator[str]:
    """All there is to say of a row."""
    yield line_of(name, held)
    yield f"  committed {held.committed_at}, parked {held.parked_at}, lane {held.lane}"
    yield f"  {json.dumps(held.row)}"
    if held.dropped is None and held.kind != "superseded":
        yield f"  → {advice(held.reason, held.table)}"


def requeued_text(done: Requeued) -> str:
    """What became of the wish."""
    said = [f"{count_of(done.again, 'row')} sent again"]
    if done.lanes_tried:
        said.append(f"{count_of(done.lanes_tried, 'held lane')} tried now")
    if done.superseded:
        newer = "a newer version was delivered since"
        said.append(f"{count_of(done.superseded, 'row')} superseded: {newer}, not sent")
    return "; ".join(said)
