"""Progress or not: what /healthz says of each situation."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from replicator.backlog import Backlog, Capture, Daemon, Paused, Rates, Waiting
from replicator.outbox.clock import text
from replicator.web.health import health_of

AT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
PATIENCE = 900.0


def ago(seconds: float) -> str:
    return text(AT - timedelta(seconds=seconds))


RUNNING = Daemon("running", "", ago(86_400), None)
TAIL = Capture(
    RUNNING, "p", ago(9), ago(3600), None, 1, 9, 9, None, lag_seconds=3, lag_known_at=ago(20)
)
SHIP = Waiting(
    name="home",
    enabled=True,
    daemon=RUNNING,
    cursor=1,
    waiting_rows=9,
    waiting_entries=9,
    oldest_committed_at=ago(7200),
    lag_seconds=7200.0,
    parked_rows=0,
    parked=(),
    mappings=0,
    last_acknowledged_at=ago(7200),
    sampled_at=ago(20),
)


def waiting(seconds: float) -> Daemon:
    """Until so many seconds from now."""
    return Daemon("waiting", "no link", ago(86_400), ago(-seconds))


def verdict(tail: Capture = TAIL, *ships: Waiting) -> dict[str, tuple[bool, str]]:
    health = health_of(Backlog(text(AT), tail, ships, ()), PATIENCE)
    assert health.healthy is all(part.healthy for part in health.parts)
    return {part.name: (part.healthy, part.reason) for part in health.parts}


@pytest.mark.parametrize(
    ("tail", "healthy", "words"),
    [
        (TAIL, True, "nothing new"),
        (replace(TAIL, lag_seconds=3600.0), False, "stands still"),
        (replace(TAIL, lag_seconds=3600.0, read_at=ago(10)), True, "moved lately"),
        (replace(TAIL, lag_known_at=ago(3600)), False, "noted nothing"),
        (replace(TAIL, lag_known_at=None, lag_seconds=None), False, "noted nothing"),
        (replace(TAIL, lag_known_at=None, daemon=replace(RUNNING, since=ago(5))), True, "started"),
        (replace(TAIL, daemon=waiting(60)), True, "no link"),
        (replace(TAIL, daemon=waiting(-30)), True, "no link"),
        (replace(TAIL, daemon=waiting(-90)), False, "should have gone on"),
        (replace(TAIL, daemon=Daemon("paused", "outbox full", ago(9), None)), True, "outbox full"),
        (replace(TAIL, daemon=Daemon("stopped", "", ago(9), None)), False, "stopped"),
        (replace(TAIL, daemon=Daemon("gone", "killed", ago(9), None)), False, "killed"),
        (replace(TAIL, daemon=Daemon("never started", "", None, None)), False, "never started"),
    ],
)
def test_tail(tail: Capture, healthy: bool, words: str) -> None:
    said = verdict(tail)["tail"]
    assert said[0] is healthy
    assert words in said[1]


@pytest.mark.parametrize(
    ("ship", "healthy", "words"),
    [
        (SHIP, False, "none moved"),
        (replace(SHIP, last_acknowledged_at=ago(10)), True, "acknowledged lately"),
        (replace(SHIP, waiting_rows=0), True, "nothing waits"),
        (replace(SHIP, rates=Rates(1, 0.5, 600, "never", None)), True, "cursor moved"),
        (replace(SHIP, lag_seconds=5.0), True, "just come"),
        (replace(SHIP, daemon=replace(RUNNING, since=ago(5))), True, "started"),
        (replace(SHIP, sampled_at=ago(3600), waiting_rows=0), False, "noted nothing"),
        (replace(SHIP, daemon=waiting(3600)), True, "until"),
        (replace(SHIP, daemon=waiting(-3600)), False, "should have gone on"),
        (replace(SHIP, paused=Paused(ago(9), "ann", "")), True, "paused by ann"),
        (replace(SHIP, daemon=Daemon("refused", "401", ago(9), None)), False, "401"),
        (
            replace(SHIP, paused=Paused(ago(9), "a", ""), daemon=Daemon("gone", "", None, None)),
            False,
            "gone",
        ),
    ],
)
def test_a_destination(ship: Waiting, healthy: bool, words: str) -> None:
    said = verdict(TAIL, ship)["home"]
    assert said[0] is healthy
    assert words in said[1]


def test_a_destination_that_is_switched_off_is_no_part() -> None:
    assert set(verdict(TAIL, replace(SHIP, enabled=False))) == {"tail"}
