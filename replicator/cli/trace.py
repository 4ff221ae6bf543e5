"""`replicator trace`: the life of one reading, from its commit at the station to the centre."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from replicator.audit.presence import Presence, presence
from replicator.backlog.words import age_text, size_text
from replicator.change import Value
from replicator.cli.desk import destination_option, destinations, json_option
from replicator.cli.options import configured
from replicator.cli.pipelines import address
from replicator.config import Config
from replicator.outbox.clock import parse
from replicator.repair.places import stream_time
from replicator.sink.link import Link
from replicator.sink.rest import Rest
from replicator.trace import Delivery, Fate, Receipt, Trace, Version, Wanted
from replicator.trace import trace as traced

_NOT_KEPT = (
    "not kept: which rows an attempt that failed had sent, attempts before the last thousand, "
    "receipts before the last ten thousand"
)
_ATTEMPTS_SHOWN = 3


def _time(_context: click.Context, _parameter: click.Parameter, written: str) -> str:
    try:
        return stream_time(written)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(
    epilog="\b\nExamples:\n  replicator trace --node 63 --type 0 --time 2026-03-01T12:00:00\n"
    "  replicator trace --node 63 --time 2026-03-01T12:00:00 --offline --json"
)
@click.option("--node", type=int, required=True, metavar="ID", help="The station's id of the node.")
@click.option("--type", "kind", type=int, metavar="ID", help="Sensor type; none: its node state.")
@click.option("--time", callback=_time, required=True, metavar="ISO", help="The row's own, UTC.")
@click.option("--offline", is_flag=True, help="Do not ask the central server.")
@destination_option
@json_option
@configured
def trace(
    config: Config,
    node: int,
    kind: int | None,
    time: str,
    offline: bool,
    names: tuple[str, ...],
    as_json: bool,
) -> None:
    """Tell the life of one reading: captured, sent, settled or parked, and whether it is there.

    \b
    From the outbox's files, which it reads whole (about a second for ten million rows), and by
    asking each central server for the row.
    """
    cells = {"nodeId": node} if kind is None else {"nodeId": node, "type": kind}
    wanted = Wanted("NodeState" if kind is None else "Reading", time, cells)
    found = traced(config.outbox.path, wanted, destinations(config, names))
    there = {
        delivery.name: Presence(None, said="not asked")
        if offline
        else _asked(config, found, delivery)
        for delivery in found.deliveries
    }
    if as_json:
        click.echo(json.dumps(as_dict(found, there), indent=2))
        return
    click.echo("\n".join(trace_lines(found, there)))


def _asked(config: Config, found: Trace, delivery: Delivery) -> Presence:
    destination = next(each for each in config.destinations if each.name == delivery.name)
    ids = {mapped.row: mapped.remote_id for mapped in delivery.mappings}

    def there(column: str, value: Any) -> Any:
        table = {"nodeId": "Node", "type": "SensorType", "locationId": "Location"}.get(column)
        return ids.get(f"{table}:{value}") or value if table else value

    last = found.versions[-1] if found.versions else None
    expected: Mapping[str, Value] | None = None
    if last is not None and last.op != "delete":
        expected = {column: there(column, value) for column, value in last.row.items()}
    cells = {column: there(column, value) for column, value in found.wanted.cells.items()}
    link = Link(Rest(address(destination)))
    try:
        return presence(link, found.wanted.table, found.wanted.time, cells, expected)
    finally:
        link.close()


def as_dict(found: Trace, there: Mapping[str, Presence]) -> dict[str, Any]:
    """The JSON form: docs/backlog.md."""
    said = dataclasses.asdict(found)
    for delivery in said["deliveries"]:
        delivery["centre"] = dataclasses.asdict(there[delivery["name"]])
    return {**said, "not_kept": _NOT_KEPT}


def trace_lines(found: Trace, there: Mapping[str, Presence]) -> Iterator[str]:
    """The whole life."""
    wanted = found.wanted
    what = ", ".join(f"{column} {value}" for column, value in wanted.cells.items())
    yield f"{wanted.table}: {what}, time {wanted.time}"
    for version in found.versions:
        yield from version_lines(version)
    if not found.versions:
        held = f"entries since {found.held_since} are held" if found.held_since else "none is held"
        yield f"no entry has it ({held}): never captured, or captured earlier and expired since"
    for delivery in found.deliveries:
        yield f"{delivery.name}:"
        for line in delivery_lines(delivery, found.versions, there[delivery.name]):
            yield f"      {line}"


def version_lines(version: Version) -> Iterator[str]:
    """Captured when, where, as what."""
    seconds = (parse(version.captured_at) - parse(version.committed_at)).total_seconds()
    later = f"{seconds:.1f} s" if seconds < 60 else age_text(seconds)
    yield (
        f"captured: entry {version.seq}/{version.place}, {version.op}, committed "
        f"{version.committed_at}, captured {later} later, position {version.position}"
    )
    yield f"      {json.dumps(version.row)}"


def delivery_lines(
    delivery: Delivery, versions: Sequence[Version], there: Presence
) -> Iterator[str]:
    """What became of it at one destination."""
    if not delivery.started:
        yield "never started: ship has sent nothing there"
    for fate in delivery.fates:
        yield from fate_lines(fate)
    if delivery.mappings:
        ids = ", ".join(
            f"{m.row} → {'none yet' if m.remote_id is None else f'{m.remote_id} ({m.matched_by})'}"
            for m in delivery.mappings
        )
        yield f"ids there: {ids}"
    for deed in delivery.operations:
        why = f": {deed.why}" if deed.why else ""
        yield f"{deed.at} {deed.who}: {deed.command} {deed.what}{why}"
    if delivery.last_error:
        yield f"ship's last error {delivery.last_error_at}: {delivery.last_error}"
    yield _NOT_KEPT
    yield centre_line(there, versions)


def fate_lines(fate: Fate) -> Iterator[str]:
    """Each time that it was settled, and how it stands."""
    name = f"{fate.seq}/{fate.place}"
    if fate.failed:
        yield f"{name} {len(fate.failed):,} attempts failed while it waited; the last:"
    for attempt in fate.failed[-_ATTEMPTS_SHOWN:]:
        yield f"      {attempt.at} {attempt.state} after {attempt.seconds:.1f} s: {attempt.why}"
    for receipt in fate.receipts:
        yield f"{name} {receipt_text(receipt)}"
    if fate.state == "settled" and not fate.receipts:
        yield f"{name} settled; the receipt is no longer kept (the last ten thousand are)"
    elif fate.state != "settled":
        since = f" since {fate.since}" if fate.since else ""
        yield f"{name} {fate.state}{since}" + (f": {fate.detail}" if fate.detail else "")
    if fate.to_send_again:
        yield f"{name} is to be sent again, first of all"


def receipt_text(receipt: Receipt) -> str:
    """ "settled 2026-… with 612 rows: …"."""
    rows = receipt.delivered + receipt.parked
    requests = "1 request" if receipt.requests == 1 else f"{receipt.requests} requests"
    said = f', receipt "{receipt.receipt}"' if receipt.receipt else ""
    text = (
        f"settled {receipt.settled_at}, {rows:,} row{'' if rows == 1 else 's'} together: "
        f"{requests}, {size_text(receipt.bytes)}, {receipt.seconds:.2f} s{said}"
    )
    if receipt.parked:
        text += f"; {receipt.parked} of them were parked then, which ones is not kept"
    return text


def centre_line(there: Presence, versions: Sequence[Version]) -> str:
    """Whether it is there, and whether that is as it should be."""
    if there.present is None:
        return f"at the centre: {there.said}"
    deleted = bool(versions) and versions[-1].op == "delete"
    if not there.present:
        return "at the centre: it is NOT there" + (", as it should be" if deleted else "")
    shown = json.dumps(there.there)
    if there.same:
        return f"at the centre: it is there, the same: {shown}"
    if there.same is None:
        return f"at the centre: it is there{', though deleted here' if deleted else ''}: {shown}"
    return f"at the centre: it is there, but {', '.join(there.differing)} differs: {shown}"
