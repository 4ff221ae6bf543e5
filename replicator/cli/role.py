"""How ship gives its role up to a command that asks for it, and gets it back."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from replicator.cli.signals import Stop
from replicator.errors import OutboxBusy, OutboxError
from replicator.outbox.lock import RoleLock
from replicator.outbox.orders import Orders
from replicator.outbox.store import destination_file, open_readonly

_LOOK_SECONDS = 0.1
_LONGEST_COMMAND = 3600.0


def role_again(
    folder: Path, name: str, stop: Stop, alive: Callable[[], None] = lambda: None
) -> RoleLock | None:
    """Ship's role, once no command wants it or has it; None when told to stop meanwhile.

    ``alive`` is called all the while: it is the command's turn, and ship waits on purpose.
    Raises OutboxBusy when it is not to be had within an hour: another ship has it.
    """
    deadline = time.monotonic() + _LONGEST_COMMAND
    while _wanted(folder, name) and not stop.wait(_LOOK_SECONDS):
        alive()
    while not stop.is_set():
        alive()
        try:
            return RoleLock(folder, f"ship-{name}")
        except OutboxBusy:
            if time.monotonic() >= deadline:
                raise
        stop.wait(_LOOK_SECONDS)
    return None


def _wanted(folder: Path, name: str) -> bool:
    """Whether a command has asked for the role, and not got it yet."""
    path = folder / destination_file(name)
    try:
        database = open_readonly(path, "destination")
    except OutboxError:  # moved away: ship says what is wrong when it opens it
        return False
    try:
        return Orders(database, path).role_wanted_until() > time.time()
    finally:
        database.close()
