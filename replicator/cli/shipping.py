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


def job(
    config: Config,
    destination: DestinationConfig,
    stop: Stop,
    duty: Duty,
    *,
    once: bool,
    holding: Holding | None = None,
) -> Callable[[], None]:
    """One destination's delivery, for ``side_by_side``."""

    def run() -> None:
        deliver(config, destination, stop, duty, once=once, holding=holding)
        duty.leave()

    return run


def deliver(
    config: Config,
    destination: DestinationConfig,
    stop: Stop,
    duty: Duty,
    *,
    once: bool,
    holding: Holding | None = None,
) -> None:
    """Run one destination's delivery until ``stop`` is set, or until nothing waits.

    Begins anew from the destination's file whenever somebody else has written there.
    """
    folder, name = config.outbox.path, destination.name
    lock = RoleLock(folder, f"ship-{name}")
    while True:
        try:
            news = _deliver(config, destination, stop, duty, once=once, holding=holding)
        finally:
            lock.release()
        if not news:
            return
        found = role_again(folder, name, stop, duty.alive)
        if found is None:
            return
        lock = found


def _delivering(
    config: Config, destination: DestinationConfig, duty: Duty, holding: Holding | None
) -> Delivering:
    if holding is None:
        return Delivering(config, destination, duty)
    return Delivering(config, destination, duty, holding.holder, holding.check)


def _deliver(
    config: Config,
    destination: DestinationConfig,
    stop: Stop,
    duty: Duty,
    *,
    once: bool,
    holding: Holding | None,
) -> bool:
    """True: there is news, begin again."""
    outbox_file = config.outbox.path / OUTBOX_FILE
    if not once and not outbox_file.exists():
        duty.say("waiting: tail has not made the outbox yet")
    while not once and not outbox_file.exists() and not stop.wait(0.5):
        duty.alive()
    if stop.is_set():
        return False
    refuse_misplaced_folder(config)
    delivering = once_there_is_room(
        lambda: _delivering(config, destination, duty, holding), stop, duty, once=once
    )
    if delivering is None:
        return False
    if delivering.orders.role_wanted_until() > time.time():  # asked for while this was made
        delivering.close()
        return True
    duty.up()
    ear = Ear(config.outbox.path, destination.name)
    if delivering.said:
        _LOG.warning("%s: %s", destination.name, delivering.said)
    try:
        if until_nothing_waits(delivering, stop) if once else follow(delivering, ear, stop):
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
