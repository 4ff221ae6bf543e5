"""A daemon that finds no room on the disk at its start waits for it, as it does later on."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import TypeVar

from replicator.cli.signals import Stop
from replicator.errors import OutboxFull
from replicator.notify import Duty
from replicator.sink.backoff import Backoff

_LOG = logging.getLogger("replicator.outbox")
_T = TypeVar("_T")


def once_there_is_room(make: Callable[[], _T], stop: Stop, duty: Duty, *, once: bool) -> _T | None:
    """What ``make`` gives, tried again while it raises OutboxFull; None: told to stop meanwhile.

    ``once``  it is raised instead: nobody waits for a command that shall end
    """
    backoff = Backoff(random.Random())  # noqa: S311  # jitter, not a secret
    while True:
        try:
            return make()
        except OutboxFull as error:
            if once:
                raise
            delay = backoff.delay()
            _LOG.warning("%s; trying again in %.0f s", error, delay)
            duty.say(f"paused: {error}")
        if stop.rest(delay, duty.alive):
            return None
