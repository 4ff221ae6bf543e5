"""Keeping house in outbox.db: what every destination has settled expires, within a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from replicator.errors import OutboxFull
from replicator.outbox.clock import Clock
from replicator.outbox.retention import (
    acknowledged_by_all,
    expire,
    give_back,
    shrink_log,
    used_bytes,
)
from replicator.outbox.writer import OutboxWriter


@dataclass(frozen=True, slots=True)
class Budget:
    """``destinations``: all configured ones; what one of them has not settled does not expire."""

    folder: Path
    destinations: Sequence[str]
    max_bytes: int
    keep_seconds: float
    every_seconds: float


class House:
    """Keeps one folder's house now and then.

    ``fold``  called with the seq up to which entries may go, before they do
    """

    def __init__(
        self,
        writer: OutboxWriter,
        budget: Budget,
        clock: Clock,
        monotonic: Callable[[], float],
        fold: Callable[[int], None] = lambda _settled: None,
    ) -> None:
        self._writer = writer
        self._budget = budget
        self._clock = clock
        self._monotonic = monotonic
        self._fold = fold
        self._due = monotonic()

    def keep(self) -> int | None:
        """Expire what may go, if it is time; the seq that is settled, None before the time.

        Call it with nothing under way. Raises OutboxFull when the budget is used up.
        """
        if self._monotonic() < self._due:
            return None
        writer, budget = self._writer, self._budget
        writer.settle()
        settled = acknowledged_by_all(budget.folder, budget.destinations)
        self._fold(settled)
        kept_since = self._clock() - timedelta(seconds=budget.keep_seconds)
        while expire(writer.database, settled, kept_since):
            pass
        used = used_bytes(budget.folder, writer.database)
        while used > budget.max_bytes:
            gone = expire(writer.database, settled, self._clock())
            shrink_log(writer.database)
            used = used_bytes(budget.folder, writer.database)
            if used > budget.max_bytes and not gone:
                raise _over_budget(budget, used)
        give_back(writer.database)
        self._due = self._monotonic() + budget.every_seconds
        return settled


def _over_budget(budget: Budget, used: int) -> OutboxFull:
    return OutboxFull(
        "the outbox has used up its budget; capture pauses, the binlog is the overflow",
        f"{budget.folder} holds {used:,} bytes, [outbox] max_size allows {budget.max_bytes:,}",
        "let ship deliver (`replicator backlog` says what holds it), or raise max_size; "
        "capture goes on by itself",
    )
