"""Step after step of one destination's delivery, and what is waited for between two of them."""

from __future__ import annotations

import logging
import random
import time
from contextlib import suppress
from datetime import timedelta

from replicator.allowance import Hold
from replicator.cli.pipelines import Delivering
from replicator.cli.signals import Stop
from replicator.delivery import Retry
from replicator.errors import DestinationRefused, DestinationUnavailable, OutboxBusy, OutboxFull
from replicator.outbox import clock
from replicator.outbox.bell import Ear
from replicator.outbox.orders import Pause
from replicator.outbox.retention import give_back
from replicator.outbox.status import Status
from replicator.ship import Shipped
from replicator.sink.backoff import Backoff

_LOG = logging.getLogger("replicator.ship")
_LOOK_SECONDS = 0.25
_IDLE_SECONDS = 0.5  # between looks at the outbox, where tail rings when there is news
_DEAF_SECONDS = 0.05  # where it cannot
_REFUSED_SECONDS = 60.0
_TRIES_ONCE = 6


def until_nothing_waits(delivering: Delivering, stop: Stop) -> bool:
    """Deliver what there is. True: there is news in the destination's file, begin again.

    Raises DestinationUnavailable where it is paused or cannot be reached.
    """
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


def follow(delivering: Delivering, ear: Ear, stop: Stop) -> bool:
    """Deliver what comes, until ``stop`` is set. True: there is news, begin again."""
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
            _tidy(delivering)
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


def _tidy(delivering: Delivering) -> None:
    """Room of rows that are parked no longer goes back to the disk."""
    with suppress(OutboxFull, OutboxBusy):  # when there is nothing to do again
        give_back(delivering.deliveries.database)


def _wait_for_news(delivering: Delivering, version: int, ear: Ear, stop: Stop) -> None:
    """Sleep until tail has committed, a held lane is due, or an operator has said something."""
    due = min(delivering.deliveries.blocked_lanes().values(), default=float("inf"))
    pause = _DEAF_SECONDS if ear.fileno is None else _IDLE_SECONDS
    while not stop.wait(pause, ear.fileno):
        ear.hush()
        if delivering.outbox.version() != version or clock.now().timestamp() >= due:
            return
        if delivering.orders.news():
            return
        delivering.watch.look()
