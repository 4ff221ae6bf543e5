"""How a station of the simulation waits and how much it sends: as ours do, or naively. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from replicator.simulation.plan import Plan
from replicator.sink.backoff import Backoff
from replicator.sink.beat import phase
from replicator.sink.pace import Pace

_EVERY = 60.0


class Waiting(Protocol):
    """As sink.backoff.Backoff."""

    def wait(self, asked: float | None) -> float: ...
    def reset(self) -> None: ...


class Batching(Protocol):
    """As sink.pace.Pace."""

    def limit(self) -> int: ...
    def learn(self, rows: int, bytes_sent: int, seconds: float, *, failed: bool) -> None: ...


class InStep:
    """Tries again at every full minute, as from cron, or exactly when it was asked to."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def wait(self, asked: float | None) -> float:
        """Seconds."""
        return asked or _EVERY - self._clock() % _EVERY

    def reset(self) -> None:
        """Nothing is remembered."""


class Always:
    """Batches of one size."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def limit(self) -> int:
        """Rows."""
        return self._rows

    def learn(self, rows: int, bytes_sent: int, seconds: float, *, failed: bool) -> None:
        """Nothing is learnt."""


def waiting(plan: Plan, name: str, chance: random.Random, clock: Callable[[], float]) -> Waiting:
    """How this station waits after a failure. ``clock``: seconds, the same for the fleet."""
    return InStep(clock) if plan.naive else Backoff(chance, phase=phase(name))


def batching(plan: Plan) -> Batching:
    """How much a station puts into a request."""
    if plan.naive:
        return Always(plan.shipping.batch_rows)
    return Pace(plan.shipping.batch_rows, plan.shipping.batch_bytes)
