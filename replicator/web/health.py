"""Whether capture and delivery make progress, or wait for a known reason. Pure.

A daemon that hangs is unhealthy, one that waits for the link until a known time is not: starting it
again would not help. What deserves waking somebody is the alarms' business (backlog/alarms.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from replicator.backlog import Backlog, Capture, Daemon, Waiting
from replicator.outbox.clock import parse

OVERDUE = timedelta(seconds=60)  # a wait may end so late: the attempt itself takes time


@dataclass(frozen=True, slots=True)
class Part:
    """``name``: "tail" or a destination; ``reason``: a sentence, also when all is well."""

    name: str
    healthy: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Health:
    """``healthy``: every part is."""

    healthy: bool
    at: str
    parts: Sequence[Part]


def health_of(found: Backlog, patience: float) -> Health:
    """Of capture and every enabled destination.

    ``patience``: seconds that a position may stand still while there is something to do
    """
    at, within = parse(found.at), timedelta(seconds=patience)
    parts = [_tail(found.tail, at, within)]
    parts += [_ship(each, at, within) for each in found.destinations if each.enabled]
    return Health(all(part.healthy for part in parts), found.at, parts)


def _tail(tail: Capture, at: datetime, within: timedelta) -> Part:
    told = _standing(tail.daemon, "tail", at)
    if told is not None:
        return told
    if _recent(tail.read_at, at, within):
        return Part("tail", True, "the position moved lately")
    if _recent(tail.daemon.since, at, within):
        return Part("tail", True, "it has just started")
    noted = _recent(tail.lag_known_at, at, within)
    if noted and tail.lag_seconds is not None and tail.lag_seconds < within.total_seconds():
        return Part("tail", True, "the source has nothing new")
    if noted:
        return Part("tail", False, f"the position stands still since {tail.read_at}")
    return Part("tail", False, f"it has noted nothing since {tail.lag_known_at or 'its start'}")


def _ship(each: Waiting, at: datetime, within: timedelta) -> Part:
    told = _standing(each.daemon, each.name, at)
    if told is not None:
        return told
    if each.paused is not None:
        return Part(each.name, True, f"paused by {each.paused.by} since {each.paused.at}")
    return _running(each, at, within)


def _running(each: Waiting, at: datetime, within: timedelta) -> Part:
    if _recent(each.last_acknowledged_at, at, within):
        return Part(each.name, True, "rows were acknowledged lately")
    if _recent(each.daemon.since, at, within):
        return Part(each.name, True, "it has just started")
    if not _recent(each.sampled_at, at, within):
        return Part(
            each.name, False, f"it has noted nothing since {each.sampled_at or 'its start'}"
        )
    if not each.waiting_rows:
        return Part(each.name, True, "nothing waits")
    if each.rates.rows_out:
        return Part(each.name, True, "the cursor moved lately")
    if each.lag_seconds < within.total_seconds():
        return Part(each.name, True, "what waits has just come")
    since = each.last_acknowledged_at or each.oldest_committed_at
    return Part(each.name, False, f"{each.waiting_rows:,} rows wait, none moved since {since}")


def _standing(daemon: Daemon, name: str, at: datetime) -> Part | None:
    """What a state alone tells; None for one that says it runs."""
    why = f": {daemon.detail}" if daemon.detail else ""
    if daemon.state == "running":
        return None
    if daemon.state not in ("waiting", "paused"):
        return Part(name, False, f"{daemon.state}{why}")
    if daemon.wait_until is None:
        return Part(name, True, f"{daemon.state}{why}")
    if at - parse(daemon.wait_until) > OVERDUE:
        return Part(name, False, f"it should have gone on at {daemon.wait_until}{why}")
    return Part(name, True, f"{daemon.state} until {daemon.wait_until}{why}")


def _recent(time: str | None, at: datetime, within: timedelta) -> bool:
    return time is not None and at - parse(time) < within
