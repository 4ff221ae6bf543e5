"""`replicator outbox move`: a station's rows from its folder onto a stream, and back."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import click

from replicator.cli.connecting import connection, desk_of, shelf_of
from replicator.cli.desk import count_of, json_option, opened, ships_role
from replicator.cli.homes import plain
from replicator.cli.options import configured, group
from replicator.cli.streaming import feed_of
from replicator.config import Config
from replicator.config.kinds import outbox_url
from replicator.config.types import StreamUrl
from replicator.errors import ConfigError, OutboxError
from replicator.outbox.home import home_of, stream_name
from replicator.outbox.lock import RoleLock
from replicator.outbox.reader import OutboxReader
from replicator.outbox.retention import acknowledged_by_all
from replicator.outbox.store import OUTBOX_FILE, destination_file
from replicator.outbox.writer import OutboxWriter

Said = dict[str, Any]


@click.group("outbox", epilog="\b\nExample:\n  replicator outbox move --to nats://localhost/S")
@group
def outbox_() -> None:
    """Move a running station's rows between its folder and a stream."""


def _target(_context: click.Context, _option: click.Parameter, text: str) -> StreamUrl | Path:
    try:
        return outbox_url(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@outbox_.command(
    epilog="\b\nExamples:\n"
    "  replicator outbox move --to nats://n1.example.org:4222,n2.example.org:4222/STATIONS\n"
    "  replicator outbox move --to nats://localhost:4222/STATIONS --yes\n"
    "  replicator outbox move --to sqlite:////var/lib/replicator --yes"
)
@click.option(
    "--to",
    "target",
    required=True,
    callback=_target,
    metavar="URL",
    help="nats://HOST[,HOST]/STREAM, or sqlite:///FOLDER: the folder of [outbox] path.",
)
@click.option("--all", "everything", is_flag=True, help="Also what all destinations have settled.")
@click.option("--yes", is_flag=True, help="Do it. Without, only say what would be done.")
@json_option
@configured
def move(
    config: Config, /, target: StreamUrl | Path, *, everything: bool, yes: bool, as_json: bool
) -> None:
    """Move to a stream or back: nothing lost, nothing doubled, no table read again.

    \b
    Runs where ship's folder is, with the configuration of before; tail must be stopped (the log is
    read on from the same position afterwards). Ships that run stand still meanwhile. Killed at any
    moment, repeat it. Afterwards change the one line of replicator.ini that it names.
    """
    if isinstance(target, Path):
        said = _homeward(config, target, yes=yes)
    else:
        said = _outward(config, target, everything=everything, yes=yes, quiet=as_json)
    if as_json:
        click.echo(json.dumps(said, indent=2))
        return
    for line in _lines(said):
        click.echo(line)


@contextmanager
def _roles(config: Config, *, take: bool) -> Iterator[None]:
    """The roles of all who write into the folder: tail's, and that of each ship that has begun."""
    folder = config.outbox.path
    if not (folder / OUTBOX_FILE).exists():
        raise OutboxError(
            "there is no such outbox file",
            str(folder / OUTBOX_FILE),
            "run this where ship's folder is: [outbox] path",
        )
    with ExitStack() as stack:
        for role in ("tail", "capture") if take else ():
            stack.callback(RoleLock(folder, role).release)
        for destination in config.destinations if take else ():
            if (folder / destination_file(destination.name)).exists():
                deliveries = stack.enter_context(opened(config, destination.name))
                stack.enter_context(ships_role(config, destination.name, deliveries))
        yield


def _outward(config: Config, url: StreamUrl, *, everything: bool, yes: bool, quiet: bool) -> Said:
    if config.outbox.url is not None:
        raise ConfigError(
            "the outbox is a stream already",
            f"[outbox] url = {plain(config.outbox.url)}",
            "from one stream to another: move to the folder first",
        )
    bus, stream = connection(config, url, leaf=bool(config.outbox.hub))
    from replicator.outward import Outward  # noqa: PLC0415  # needs the extra jetstream

    folder, names = config.outbox.path, [each.name for each in config.destinations]
    with closing(bus), _roles(config, take=yes), ExitStack() as stack:
        writer = stack.enter_context(closing(OutboxWriter(folder, config.outbox.synchronous)))
        reader = stack.enter_context(closing(OutboxReader(folder)))
        settled = 0 if everything else acknowledged_by_all(folder, names)
        shelf = shelf_of(config, bus, stream)
        progress = _Progress(quiet=quiet or not yes)
        outward = Outward(bus, stream, shelf, writer, reader, plain(url), progress.add)
        said: Said = {"to": plain(url), "from": str(folder), "station": stream.station}
        if yes:
            replicas, size = config.outbox.replicas, config.outbox.max_size
            home, waiting = outward.begin(settled, replicas, size)
            with progress.over(waiting.rows):
                end = outward.copy(home, waiting)
            outward.finish(home, end)
            said["message"] = end
        else:
            waiting = outward.look(settled)
        said |= {"rows": waiting.rows, "entries": waiting.entries, "done": yes}
        said |= {"position": str(writer.position), "parked": _parked(config)}
        said["set"] = f"url = {plain(url)}"
        return said


def _homeward(config: Config, folder: Path, *, yes: bool) -> Said:
    url = config.outbox.url
    if folder.absolute() != config.outbox.path.absolute():
        raise ConfigError(
            "rows come back into the folder where ship works",
            f"[outbox] path = {config.outbox.path}, not {folder}",
            f"--to sqlite:///{config.outbox.path.absolute()}; then stop all, copy the folder to the"
            " station's machine, and start there (docs/scaling.md)",
        )
    if url is None:
        raise ConfigError(
            "the outbox is a folder already",
            f"[outbox] path = {config.outbox.path}",
            "to move back, the configuration still names the stream: [outbox] url",
        )
    bus, stream = connection(config, url, leaf=bool(config.outbox.hub))
    from replicator.homeward import Homeward  # noqa: PLC0415  # needs the extra jetstream

    with closing(bus), _roles(config, take=yes), ExitStack() as stack:
        writer = stack.enter_context(closing(OutboxWriter(folder, config.outbox.synchronous)))
        _refuse_other(writer, plain(url))
        desk_of(config, bus, stream).ensure_newest()
        shelf = shelf_of(config, bus, stream)
        homeward = Homeward(
            bus,
            stream,
            shelf,
            writer,
            plain(url),
            config.outbox.reader,
            lambda number: feed_of(config, bus, stream, writer, move=number),
        )
        said: Said = {"to": str(folder), "from": plain(url), "station": stream.station}
        said["rows"] = homeward.run() if yes else None
        if not yes:
            home = home_of(writer.database)
            said["message"] = 0 if home and home.state == "clearing" else homeward.look()
        said |= {"done": yes, "position": str(writer.position), "parked": _parked(config)}
        said["set"] = f"path = {folder}"
        return said


def _refuse_other(writer: OutboxWriter, url: str) -> None:
    home = home_of(writer.database)
    if home is not None and stream_name(home.url) != stream_name(url):
        raise OutboxError(
            "this folder belongs to another stream", f"{home.url}, not {url}", "mend [outbox] url"
        )
    if home is not None and home.state == "leaving":
        raise OutboxError(
            "the move to the stream is not finished: this folder has rows that are not there",
            home.url,
            "take `url` out of [outbox] and repeat that move; or start tail again: the folder is"
            " its own still",
        )
    if home is None and not writer.fed_to and writer.position is not None:
        raise OutboxError(
            "this folder is tail's own: it was not filled from the stream",
            str(writer.path),
            "[outbox] path must be the folder where ship works",
        )


def _parked(config: Config) -> int:
    total = 0
    for destination in config.destinations:
        if (config.outbox.path / destination_file(destination.name)).exists():
            with opened(config, destination.name) as deliveries:
                sql = "SELECT count(*) FROM parked WHERE kind != 'superseded'"
                total += int(deliveries.database.conn.execute(sql).fetchone()[0])
    return total


def _lines(said: Said) -> Iterator[str]:
    would = "" if said["done"] else "would "
    yield f"Station {said['station']}: from {said['from']} to {said['to']}"
    if said["rows"] is None:
        yield f"All that the stream has up to message {said['message']} would come into the folder."
    else:
        rows = count_of(said["rows"], "row")
        yield f"{rows} {would}{'moved' if said['done'] else 'move'}; position {said['position']}"
    if said["parked"]:
        yield f"{count_of(said['parked'], 'parked row')}: in the folder, as before."
    if not said["done"]:
        yield "Nothing was done. `--yes` does it; tail must be stopped."
        return
    if said["set"].startswith("url"):
        yield "Now set in replicator.ini, section [outbox], beside path:"
    else:
        yield "Now take url out of replicator.ini, section [outbox]; this stays:"
    yield f"  {said['set']}"
    yield "Then start tail and ship."


class _Progress:
    """A bar on a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet or not sys.stderr.isatty()
        self._advance: Callable[[int], None] = lambda _rows: None

    def add(self, rows: int) -> None:
        """So many more are done."""
        self._advance(rows)

    @contextmanager
    def over(self, rows: int) -> Iterator[None]:
        """While ``rows`` rows are moved."""
        if self._quiet:
            yield
            return
        from rich.console import Console  # noqa: PLC0415  # slow to import
        from rich.progress import Progress  # noqa: PLC0415

        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("rows", total=rows)
            self._advance = lambda more: bar.advance(task, more)
            yield
