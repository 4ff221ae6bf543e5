"""What an operator asks of a running ship: to pause, to give its role up, to look anew.

The rules this file keeps:
  * an order is a row in the destination's own file: durable, and seen by the ship that runs now and
    by the next one;
  * whoever else commits to that file is news to ship, which then starts anew from the file: there
    is no other way of telling it anything.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from replicator.errors import OutboxBusy
from replicator.outbox.clock import Clock, text
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.journal import Deed, record
from replicator.outbox.lock import RoleLock
from replicator.outbox.store import immediate, translated

_POLL_SECONDS = 0.05
_PAUSE = "UPDATE orders SET paused_at = ?, paused_by = ?, paused_why = ? WHERE paused_at IS NULL"
_RESUME = (
    "UPDATE orders SET paused_at = NULL, paused_by = '', paused_why = '' "
    "WHERE paused_at IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Pause:
    """Since when (ISO 8601, UTC), by whom, and why, in the operator's own words."""

    at: str
    by: str
    why: str

    def __str__(self) -> str:
        return f"by {self.by} since {self.at}" + (f": {self.why}" if self.why else "")


class Orders:
    """The orders in one <destination>.db; on ship's own connection to it, or a command's."""

    def __init__(self, database: Database, path: Path, clock: Clock = wall_clock) -> None:
        self._path = path
        self._connection: sqlite3.Connection = database.conn
        self._clock = clock
        self._version = self._data_version()

    def news(self) -> bool:
        """Whether anybody else has committed to the file since this was made; microseconds."""
        return self._data_version() != self._version

    def _data_version(self) -> int:
        with translated(self._path):
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def paused(self) -> Pause | None:
        """The pause in force, if any."""
        with translated(self._path):
            row = self._connection.execute(
                "SELECT paused_at, paused_by, paused_why FROM orders"
            ).fetchone()
        return Pause(*row) if row[0] is not None else None

    def pause(self, who: str, why: str) -> bool:
        """Send nothing until resumed; durable. False: it was paused already, nothing changes."""
        with translated(self._path), immediate(self._connection):
            at = text(self._clock())
            changed = self._connection.execute(_PAUSE, (at, who, why)).rowcount
            if changed:
                record(self._connection, Deed(who, "pause", "", why), 0, self._clock)
        return bool(changed)

    def resume(self, who: str) -> bool:
        """End the pause. False: there was none."""
        with translated(self._path), immediate(self._connection):
            changed = self._connection.execute(_RESUME).rowcount
            if changed:
                record(self._connection, Deed(who, "resume", ""), 0, self._clock)
        return bool(changed)

    def want_role(self, until: float) -> None:
        """Ask ship to give its role up till then (Unix seconds); 0 takes it back."""
        with translated(self._path), immediate(self._connection):
            self._connection.execute("UPDATE orders SET role_wanted_until = ?", (until,))

    def role_wanted_until(self) -> float:
        """Till when somebody wants the role, Unix seconds."""
        with translated(self._path):
            return float(
                self._connection.execute("SELECT role_wanted_until FROM orders").fetchone()[0]
            )


@contextmanager
def role_of_ship(
    folder: Path,
    name: str,
    orders: Orders,
    patience: float,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Play ship's role for a destination, so that nothing is under way meanwhile.

    A ship that runs finishes its request, gives the role up, and starts anew from the file when it
    gets it back. Raises OutboxBusy when it has not done so within ``patience`` seconds.
    """
    lock = _taken(folder, name, orders, clock() + patience, clock, sleep)
    try:
        yield
    finally:
        lock.release()


def _taken(
    folder: Path,
    name: str,
    orders: Orders,
    deadline: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> RoleLock:
    role = f"ship-{name}"
    try:
        return RoleLock(folder, role)
    except OutboxBusy:
        orders.want_role(deadline)
    try:
        while True:
            try:
                return RoleLock(folder, role)
            except OutboxBusy as error:
                if clock() >= deadline:
                    raise OutboxBusy(
                        f"ship for {name} did not let go: a request is under way",
                        error.detail,
                        "try again, or stop ship first",
                    ) from error
            sleep(_POLL_SECONDS)
    finally:
        orders.want_role(0.0)
