"""What `replicator check` looks at: one function a part, each gives findings and never raises."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from replicator.backlog import Backlog, read_backlog
from replicator.change import Position
from replicator.cli.migrate import stores
from replicator.cli.pipelines import address, endpoint
from replicator.config import Config, DestinationConfig
from replicator.errors import OutboxError, PositionLost, ReplicatorError
from replicator.outbox import clock
from replicator.outbox.store import OUTBOX_FILE, Kind, open_readonly
from replicator.sink.link import Link
from replicator.sink.rest import Rest
from replicator.source.forecast import Forecaster, Outlook
from replicator.source.inspect import inspect

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    ``part``       "source", "outbox", "destination home"
    ``message``    what is so; for a failure also why that is wrong
    ``hint``       the SQL, command or line that mends it, "" when ``ok``
    ``exit_code``  what `check` ends with if this is the worst, 0 when ``ok``
    """

    part: str
    name: str
    ok: bool
    message: str
    hint: str = ""
    exit_code: int = 0


Check = Callable[[Config], Iterable[Finding]]


def configuration(config: Config) -> Iterator[Finding]:
    """That it loaded, and what it leaves out."""
    yield Finding("configuration", "file", True, str(config.path))
    on = [destination.name for destination in config.destinations if destination.enabled]
    said = ", ".join(on) if on else "none is enabled: rows are captured, and wait"
    yield Finding("configuration", "destinations", True, said)


def source(config: Config) -> Iterator[Finding]:
    """Whether the station's database can be read, and is set up for capture."""
    for found in inspect(endpoint(config), server_id=config.source.server_id):
        code = 0 if found.ok else found.exit_code
        yield Finding("source", found.name, found.ok, found.message, found.hint, code)


def outbox(config: Config) -> Iterator[Finding]:
    """Whether the folder can be written, has room, and its files are of this version."""
    folder = config.outbox.path
    yield _folder(folder)
    yield _room(folder, config.outbox.max_size)
    for path, kind, _ in stores(config):
        if path.exists():
            yield _file(path, kind)


def _folder(folder: Path) -> Finding:
    place = folder if folder.exists() else _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        hint = f"mkdir -p {folder} && chown {_user()} {folder}"
        return _bad_outbox("folder", f"{place} cannot be written: {error.strerror}", hint)
    said = str(folder) if folder.exists() else f"{folder} will be created at the first start"
    return Finding("outbox", "folder", True, said)


def _nearest(folder: Path) -> Path:
    """The deepest folder above that is there."""
    return next(parent for parent in folder.absolute().parents if parent.exists())


def _user() -> str:
    return str(os.geteuid())


def _room(folder: Path, max_size: int) -> Finding:
    place = folder if folder.exists() else _nearest(folder)
    try:
        free = shutil.disk_usage(place).free
        used = sum(file.stat().st_size for file in place.glob("*.db*") if place == folder)
    except OSError as error:
        return _bad_outbox("disk", f"{place}: {error.strerror}", f"ls -la {place}")
    said = f"{free // _MIB} MiB free at {place}, [outbox] max_size is {max_size // _MIB} MiB"
    if free + used >= max_size:
        return Finding("outbox", "disk", True, said)
    fits = max((free + used) // _MIB * 3 // 4, 1)
    return _bad_outbox("disk", said, f"free some space, or [outbox] max_size = {fits} MiB")


def _file(path: Path, kind: Kind) -> Finding:
    try:
        open_readonly(path, kind).close()
    except ReplicatorError as error:
        return _bad_outbox(path.name, f"{error.message}: {error.detail}", error.hint)
    return Finding("outbox", path.name, True, "the schema is up to date")


def _bad_outbox(name: str, message: str, hint: str) -> Finding:
    return Finding("outbox", name, False, message, hint, OutboxError.exit_code)


def destinations(config: Config) -> Iterator[Finding]:
    """Whether each enabled central server answers, lets us in, and which kind it is."""
    for destination in config.destinations:
        if destination.enabled:
            yield _destination(destination)


def _destination(destination: DestinationConfig) -> Finding:
    part, link = f"destination {destination.name}", Link(Rest(address(destination)))
    try:
        kind = link.dialect.name
        link.ensure_well()
    except ReplicatorError as error:
        said = f"{error.message}: {error.detail}"
        return Finding(part, "server", False, said, error.hint, error.exit_code)
    finally:
        link.close()
    return Finding(part, "server", True, f"{destination.url} is a {kind} server and lets us in")


def continuity(config: Config) -> Iterator[Finding]:
    """Whether the log was read without a gap, and how long the source keeps what is unread."""
    if not (config.outbox.path / OUTBOX_FILE).exists():
        return
    now = clock.now()
    try:
        found = read_backlog(config.outbox.path, (), now, clock.text(now))
        yield from _gaps(found)
        if found.tail.position and found.tail.committed_at:
            read_to = clock.parse(found.tail.committed_at)
            place = Position.parse(found.tail.position)
            look = Forecaster(endpoint(config), time.monotonic).look(place, read_to, now)
            yield _kept(look, now, config.source.purge_warning)
    except ReplicatorError:
        return  # the checks of the source and of the outbox say it


def _gaps(found: Backlog) -> Iterator[Finding]:
    opened = [gap for gap in found.gaps if gap.state != "healed"]
    for gap in opened:
        said = f"a gap ({gap.kind}) after {gap.last_position}, found {gap.found_at}: {gap.state}"
        hint = "replicator heal" if gap.state == "open" else "let tail run until it is healed"
        yield Finding("continuity", "gaps", False, said, hint, PositionLost.exit_code)
    if not opened:
        yield Finding("continuity", "gaps", True, f"none open, {len(found.gaps)} healed")


def _kept(look: Outlook, now: datetime, warn_below: float) -> Finding:
    unread = f"{look.unread_bytes:,} bytes of the log unread"
    if look.safe_until is None:
        return Finding("continuity", "log kept", True, f"{unread}; {look.rule}")
    seconds = (look.safe_until - now).total_seconds()
    said = f"{unread}, kept until {clock.text(look.safe_until)} at least ({look.rule})"
    if seconds >= warn_below:
        return Finding("continuity", "log kept", True, said)
    hint = (
        "start `replicator tail`, or see in `replicator backlog` what holds it; "
        "SET GLOBAL expire_logs_days = 14; -- and in my.cnf"
    )
    return Finding("continuity", "log kept", False, said, hint, PositionLost.exit_code)


CHECKS: tuple[Check, ...] = (configuration, source, outbox, continuity, destinations)
