"""The outbox's folder: can it be written, is there room, does its disk keep what it says."""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from replicator.checks.finding import Finding, Target, failed, warned, well
from replicator.errors import OutboxError, ReplicatorError
from replicator.outbox.disk import commit_seconds
from replicator.outbox.files import file_size
from replicator.outbox.store import Kind, open_readonly

_PART = "outbox"
_MIB = 1 << 20
_SYNCS = 12
_SYNCING_SECONDS = 10.0
_HONEST_SECONDS = 50e-6  # no disk or card is faster; a cache with a battery may be
_SLOW_SECONDS = 0.1
_FULL = 0.8
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph"})
FORGETFUL = frozenset({"tmpfs", "ramfs", "overlay", "aufs"})


def outbox(target: Target) -> Iterator[Finding]:
    """All findings on it; what is tried is tried in a folder that is removed again."""
    folder, budget = target.config.outbox.path, target.config.outbox.max_size
    place = folder if folder.exists() else _nearest(folder)
    writable = _folder(folder, place)
    yield writable
    yield from _room(folder, place, budget)
    yield filesystem(place, _mounted(place))
    if writable.ok:
        yield from _tried(place)
    for path, kind in target.stores:
        if path.exists():
            yield _file(path, kind)


def _nearest(folder: Path) -> Path:
    """The deepest folder above that is there."""
    return next(parent for parent in folder.absolute().parents if parent.exists())


def _folder(folder: Path, place: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        hint = f"mkdir -p {folder} && chown {os.geteuid()} {folder}"
        return _bad("folder", f"{place} cannot be written: {error.strerror}", hint)
    said = str(folder) if folder.exists() else f"{folder} will be created at the first start"
    return well(_PART, "folder", said)


def _room(folder: Path, place: Path, max_size: int) -> Iterator[Finding]:
    try:
        free = shutil.disk_usage(place).free
        used = sum(file_size(file) for file in place.glob("*.db*") if place == folder)
    except OSError as error:
        yield _bad("disk", f"{place}: {error.strerror}", f"ls -la {place}")
        return
    said = f"{free // _MIB} MiB free at {place}, [outbox] max_size is {max_size // _MIB} MiB"
    if free + used >= max_size:
        yield well(_PART, "disk", said)
    else:
        fits = max((free + used) // _MIB * 3 // 4, 1)
        yield _bad("disk", said, f"free some space, or [outbox] max_size = {fits} MiB")
    yield budget(used, max_size)


def budget(used: int, max_size: int) -> Finding:
    """Bytes of the outbox's files beside what they may fill. Pure."""
    said = f"{used / max_size:.0%} of [outbox] max_size used"
    if used < _FULL * max_size:
        return well(_PART, "budget", said)
    hint = "let ship deliver (`replicator backlog` says what holds it), or raise max_size"
    return warned(_PART, "budget", said, hint)


def filesystem(place: Path, kind: str) -> Finding:
    """``kind``: as in /proc/mounts; "" where it could not be told. Pure."""
    if kind in NETWORK:
        hint = "[outbox] path: a folder on a disk of this machine"
        return _bad("filesystem", f"{place} is on the network ({kind})", hint)
    if kind in FORGETFUL:
        hint = "[outbox] path: a folder on a disk or card, or a mounted volume"
        return warned(_PART, "filesystem", f"{place} is {kind}: a restart may empty it", hint)
    return well(_PART, "filesystem", kind or "not told by /proc/self/mountinfo")


def _mounted(place: Path) -> str:
    """The type of the file system that a folder is on."""
    device = place.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    except OSError:  # no Linux: said in the finding
        return ""
    fields = (line.split() for line in lines)
    return next((f[f.index("-") + 1] for f in fields if f[2] == wanted), "")


def _tried(place: Path) -> Iterator[Finding]:
    try:
        with tempfile.TemporaryDirectory(prefix=".replicator-check-", dir=place) as sandbox:
            yield wal(_journal_mode(Path(sandbox) / "try.db"))
            yield fsync(commit_seconds(Path(sandbox), _SYNCS, _SYNCING_SECONDS))
    except OSError as error:
        yield _bad("fsync", f"{place}: {error.strerror}", f"dmesg | tail; df {place}")


def _journal_mode(path: Path) -> str:
    try:
        connection = sqlite3.connect(path)
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("CREATE TABLE t (x)")
        finally:
            connection.close()
    except sqlite3.Error as error:
        return str(error)
    return str(mode)


def wal(mode: str) -> Finding:
    """What SQLite answered when it was asked for WAL. Pure."""
    if mode == "wal":
        return well(_PART, "wal", "SQLite writes ahead there")
    hint = "[outbox] path: a folder on ext4, xfs or btrfs of this machine"
    return _bad("wal", f"SQLite cannot write ahead there: {mode}", hint)


def fsync(seconds: Sequence[float]) -> Finding:
    """How long the disk took, each time, to say that data are safe. Pure."""
    usual = statistics.median(seconds)
    said = f"{1000 * usual:.2f} ms usually, {1000 * max(seconds):.2f} ms at most"
    if usual < _HONEST_SECONDS:
        hint = "a disk that waits: no eatmydata, no cache=unsafe of a virtual machine, no tmpfs"
        why = "it hardly reaches a disk; a power cut may take what was called safe"
        return warned(_PART, "fsync", f"{said}: {why}", hint)
    if usual > _SLOW_SECONDS:
        hint = "another disk or card for [outbox] path; [outbox] synchronous = NORMAL waits less"
        return warned(_PART, "fsync", f"{said}: slow", hint)
    return well(_PART, "fsync", said)


def _file(path: Path, kind: Kind) -> Finding:
    try:
        open_readonly(path, kind).close()
    except ReplicatorError as error:
        return _bad(path.name, f"{error.message}: {error.detail}", error.hint)
    return well(_PART, path.name, "the schema is up to date")


def _bad(name: str, message: str, hint: str) -> Finding:
    return failed(_PART, name, message, hint, OutboxError.exit_code)
