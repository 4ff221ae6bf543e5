"""Heartbeats: when a station's is due, and how it is told to each kind of server. Pure.

The time of day at which a station beats follows from its name alone, so a fleet that got its power
back at one moment does not beat in step, and a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b

from replicator.change import Value
from replicator.sink.dialect import Dialect

_PHASE_BYTES = 8
_HOSTNAME, _VERSION = 25, 20  # characters that the original's columns hold


def phase(station: str) -> float:
    """Where in each interval a station beats: 0 ≤ phase < 1, spread evenly over names."""
    digest = blake2b(station.encode("utf-8", "surrogatepass"), digest_size=_PHASE_BYTES).digest()
    return int.from_bytes(digest, "big") / (1 << 8 * _PHASE_BYTES)


def next_beat(now: float, interval: float, station: str) -> float:
    """The first time after ``now`` that is this station's (Unix seconds)."""
    first = phase(station) * interval
    return now + interval - (now - first) % interval


def told(
    dialect: Dialect, station: str, host: str, said: Mapping[str, Value], local: datetime
) -> tuple[str, Mapping[str, Value]]:
    """The path below rest/, and the body. ``local``: the station's clock, in its own zone."""
    if dialect.heartbeats:
        return "heartbeat/", {"station": station, **said}
    version = str(said.get("version", ""))[:_VERSION]
    clock = local.replace(tzinfo=None).isoformat(timespec="seconds")
    return "pushstatus/", {
        "time": clock,
        "localtime": clock,
        "hostname": host[:_HOSTNAME],
        "version": version,
    }
