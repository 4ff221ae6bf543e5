"""Ship's windows and budget: what it has sent is counted, and whether it may send now is said.

The rule this file keeps: what a step of ship cost is written before the next one where a budget is
set, so that neither a restart nor a failing link spends a day's bytes twice. SIGKILL inside a step
loses that step's count; no row depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from replicator.allowance import Hold, held
from replicator.config import DestinationConfig
from replicator.outbox import clock
from replicator.outbox.traffic import Traffic


class Allowance:
    """``traffic``: what was counted up to now; ``clock``: UTC."""

    def __init__(
        self,
        destination: DestinationConfig,
        traffic: Traffic,
        clock: Callable[[], datetime] = clock.now,
    ) -> None:
        self._windows = destination.windows
        self._budget = destination.daily_bytes
        self._traffic = traffic
        self._clock = clock
        self._uncounted = 0

    def spend(self, size: int) -> None:
        """So many bytes went over the link."""
        self._uncounted += size

    def count(self) -> None:
        """Write down what was spent, where a budget is set. Raises OutboxFull, OutboxBusy."""
        if self._budget and self._uncounted:
            self._traffic.add(self._clock().date(), self._uncounted)
            self._uncounted = 0

    def hold(self) -> Hold | None:
        """Why nothing may be sent now, and until when. Raises as ``count``."""
        self.count()
        now = self._clock()
        spent = self._traffic.spent(now.date()) if self._budget else 0
        return held(now, self._windows, spent, self._budget)
