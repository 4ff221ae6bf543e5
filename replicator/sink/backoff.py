"""How long to wait before the next try: exponential, with full jitter. Pure but for its memory.

A fleet that lost its server at one moment must not come back at one moment. So the whole delay is
spread, not only its end: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
By chance, a hundred stations leave some moments empty and crowd others. While delays grow, stations
therefore take turns by their phase, which follows from the name; each try moves it on by the golden
ratio, which keeps any fleet spread and makes nobody the last one every time. Once delays have
stopped growing all is left to chance, so that no pattern of ours stays for days.
"""

from __future__ import annotations

import random

FIRST_SECONDS = 1.0
MOST_SECONDS = 300.0
_LEAST_SECONDS = 0.05
_GOLDEN = 0.6180339887498949


class Backoff:
    """``delay()`` for each failure, ``reset()`` after a success. Randomness is passed in.

    ``phase``  of a station in its fleet (sink.beat), from 0 to 1; None: all by chance
    """

    def __init__(
        self, chance: random.Random, most: float = MOST_SECONDS, phase: float | None = None
    ) -> None:
        self._chance = chance
        self._most = most
        self._phase = phase
        self.reset()

    def delay(self) -> float:
        """Seconds to wait now: anything up to a ceiling that doubles up to ``most``."""
        ceiling = min(FIRST_SECONDS * 2.0**self._tries, self._most)
        if ceiling == self._most:
            return self._chance.uniform(_LEAST_SECONDS, ceiling)
        self._tries += 1
        if self._phase is None:
            return self._chance.uniform(_LEAST_SECONDS, ceiling)
        turn = (self._phase + self._tries * _GOLDEN) % 1.0
        return _LEAST_SECONDS + turn * (ceiling - _LEAST_SECONDS)

    def wait(self, asked: float | None) -> float:
        """Seconds to wait after a failure. ``asked``: a Retry-After, which a fleet hears alike."""
        return (asked or 0.0) + self.delay()

    def reset(self) -> None:
        """The last try went well."""
        self._tries = 0
