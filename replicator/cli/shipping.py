"""One destination's delivery: ship's role, taken and given up, and what is open meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from replicator.cli.homes import refuse_misplaced_folder
from replicator.cli.pipelines import Delivering
from replicator.cli.role import role_again
from replicator.cli.room import once_there_is_room
from replicator.cli.signals import Stop
from replicator.cli.stepping import follow, until_nothing_waits
from replicator.config import Config, DestinationConfig
from replicator.delivery import Holder
from replicator.errors import ReplicatorError
from replicator.notify import Duty
from replicator.outbox.bell import Ear
from replicator.outbox.lock import RoleLock
from replicator.outbox.status import Status
from replicator.outbox.store import OUTBOX_FILE

_LOG = logging.getLogger("replicator.ship")


@dataclass(frozen=True, slots=True)
class Holding:
    """A station that is this shipper's for a time; ``check`` raises HoldingLost once it is not."""

    holder: Holder
    check: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Shipping:
    """One destination's delivery, until ``stop`` is set or, with ``once``, until nothing waits.

    ``holding``  where several shippers share the station
    """

    config: Config
    destination: DestinationConfig
    stop: Stop
    duty: Duty
    once: bool
    holding: Holding | None = None

    def run(self) -> None:
        """All of it, for ``side_by_side``."""
        self._in_role()
        self.duty.leave()

    def _in_role(self) -> None:
        """Begins anew from the destination's file whenever somebody else has written there."""
        folder, name = self.config.outbox.path, self.destination.name
        lock = RoleLock(folder, f"ship-{name}")
        while True:
            try:
                news = self._deliver()
            finally:
                lock.release()
            if not news:
                return
            found = role_again(folder, name, self.stop, self.duty.alive)
            if found is None:
                return
            lock = found

    def _deliver(self) -> bool:
        """True: there is news, begin again."""
        self._await_outbox()
        if self.stop.is_set():
            return False
        refuse_misplaced_folder(self.config)
        delivering = once_there_is_room(self._delivering, self.stop, self.duty, once=self.once)
        if delivering is None:
            return False
        if delivering.orders.role_wanted_until() > time.time():  # asked for while this was made
            delivering.close()
            return True
        self.duty.up()
        if delivering.said:
            _LOG.warning("%s: %s", self.destination.name, delivering.said)
        return self._follow(delivering)

    def _await_outbox(self) -> None:
        outbox_file = self.config.outbox.path / OUTBOX_FILE
        if not self.once and not outbox_file.exists():
            self.duty.say("waiting: tail has not made the outbox yet")
        while not self.once and not outbox_file.exists() and not self.stop.wait(0.5):
            self.duty.alive()

    def _delivering(self) -> Delivering:
        if self.holding is None:
            return Delivering(self.config, self.destination, self.duty)
        holder, check = self.holding.holder, self.holding.check
        return Delivering(self.config, self.destination, self.duty, holder, check)

    def _follow(self, delivering: Delivering) -> bool:
        """Step after step. True: there is news, begin again."""
        ear = Ear(self.config.outbox.path, self.destination.name)
        try:
            if self.once:
                news = until_nothing_waits(delivering, self.stop)
            else:
                news = follow(delivering, ear, self.stop)
            if news:
                return True
            delivering.watch.look()
            delivering.board.show(Status("stopped"))
        except ReplicatorError as error:
            delivering.board.show(Status("stopped", str(error)))
            raise
        finally:
            ear.close()
            delivering.close()
        return False
