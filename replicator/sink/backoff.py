"""How long to wait before the next try: exponential, with full jitter. Pure but for its memory.

A fleet that lost its server at one moment must not come back at one moment, so the whole delay is
random, not only its end: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import random

FIRST_SECONDS = 1.0
MOST_SECONDS = 300.0
_LEAST_SECONDS = 0.05


class Backoff:
    """``delay()`` for each failure, ``reset()`` after a success. Randomness is passed in."""

    def __init__(self, chance: random.Random, most: float = MOST_SECONDS) -> None:
        self._chance = chance
        self._most = most
        self._ceiling = FIRST_SECONDS

    def delay(self) -> float:
        """Seconds to wait now: anything up to a ceiling that doubles up to ``most``."""
        ceiling = min(self._ceiling, self._most)
        self._ceiling = min(2 * ceiling, self._most)
        return self._chance.uniform(_LEAST_SECONDS, ceiling)

    def reset(self) -> None:
        """The last try went well."""
        self._ceiling = FIRST_SECONDS
