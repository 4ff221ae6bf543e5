"""Which stations a shipper takes, and which it gives up, from what it sees. Pure.

Everybody's share is ceil(stations / live sessions): who has more gives up the surplus, who has less
takes what is free. Each prefers stations in an order of its own, so that two seldom reach for one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class Lease:
    """``holder`` "": nobody; ``revision``: of the key, the epoch of the holding."""

    holder: str
    revision: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Stations to take, and to give up; never both."""

    take: tuple[str, ...] = ()
    give_up: tuple[str, ...] = ()


def share(stations: int, shippers: int) -> int:
    """How many stations each has at most."""
    return -(-stations // max(1, shippers))


def plan(
    me: str,
    stations: Collection[str],
    live: Collection[str],
    dead: Collection[str],
    leases: Mapping[str, Lease],
) -> Plan:
    """What ``me`` does now.

    ``live``  sessions that count, with ``me``; ``dead``  those that certainly hold nothing any more
    """
    mine = [name for name in stations if name in leases and leases[name].holder == me]
    most = share(len(stations), len({*live, me}))
    if len(mine) > most:
        return Plan(give_up=tuple(_preferred(me, mine)[most:]))
    free = [
        name
        for name in stations
        if name not in leases or not leases[name].holder or leases[name].holder in dead
    ]
    return Plan(take=tuple(_preferred(me, free)[: most - len(mine)]))


def _preferred(me: str, stations: Collection[str]) -> list[str]:
    return sorted(stations, key=lambda name: blake2b(f"{me} {name}".encode()).digest())
