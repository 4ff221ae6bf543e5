"""The parts of a support bundle: each reads one thing, and may fail without the others."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from replicator import __version__
from replicator.backlog import read_backlog
from replicator.cli.findings import CHECKS
from replicator.config import Config
from replicator.outbox import clock
from replicator.outbox.files import connect_readonly

MOST_BYTES = 1 << 20  # of a part
_LOG_LINES = 3_000
_JOURNAL_SECONDS = 20
_PACKAGES = (
    "mysql-replication", "PyMySQL", "sqlite-utils", "requests", "urllib3", "click", "orjson",
    "SQLAlchemy", "Flask", "waitress", "zstandard", "cryptography",
)  # fmt: skip
_DEEDS = "SELECT at, who, command, what, why, rows FROM operation ORDER BY id DESC LIMIT 200"
_RECEIPTS = (
    "SELECT seq, row_index, delivered, parked, requests, bytes, seconds, settled_at FROM receipt"
    " ORDER BY id DESC LIMIT 50"
)
_STEPS = "SELECT migration_set, name, applied_at FROM _sqlite_migrations ORDER BY id"


@dataclass(frozen=True, slots=True)
class Part:
    """``make`` gives its text, or raises; ``tail``: of a long one the end counts."""

    name: str
    make: Callable[[], str]
    tail: bool = False


def parts(
    config: Config | None,
    config_text: str | None,
    environ: Mapping[str, str],
    *,
    checks: bool,
) -> Iterator[Part]:
    """All that there are. ``config`` None: it does not load; ``config_text``: its file, if any."""
    yield Part("versions.json", versions)
    yield Part("machine.json", machine)
    if config_text is not None:
        yield Part("replicator.ini", lambda: config_text)
    yield Part("environment.txt", lambda: _environment(environ))
    yield Part("journal.log", _journal, tail=True)
    if config is None:
        return
    folder = config.outbox.path
    yield Part("backlog.json", lambda: _backlog(config))
    yield Part("outbox-folder.txt", lambda: listing(folder))
    for path in sorted(folder.glob("*.db")) if folder.is_dir() else []:
        yield Part(f"outbox-{path.stem}.json", lambda path=path: _file(path))  # type: ignore[misc]  # bound now
    if config.log.file is not None:
        log_file = config.log.file
        yield Part("replicator.log", lambda: last_lines(log_file), tail=True)
    if checks:
        yield Part("check.json", lambda: _checks(config))


def versions() -> str:
    """Ours, Python's, SQLite's, the packages'."""
    found = {"replicator": __version__, "python": sys.version, "sqlite": sqlite3.sqlite_version}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # an optional one
            found[name] = "not installed"
    return json.dumps(found, indent=1)


def machine() -> str:
    """System, clock, memory, disks."""
    meminfo = Path("/proc/meminfo")
    uptime = Path("/proc/uptime")
    found = {
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "now": clock.text(clock.now()),
        "user": os.geteuid(),
        "memory": meminfo.read_text().splitlines()[:3] if meminfo.exists() else None,
        "uptime_seconds": uptime.read_text().split()[0] if uptime.exists() else None,
    }
    return json.dumps(found, indent=1)


def _environment(environ: Mapping[str, str]) -> str:
    """Our variables; redacted as everything is."""
    ours = {name: value for name, value in environ.items() if name.startswith("REPLICATOR_")}
    return "".join(f"{name} = {value}\n" for name, value in sorted(ours.items())) or "none is set\n"


def _backlog(config: Config) -> str:
    now = clock.now()
    names = [(each.name, each.enabled) for each in config.destinations]
    found = read_backlog(config.outbox.path, names, now, clock.text(now))
    return json.dumps(dataclasses.asdict(found), indent=1)


def listing(folder: Path) -> str:
    """Names, sizes, modes and times of a folder, and what room its disk has."""
    disk = shutil.disk_usage(folder)
    lines = [f"disk: {disk.free:,} of {disk.total:,} bytes free"]
    for path in sorted(folder.iterdir()):
        there = path.lstat()
        mode = f"{there.st_mode:o} {there.st_uid}"
        lines.append(f"{mode} {there.st_size:>14,} {there.st_mtime:.0f} {path.name}")
    return "\n".join(lines) + "\n"


def _file(path: Path) -> str:
    """Its schema's steps; what operators did, and the last receipts, where it has such tables."""
    found: dict[str, object] = {}
    with closing(connect_readonly(path)) as connection:
        tables = {n for (n,) in connection.execute("SELECT name FROM sqlite_master")}
        for name, table, sql in (
            ("steps", "_sqlite_migrations", _STEPS),
            ("operations", "operation", _DEEDS),
            ("receipts", "receipt", _RECEIPTS),
        ):
            if table in tables:
                cursor = connection.execute(sql)
                columns = [column[0] for column in cursor.description]
                found[name] = [dict(zip(columns, row, strict=True)) for row in cursor]
        found["pages"] = connection.execute("PRAGMA page_count").fetchone()[0]
        found["free_pages"] = connection.execute("PRAGMA freelist_count").fetchone()[0]
    return json.dumps(found, indent=1)


def last_lines(path: Path) -> str:
    """The end of a log file, whole lines."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - MOST_BYTES))
        lines = file.read(MOST_BYTES).decode("utf-8", "replace").splitlines(keepends=True)
    whole = lines[1:] if size > MOST_BYTES else lines
    return "".join(whole[-_LOG_LINES:])


def _journal() -> str:
    """What journald has of our units."""
    program = shutil.which("journalctl")
    if program is None:
        return "there is no journalctl on this machine\n"
    command: Sequence[str] = (
        program, "--no-pager", "--output=short-iso", "--unit=replicator*", f"--lines={_LOG_LINES}",
    )  # fmt: skip
    done = subprocess.run(  # noqa: S603  # fixed arguments
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_JOURNAL_SECONDS,
        check=False,
    )
    return (done.stdout + done.stderr)[-MOST_BYTES:].decode("utf-8", "replace")


def _checks(config: Config) -> str:
    """As `replicator check --json` says it; a check that breaks is one more finding."""
    found: list[object] = []
    for look in CHECKS:
        try:
            found += [dataclasses.asdict(finding) for finding in look(config)]
        except Exception as error:  # noqa: BLE001  # a bug of a check must not cost the bundle
            found.append({"part": look.__name__, "ok": False, "message": f"broke: {error!r}"})
    return json.dumps(found, indent=1)
