"""`replicator import-legacy`: from the old pusher's files to ours, nothing of them believed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from replicator.cli import logs
from replicator.cli.desk import dry_option, json_option, who
from replicator.cli.moving import Printed, looked_over, taken_over
from replicator.cli.options import config_option, log_level_option, option_of_either
from replicator.config import PLACES, Config
from replicator.errors import ConfigError
from replicator.moving import oldmap
from replicator.moving.oldconfig import OldConfig, ini_text
from replicator.moving.oldconfig import read as read_config
from replicator.moving.oldmap import OldMap

_MOST_BYTES = 4 << 20
_PRIVATE = 0o600
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    "import-legacy",
    epilog="\b\nExamples:\n  replicator import-legacy synchronise.conf localhost-ch_map.conf"
    " --dry-run\n  replicator import-legacy synchronise.conf *_map.conf"
    " --output /etc/replicator/replicator.ini",
)
@click.argument("old_config", type=_FILE, metavar="SYNCHRONISE.CONF")
@click.argument("map_files", nargs=-1, type=_FILE, metavar="[MAP.CONF]...")
@click.option(
    "--output",
    type=_FILE,
    metavar="PATH",
    help="Where to write; else the path of --config, else ./replicator.ini.",
)
@click.option("--force", is_flag=True, help="Replace files that are already there.")
@dry_option
@json_option
@config_option
@log_level_option
@click.pass_context
def import_legacy(
    context: click.Context,
    /,
    old_config: Path,
    map_files: tuple[Path, ...],
    output: Path | None,
    config_path: Path | None,
    *,
    force: bool,
    dry_run: bool,
    as_json: bool,
    log_level: str | None,
) -> None:
    """Move a station over from the old pusher: its configuration, and what it mapped and sent.

    \b
    Writes replicator.ini, and the database's password to a file of its own (mode 0600). Asks each
    central server which of the old mappings are right, and compares what it has with the station's
    tables, by house and month: what the old pusher lost is sent later. Each destination starts
    paused; `replicator settle` lets it begin with what is not there yet. See docs/moving.md.
    """
    old = _old_config(old_config)
    maps, strange = _old_maps(map_files)
    output = output or option_of_either(context, "config_path", config_path) or PLACES[0]
    secret = output.with_name(f"{output.stem}.source-password")
    if not dry_run:
        _refuse_to_replace(output, *([secret] if old.source.password else []), force=force)
    with tempfile.TemporaryDirectory() as draft:  # mode 0700
        folder = Path(draft) if dry_run else output.parent
        _write(folder, output, secret, old, old_config.name)
        config = Config.load(folder / output.name, os.environ)
    logs.set_up(config.log, config.secrets(), option_of_either(context, "log_level", log_level))
    printed = Printed(as_json=as_json)
    printed.begin(
        None if dry_run else output, secret.name if old.source.password else "", old, strange
    )
    failures = []
    for known in old.destinations:
        destination = next(each for each in config.destinations if each.name == known.name)
        found = looked_over(config, destination, maps.get(known.rest_url, OldMap()))
        if found.error is not None:
            failures.append(found.error)
        if not dry_run:
            taken_over(config, destination, found, who())
        printed.destination(found)
    printed.end(dry_run=dry_run, output=output)
    if failures:
        raise failures[0]


def _old_config(path: Path) -> OldConfig:
    old, mistakes = read_config(_text(path), path.name)
    if old is None:
        raise ConfigError(
            "the old configuration cannot be taken over",
            "\n".join(mistakes),
            "mend these lines in a copy of it and try again; nothing was written",
        )
    return old


def _old_maps(paths: Sequence[Path]) -> tuple[dict[str, OldMap], list[str]]:
    """By REST URL; and the lines that say nothing usable."""
    maps: dict[str, OldMap] = {}
    strange: list[str] = []
    for path in paths:
        found, mistakes = oldmap.read(_text(path), path.name)
        strange += mistakes
        for url, known in found.items():
            both = maps.setdefault(url, OldMap())
            both.ids.update(known.ids)
            both.sent_to.update(known.sent_to)
    return maps, strange


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            "the old pusher's file cannot be read",
            f"{path}: {error.strerror}",
            "it kept them beside its script, or in /etc/cogent-house/push-script",
        ) from error
    if len(data) > _MOST_BYTES:
        raise ConfigError("this is no file of the old pusher's", f"{path}: more than 4 MiB", "")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            "the old pusher's file is not UTF-8", f"{path}:{line}", "convert it with iconv"
        ) from error


def _refuse_to_replace(*paths: Path, force: bool) -> None:
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        raise ConfigError(
            "there is a configuration already",
            ", ".join(there),
            "--force replaces it; --output names another place",
        )


def _write(folder: Path, output: Path, secret: Path, old: OldConfig, origin: str) -> None:
    """The secret first: a configuration never names a file that is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if old.source.password:
            _put(folder / secret.name, f"{old.source.password}\n")
        text = ini_text(old, secret.name if old.source.password else "", origin)
        _put(folder / output.name, text)
    except OSError as error:
        raise ConfigError(
            "the configuration cannot be written",
            f"{folder}: {error.strerror}",
            "choose another place with --output, or run as a user who may write there",
        ) from error


def _put(path: Path, text: str) -> None:
    """Whole or not at all; nobody else's from its first moment."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), _PRIVATE)
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
