"""Which fault strikes when, from a seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "stream leader killed",
    "shipper killed",
    "shipper frozen",
    "node cut off",
    "disk full",
    "centre restarted",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
OF_NODES = frozenset({"stream leader killed", "node cut off", "disk full"})


@dataclass(frozen=True, slots=True)
class Planned:
    """``pause``: seconds before it; ``lasts``: at least so many; ``victim``: to choose by."""

    kind: Kind
    pause: float
    lasts: float
    victim: int


def plan(seed: int, rounds: int, lease: float, pace: float = 1.0) -> Sequence[Planned]:
    """Each fault once a round, in an order of its own. ``pace`` stretches them, and the pauses."""
    rng = random.Random(f"cluster {seed}")
    found = []
    for _ in range(rounds):
        for kind in rng.sample(KINDS, len(KINDS)):
            lasts = rng.uniform(2, 6) * pace
            if kind == "shipper frozen":
                lasts = lease * rng.uniform(1.5, 2)
            elif kind == "node cut off":
                lasts = rng.uniform(8, 14) * pace
            found.append(Planned(kind, rng.uniform(1, 5) * pace, lasts, rng.randrange(1 << 16)))
    return found
