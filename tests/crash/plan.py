"""The kills of this suite, scenario by scenario: what is killed, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from tests.faults.centres import KINDS

Victim = Literal["tail", "ship", "run", "centre", "database", "nats"]


@dataclass(frozen=True)
class Storm:
    """``victims`` are killed in turn; ``kills``: how often in all, for each kind of centre."""

    victims: tuple[Victim, ...]
    kills: int


STORMS: Mapping[str, Storm] = MappingProxyType(
    {
        "tail": Storm(("tail",), 5),
        "ship": Storm(("ship",), 5),
        "centre": Storm(("centre",), 5),
        "database": Storm(("database",), 4),
        "run": Storm(("run", "run", "centre", "run", "database"), 5),
        "everything": Storm(("tail", "ship", "centre", "database"), 8),
    }
)
SNAPSHOT_TAIL_KILLS = 5
SNAPSHOT_DATABASE_KILLS = 3
BIG_TRANSACTION_KILLS = 6
COMMIT_KILLS = 4


def planned() -> int:
    """All kills of the suite."""
    storms = len(KINDS) * sum(storm.kills for storm in STORMS.values())
    snapshots = SNAPSHOT_TAIL_KILLS + SNAPSHOT_DATABASE_KILLS
    return storms + snapshots + BIG_TRANSACTION_KILLS + COMMIT_KILLS
