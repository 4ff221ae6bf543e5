"""One writer per role: a second tail, or a second ship for a destination, refuses to start."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from replicator.errors import OutboxBusy, OutboxError
from replicator.outbox.store import translated


class RoleLock:
    """Held as long as a process plays a role on an outbox; the kernel frees it however it dies.

    ``role``: "tail", or "ship-<destination>". Raises OutboxBusy when somebody else holds it.
    """

    def __init__(self, folder: Path, role: str) -> None:
        self._path = folder / f"{role}.lock"
        with translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip()
            os.close(self._file)
            raise OutboxBusy(
                f"another {role} is running on this outbox",
                f"{self._path} is held by process {holder or '?'}",
                "one writer per role: stop that process first",
            ) from error
        self._sign()

    def _sign(self) -> None:
        """Leave our number for people; on a full disk there is none, and the lock holds as well."""
        try:
            with translated(self._path):
                os.ftruncate(self._file, 0)
        except OutboxError:
            os.close(self._file)
            raise
        with contextlib.suppress(OSError):
            os.write(self._file, str(os.getpid()).encode())

    def release(self) -> None:
        """Give the role up."""
        os.close(self._file)
