"""Whether a daemon that says it lives does: its role's lock tells, and is not touched.

Taking the lock to see whether it is free would make a daemon that starts just then refuse to. The
kernel's list of locks tells without; it shows those of processes that can be seen from here (not
those on the other side of a container's wall).
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from replicator.backlog.values import Daemon

_LOCKS = Path("/proc/locks")
_ALIVE = ("running", "waiting", "paused", "refused")
_STATUS = "SELECT state, detail, since, wait_until, last_error, last_error_at FROM status"


def daemon_of(connection: sqlite3.Connection, folder: Path, role: str) -> Daemon:
    """What a daemon says of itself in its file; gone where its role's lock says otherwise."""
    row = connection.execute(_STATUS).fetchone()
    if row is None:
        return never_started()
    daemon = Daemon(*row)
    if daemon.state in _ALIVE and is_held(folder / f"{role}.lock", _LOCKS) is False:
        said = f"{daemon.state} ({daemon.detail})" if daemon.detail else daemon.state
        why = f"said {said} at {daemon.since}, and no process has its role: killed, or a copy"
        return replace(daemon, state="gone", detail=why, since=None, wait_until=None)
    return daemon


def is_shipped(folder: Path) -> bool:
    """Whether a process here fills the folder or delivers it; also where nobody can tell.

    The lock of filling is the first that is taken, and the last that is let go.
    """
    return is_held(folder / "tail.lock", _LOCKS) is not False


def never_started() -> Daemon:
    """A daemon that has no file yet."""
    return Daemon("never started", "", None, None)


def is_held(lock: Path, locks: Path) -> bool | None:
    """Whether a process holds a lock file; None where that cannot be told.

    ``locks``: as /proc/locks: "1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF"
    """
    try:
        inode = str(lock.stat().st_ino)
        lines = locks.read_text("ascii").splitlines()
    except OSError:  # never locked, or a system that does not tell
        return None
    held = (line.split() for line in lines if " FLOCK " in line and " WRITE " in line)
    return any(words[-3].rpartition(":")[2] == inode for words in held)
