"""What happens next: moments and calls, in order. The whole engine of the simulation."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class Agenda:
    """Calls at moments (seconds); of the same moment, in the order in which they were entered.

    ``now``  the moment of the call under way
    ``end``  calls after it are not made; may be moved forward by a call
    """

    def __init__(self, start: float, end: float) -> None:
        self.now = start
        self.end = end
        self._count = 0
        self._calls: list[tuple[float, int, Callable[[], None]]] = []

    def at(self, moment: float, call: Callable[[], None]) -> None:
        """Make this call then; at once where that moment is past."""
        self._count += 1
        heappush(self._calls, (max(moment, self.now), self._count, call))

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Make this call so many seconds from now."""
        self.at(self.now + seconds, call)

    def run(self) -> None:
        """Make the calls up to ``end``, which is the moment afterwards."""
        while self._calls and self._calls[0][0] <= self.end:
            self.now, _, call = heappop(self._calls)
            call()
        self.now = self.end
