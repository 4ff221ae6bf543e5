"""The central server of the simulation: threads, a queue before them, and 503 beyond it. Pure.

First come, first served, so when a request will be done is known when it arrives. What a station
has stopped waiting for is done all the same.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heapify, heapreplace

from replicator.simulation.load import Load
from replicator.simulation.plan import Capacity


@dataclass(frozen=True, slots=True)
class Answer:
    """When it leaves the centre, and whether the rows are stored. ``retry_after``: of a 503."""

    moment: float
    stored: bool
    retry_after: float | None = None


class Centre:
    """``away``: from when until when nothing gets through. Moments must not go back."""

    def __init__(self, capacity: Capacity, away: tuple[float, float], load: Load) -> None:
        self._capacity = capacity
        self._away = away
        self._load = load
        self._free = [float("-inf")] * capacity.threads
        heapify(self._free)
        self._begin: deque[float] = deque()  # of the requests that wait

    def is_away(self, moment: float) -> bool:
        """Whether nothing gets through then."""
        return self._away[0] <= moment < self._away[1]

    def arrive(self, moment: float, rows: int, size: int) -> Answer:
        """A request is here. Where the centre goes away under it, the connection ends then."""
        if self.is_away(moment):
            self._load.count("in_vain", moment)
            return Answer(moment, stored=False)
        self._load.count("requests", moment)
        self._load.count("bytes", moment, size)
        while self._begin and self._begin[0] <= moment:
            self._begin.popleft()
        begin = max(moment, self._free[0])
        if begin > moment and len(self._begin) >= self._capacity.queue:
            self._load.count("refused", moment)
            return Answer(moment, stored=False, retry_after=self._capacity.retry_after or None)
        done = begin + self._capacity.seconds(rows)
        if moment < self._away[0] < done:
            return Answer(self._away[0], stored=False)
        heapreplace(self._free, done)
        self._wait(moment, begin)
        self._load.count("rows", done, rows)
        return Answer(done, stored=True)

    def _wait(self, moment: float, begin: float) -> None:
        if begin <= moment:
            return
        self._begin.append(begin)
        self._load.longest_queue = max(self._load.longest_queue, len(self._begin))
        self._load.count("queue", moment)
        self._load.count("queue", begin, -1)
