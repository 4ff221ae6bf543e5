"""What `import-legacy` and `settle` share: one destination looked over, and how it is told."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import click

from replicator.audit.centre import Centre
from replicator.audit.places import Chart, chart
from replicator.change import Value
from replicator.cli.auditing import all_rows
from replicator.cli.desk import opened
from replicator.cli.pipelines import StationSource, address
from replicator.config import Config, DestinationConfig
from replicator.errors import OutboxError, ReplicatorError
from replicator.model import STREAM_TABLES
from replicator.moving.groups import Groups
from replicator.moving.known import CONFIRMED, CORRECTED, REFUSED, USABLE, Known, Rows, Verdict
from replicator.moving.oldconfig import OldConfig
from replicator.moving.oldmap import OldMap
from replicator.moving.present import Present
from replicator.moving.report import Month, line_of, months
from replicator.outbox.mappings import Mappings
from replicator.outbox.orders import Orders
from replicator.outbox.store import OUTBOX_FILE
from replicator.sink.directory import Directory
from replicator.sink.link import Link
from replicator.sink.meter import MeteredRest
from replicator.source.snapshot import SnapshotReader

_CHUNK = 5_000


@dataclass(slots=True)
class Imported:
    """One destination, looked over. ``kind``: the dialect's; ``error``: why it is not whole."""

    name: str
    enabled: bool
    url: str
    kind: str = ""
    verdicts: list[Verdict] = field(default_factory=list)
    months: list[Month] = field(default_factory=list)
    requests: int = 0
    bytes: int = 0
    error: ReplicatorError | None = None


@contextmanager
def metered(destination: DestinationConfig) -> Iterator[tuple[Link, MeteredRest]]:
    """A connection that counts."""
    rest = MeteredRest(address(destination))
    link = Link(rest)
    try:
        yield link, rest
    finally:
        link.close()


def looked_over(config: Config, destination: DestinationConfig, old: OldMap) -> Imported:
    """Mappings held against the centre, and the station's tables against what it has.

    Only looks. A link that fails, or a station's database, is told in ``error``.
    """
    found = Imported(destination.name, destination.enabled, destination.url)
    if not destination.enabled:
        return found
    with metered(destination) as (link, rest):
        try:
            found.kind = link.dialect.name
            with StationSource(config).tables() as tables:
                places = known_places(link, _of_tables(tables), old.ids, found.verdicts)
                groups = Groups(places)
                for table in STREAM_TABLES:
                    _add_all(groups, tables, table)
            present = Present(Centre(link, places), len(places.places))
            found.months = months(present.of(groups), places, old.sent_to)
        except ReplicatorError as error:
            found.error = error
        found.requests, found.bytes = rest.requests, rest.sent + rest.received
    return found


def known_places(
    link: Link,
    rows: Rows,
    old: Mapping[tuple[str, int], int],
    verdicts: list[Verdict],
    kept: Mapping[tuple[str, int], int] = MappingProxyType({}),
) -> Chart:
    """The station's places in the centre's ids, as far as it has them; nothing is created.

    ``kept``  mappings of our own, which hold
    """
    known = Known(Directory(link), rows, old, kept)
    verdicts += known.verdicts()
    houses, locations = ([row for _, row in rows(table)] for table in ("House", "Location"))
    return chart(houses, locations, lambda table, number: known.remote.get((table, number)))


def _of_tables(tables: SnapshotReader) -> Rows:
    def rows(table: str) -> Iterable[tuple[int, Mapping[str, Value]]]:
        return [(_id(row), row) for row in all_rows(tables, table)]

    return rows


def _id(row: Mapping[str, Value]) -> int:
    number = row["id"]
    assert isinstance(number, int)
    return number


def _add_all(groups: Groups, tables: SnapshotReader, table: str) -> None:
    after = None
    while True:
        chunk = tables.read(table, after, _CHUNK)
        if chunk.change is not None:
            groups.add(table, chunk.change.columns, chunk.change.rows)
        if chunk.done:
            return
        after = chunk.last_key


def taken_over(config: Config, destination: DestinationConfig, found: Imported, by: str) -> None:
    """Keep the mappings that hold, and let the destination wait for `settle`.

    Raises OutboxError where this station captures already: what it knows is newer.
    """
    if not destination.enabled:
        return
    if (config.outbox.path / OUTBOX_FILE).exists():
        raise OutboxError(
            "this station is moved over already",
            f"{config.outbox.path / OUTBOX_FILE} is there; its mappings are left as they are",
            "`replicator settle` goes on; or name another [outbox] path",
        )
    with opened(config, destination.name) as deliveries:
        mappings = Mappings(deliveries.database, deliveries.path)
        for verdict in found.verdicts:
            if verdict.state in USABLE and verdict.remote_id is not None:
                how = "confirmed" if verdict.state == CONFIRMED else "found"
                row = (verdict.table, verdict.local_id, verdict.remote_id)
                mappings.put(*row, verdict.key, how)
        Orders(deliveries.database, deliveries.path).pause(by, why_paused(destination.name))


def why_paused(name: str) -> str:
    """The reason by which `settle` knows the pause of `import-legacy`."""
    return f"moved over from the old pusher: `replicator settle {name}` first"


class Printed:
    """Says it, for people or as JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._said: dict[str, object] = {}
        self._destinations: list[dict[str, object]] = []

    def begin(
        self, output: Path | None, secret: str, old: OldConfig, strange: Sequence[str]
    ) -> None:
        """The files."""
        self._said = {
            "configuration": None if output is None else str(output),
            "secret": None if output is None or not secret else str(output.with_name(secret)),
            "notes": list(old.notes),
            "not_understood": list(strange),
        }
        if not self._as_json:
            for note in (*old.notes, *strange):
                click.echo(f"note: {note}")

    def destination(self, found: Imported) -> None:
        """One of them."""
        if self._as_json:
            self._destinations.append(_fields(found))
            return
        for line in lines_of(found):
            click.echo(f"{found.name}: {line}")

    def end(self, *, dry_run: bool, output: Path) -> None:
        """What to do next."""
        if self._as_json:
            click.echo(json.dumps({**self._said, "destinations": self._destinations}, indent=2))
        elif dry_run:
            click.echo("nothing was written")
        else:
            click.echo(f"{output} written. Now:")
            for step in ("check", "tail     # until `replicator backlog` shows no table", "settle"):
                click.echo(f"  replicator --config {output} {step}")


def _fields(found: Imported) -> dict[str, object]:
    return {
        "name": found.name,
        "enabled": found.enabled,
        "url": found.url,
        "kind": found.kind,
        "mappings": [dataclasses.asdict(each) for each in found.verdicts],
        "months": [dataclasses.asdict(each) for each in found.months],
        "requests": found.requests,
        "bytes": found.bytes,
        "error": None if found.error is None else str(found.error),
    }


def lines_of(found: Imported) -> Iterator[str]:
    """For people: what needs a look, and sums of the rest."""
    if not found.enabled:
        yield "off: not looked at"
        return
    yield from (str(each) for each in found.verdicts if _needs_a_look(each))
    counts: dict[str, int] = {}
    for each in found.verdicts:
        counts[each.state] = counts.get(each.state, 0) + 1
    if counts:
        said = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
        yield f"mappings: {said}"
    yield from (line_of(month) for month in found.months if not month.is_whole)
    yield from (f"{total(found.months, table)}" for table in STREAM_TABLES if found.months)
    if found.error is not None:
        yield f"NOT LOOKED OVER TO THE END: {found.error}"
    yield f"{found.requests} requests, {found.bytes:,} bytes"


def _needs_a_look(verdict: Verdict) -> bool:
    return verdict.state in (CORRECTED, REFUSED) or bool(verdict.doubled)


def total(found: Sequence[Month], table: str) -> str:
    """All months of a table in a line."""
    sums = Month(table, "in all", "all")
    of: Callable[[Month, str], int] = lambda month, name: int(getattr(month, name))  # noqa: E731
    for month in found:
        if month.table == table:
            for each in dataclasses.fields(month):
                if each.type == "int":
                    setattr(sums, each.name, of(sums, each.name) + of(month, each.name))
    return line_of(sums)
