"""`replicator ship`: the outbox to the central servers."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import click

from replicator.allowance import Hold
from replicator.cli import streaming
from replicator.cli.homes import refuse_misplaced_folder
from replicator.cli.options import configured_fleet
from replicator.cli.pipelines import Delivering, chosen
from replicator.cli.role import role_again
from replicator.cli.signals import Stop
from replicator.config import Config, DestinationConfig
from replicator.delivery import Holder, Retry
from replicator.errors import (
    ConfigError,
    DestinationRefused,
    DestinationUnavailable,
    OutboxBusy,
    OutboxFull,
    ReplicatorError,
)
from replicator.notify import Duty, Service
from replicator.outbox import clock
from replicator.outbox.bell import Ear
from replicator.outbox.lock import RoleLock
from replicator.outbox.orders import Pause
from replicator.outbox.retention import give_back
from replicator.outbox.status import Status
from replicator.outbox.store import OUTBOX_FILE
from replicator.ship import Shipped
from replicator.sink.backoff import Backoff

_LOG = logging.getLogger("replicator.ship")
_LOOK_SECONDS = 0.25
_IDLE_SECONDS = 0.5  # between looks at the outbox, where tail rings when there is news
_DEAF_SECONDS = 0.05  # where it cannot
_REFUSED_SECONDS = 60.0
_TRIES_ONCE = 6


@click.command(epilog="\b\nExamples:\n  replicator ship\n  replicator ship --once home")
@click.argument("destinations", nargs=-1, metavar="[DESTINATION]...")
@click.option("--once", is_flag=True, help="End when nothing waits.")
@configured_fleet
def ship(config: Config, destinations: tuple[str, ...], once: bool) -> None:
    """Deliver: forward the outbox to the destinations, in order, until acknowledged.

    \b
    Without names, all enabled destinations, each on its own. Safe to kill at any moment. With
    [fleet] stations it shares them with all others that run so.
    """
    if config.fleet.stations:
        from replicator.cli.fleet import ship_fleet  # noqa: PLC0415  # needs the extra jetstream

        ship_fleet(config, destinations, once=once)
        return
    if config.fleet.member:
        raise ConfigError(
            "a station of a fleet is not delivered alone",
            f"--station {config.station.name}: others may hold its lease",
            "leave --station away, or set [fleet] stations to what this shipper shall take",
        )
    wanted = chosen(config, destinations)
    service = Service([each.name for each in wanted])
    with Stop(service.stopping) as stop:
        jobs = [job(config, each, stop, service.duty(each.name), once=once) for each in wanted]
        side_by_side([*streaming.feeding(config, stop, once=once), *jobs], stop)


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


def side_by_side(jobs: Sequence[Callable[[], None]], stop: Stop) -> None:
    """Run jobs at once, the last in this thread; the first failure stops all and is raised."""
    failures: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001  # raised again below, in the main thread
            failures.append(error)
            stop.set()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs[:-1]]
    for thread in threads:
        thread.start()
    for job in jobs[-1:]:
        run(job)
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


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
    delivering = (
        Delivering(config, destination, duty)
        if holding is None
        else Delivering(config, destination, duty, holding.holder, holding.check)
    )
    if delivering.orders.role_wanted_until() > time.time():  # asked for while this was made
        delivering.close()
        return True
    duty.up()
    ear = Ear(config.outbox.path, destination.name)
    if delivering.said:
        _LOG.warning("%s: %s", destination.name, delivering.said)
    try:
        if _until_nothing_waits(delivering, stop) if once else _follow(delivering, ear, stop):
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


def _until_nothing_waits(delivering: Delivering, stop: Stop) -> bool:
    pause = delivering.orders.paused()
    if pause is not None:
        raise DestinationUnavailable(
            f"{delivering.name} is paused",
            str(pause),
            f"what waits is kept; `replicator resume {delivering.name}`",
        )
    delivering.deliveries.retry_lanes_now()
    backoff = Backoff(random.Random(), phase=delivering.phase)  # noqa: S311  # not a secret
    failures = 0
    while not stop.is_set():
        if delivering.orders.news():
            return True
        retry = _step(delivering)
        delivering.allowance.count()
        if isinstance(retry, Shipped):
            failures = 0
            backoff.reset()
            if retry.idle:
                return False
            continue
        failures += 1
        if failures == _TRIES_ONCE:
            raise DestinationUnavailable(
                f"{delivering.name} cannot be reached",
                retry.reason,
                "what waits is kept; `replicator ship` goes on from here",
            )
        stop.wait(min(retry.after or backoff.delay(), 5.0))
    return False


def _follow(delivering: Delivering, ear: Ear, stop: Stop) -> bool:
    pause = delivering.orders.paused()
    if pause is not None:
        _stay_paused(delivering, pause, stop)
    backoff = Backoff(random.Random(), phase=delivering.phase)  # noqa: S311  # not a secret
    while not stop.is_set():
        if delivering.orders.news():
            return True
        delivering.watch.look()
        version = delivering.outbox.version()
        try:
            hold = delivering.allowance.hold()
            if hold is not None:
                _hold(delivering, hold, stop)
                continue
            result = _step(delivering)
        except DestinationRefused as error:
            delivering.disconnect()
            _wait(delivering, "refused", str(error), _REFUSED_SECONDS, stop)
            continue
        except (OutboxFull, OutboxBusy) as error:  # what is not settled is sent again: harmless
            delivering.disconnect()
            _wait(delivering, "paused", str(error), backoff.delay(), stop)
            continue
        if isinstance(result, Retry):
            _wait(delivering, "waiting", result.reason, backoff.wait(result.after), stop)
            continue
        backoff.reset()
        delivering.board.show(Status("running"))
        if result.idle:
            _wait_for_news(delivering, version, ear, stop)
    return False


def _stay_paused(delivering: Delivering, pause: Pause, stop: Stop) -> None:
    _LOG.warning("%s: paused %s", delivering.name, pause)
    delivering.board.show(Status("paused", str(pause), ordered=True))
    while not stop.wait(_LOOK_SECONDS) and not delivering.orders.news():
        delivering.watch.look()


def _step(delivering: Delivering) -> Shipped | Retry:
    """One step, noted where it fails; a link or server that fails is a Retry."""
    started = time.monotonic()
    try:
        found = _stepped(delivering)
    except DestinationRefused as error:
        seconds = time.monotonic() - started
        delivering.attempts.keep(clock.now(), "refused", str(error), seconds)
        raise
    if isinstance(found, Retry):
        seconds = time.monotonic() - started
        delivering.attempts.keep(clock.now(), "waiting", found.reason, seconds)
    return found


def _stepped(delivering: Delivering) -> Shipped | Retry:
    try:
        shipped = delivering.ship().step()
    except DestinationUnavailable as error:
        delivering.disconnect()
        return Retry(str(error), error.after)
    if shipped.parked:
        _LOG.warning(
            "%s: %d rows parked; see `replicator backlog`", delivering.name, shipped.parked
        )
    if shipped.delivered:
        _LOG.debug("%s: %d rows acknowledged", delivering.name, shipped.delivered)
    if shipped.retry is not None:
        delivering.disconnect()
        if not shipped.delivered:
            return shipped.retry
    return shipped


def _hold(delivering: Delivering, hold: Hold, stop: Stop) -> None:
    """Leave the link alone until a moment; the connection, too, which costs bytes to keep."""
    delivering.disconnect()
    _wait(delivering, "waiting", hold.why, (hold.until - clock.now()).total_seconds(), stop)


def _wait(delivering: Delivering, state: str, why: str, delay: float, stop: Stop) -> None:
    _LOG.warning("%s: %s; trying again in %.0f s", delivering.name, why, delay)
    until = clock.now() + timedelta(seconds=delay)
    delivering.board.show(Status(state, why, until.replace(microsecond=0)))
    while clock.now() < until and not delivering.orders.news():
        delivering.watch.look()
        if stop.wait(min(_LOOK_SECONDS, delay)):
            return


def _wait_for_news(delivering: Delivering, version: int, ear: Ear, stop: Stop) -> None:
    """Sleep until tail has committed, a held lane is due, or an operator has said something."""
    give_back(delivering.deliveries.database)  # of rows that are parked no longer
    due = min(delivering.deliveries.blocked_lanes().values(), default=float("inf"))
    pause = _DEAF_SECONDS if ear.fileno is None else _IDLE_SECONDS
    while not stop.wait(pause, ear.fileno):
        ear.hush()
        delivering.watch.look()
        if delivering.outbox.version() != version or clock.now().timestamp() >= due:
            return
        if delivering.orders.news():
            return
