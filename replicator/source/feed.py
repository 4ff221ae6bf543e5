"""What a log connection and the stream that reads it have in common."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from replicator.source.decode import Held, TableDecoder
from replicator.source.endpoint import Endpoint
from replicator.source.held import Item, decoded


class Pause(Exception):
    """Not an error. Nothing more now: nothing came in time, or enough rows are stashed."""


@dataclass(slots=True)
class Feed:
    """What the connection shares with the stream that reads it.

    ``decoder_for``  decoder of a table map's body (flags to end), None for a table not replicated
    ``silence``      seconds without a byte after which the link counts as dead
    ``deadline``     monotonic time to wait for more until
    ``until``        monotonic time to stop at although more is there
    ``found``        what came since the stream last looked, in order
    ``holds``        some of that is not decoded yet
    ``rows``         decoded since ``begin``
    """

    endpoint: Endpoint
    decoder_for: Callable[[bytes], TableDecoder | None]
    silence: float
    max_rows: int = 10_000
    deadline: float = 0.0
    until: float = math.inf
    found: list[Item | Held] = field(default_factory=list)
    holds: bool = False
    rows: int = 0

    def begin(self, *, deadline: float, until: float, max_rows: int) -> None:
        """Allow reading: pause at a deadline, or with ``max_rows``."""
        self.deadline, self.until, self.max_rows = deadline, until, max_rows
        self.rows = 0

    def patience(self, now: float) -> float:
        """Seconds to wait for more: none where there is something to hand out."""
        return 0.0 if self.found else self.deadline - now

    @property
    def full(self) -> bool:
        """Enough is here."""
        return self.rows >= self.max_rows or len(self.found) >= self.max_rows

    def hold(self, held: Held) -> None:
        """Keep rows to decode them with what follows."""
        self.found.append(held)
        self.rows += held.count
        self.holds = True

    def take(self) -> list[Item]:
        """What came since the last call.

        Raises Unsupported at something that cannot be decoded; then what came before that is there
        for another call.
        """
        found, self.found = self.found, []
        if not self.holds:
            return cast("list[Item]", found)
        self.holds = False
        ready, error = decoded(found)
        if error is not None:
            self.found += ready
            raise error
        return ready
