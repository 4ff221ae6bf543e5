"""Each alarm: what sets it off, what keeps it quiet, and that docs/operations.md tells of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from replicator.backlog import (
    Alarm,
    Backlog,
    Capture,
    Daemon,
    Forecast,
    Gap,
    Parked,
    Paused,
    Thresholds,
    Waiting,
    alarms_of,
    worst,
)

AT = "2026-03-01T12:00:00.000Z"
EARLIER = "2026-03-01T11:59:00.000Z"
LONG_AGO = "2026-03-01T11:00:00.000Z"
RUNS = Daemon("running", "", EARLIER, None)
OPERATIONS = Path(__file__).parent.parent / "docs" / "operations.md"
GAP = Gap("open", "purged", None, AT, "s/b.1:4/", "x", None, None, 0, 0, 0, 0, 0)


def backlog(tail: Mapping[str, Any] | None = None, **destination: Any) -> Backlog:
    """One where all is well, but for what is said."""
    capture = Capture(RUNS, "p", AT, AT, None, 1, 1, 1, None, 10, 100, 0.0, EARLIER)
    home = Waiting("home", True, RUNS, 1, 0, 0, None, 0.0, 0, (), 0, None, sampled_at=EARLIER)
    gaps = destination.pop("gaps", ())
    return Backlog(AT, replace(capture, **(tail or {})), [replace(home, **destination)], gaps)


def forecast(hours: float, unread: int = 9) -> Forecast:
    return Forecast(AT, unread, AT, hours * 3600, "age")


def daemon(state: str, detail: str = "", since: str = EARLIER) -> Daemon:
    return Daemon(state, detail, since, None)


def parked(rows: int) -> dict[str, Any]:
    return {"parked_rows": rows, "parked": [Parked("rejected", "conflict", "d", rows, AT)]}


def late(seconds: float) -> dict[str, Any]:
    return {"lag_seconds": seconds, "waiting_rows": 5}


CASES: list[tuple[Backlog, list[tuple[str, str, str]]]] = [
    (backlog(), []),
    (backlog({"daemon": daemon("stopped", "x")}), [("critical", "stopped", "tail")]),
    (backlog({"daemon": daemon("never started")}), [("critical", "stopped", "tail")]),
    (backlog({"daemon": daemon("gone", "x")}), [("critical", "gone", "tail")]),
    (backlog(daemon=daemon("stopped")), [("critical", "stopped", "home")]),
    (backlog(daemon=daemon("gone")), [("critical", "gone", "home")]),
    (backlog(daemon=daemon("refused", "401")), [("critical", "refused", "home")]),
    (backlog({"daemon": daemon("paused", "no room")}), [("critical", "full", "tail")]),
    (backlog(daemon=daemon("paused", "no room")), [("critical", "full", "home")]),
    (
        backlog(daemon=daemon("paused", "by eve"), paused=Paused(AT, "eve", "")),
        [("warning", "paused", "home")],
    ),
    (backlog(daemon=daemon("waiting", "no link")), []),
    (backlog(daemon=daemon("stopped"), enabled=False), []),
    (backlog(paused=Paused(AT, "eve", "test")), [("warning", "paused", "home")]),
    (backlog(**late(3_599)), []),
    (backlog(**late(3_600)), [("warning", "lag", "home")]),
    (backlog(**late(86_400)), [("critical", "lag", "home")]),
    (backlog({"lag_seconds": 4_000.0}), [("warning", "lag", "tail")]),
    (backlog({"used_bytes": 69}), []),
    (backlog({"used_bytes": 70}), [("warning", "outbox", "tail")]),
    (backlog({"used_bytes": 95}), [("critical", "outbox", "tail")]),
    (backlog({"used_bytes": 95, "budget_bytes": None}), []),
    (backlog({"forecast": forecast(25)}), []),
    (backlog({"forecast": forecast(23)}), [("warning", "purge", "tail")]),
    (backlog({"forecast": forecast(5)}), [("critical", "purge", "tail")]),
    (backlog({"forecast": forecast(-5)}), [("critical", "purge", "tail")]),
    (backlog({"forecast": forecast(-5, unread=0)}), []),
    (backlog(**parked(1)), [("warning", "parked", "home")]),
    (backlog(**parked(10_000)), [("critical", "parked", "home")]),
    (backlog(gaps=[GAP]), [("critical", "gap", "tail")]),
    (backlog(gaps=[replace(GAP, state="healing")]), [("warning", "gap", "tail")]),
    (backlog(gaps=[replace(GAP, state="healed")]), []),
    (
        backlog({"daemon": daemon("running", "", LONG_AGO), "lag_known_at": LONG_AGO}),
        [("warning", "silent", "tail")],
    ),
    (
        backlog(daemon=daemon("running", "", LONG_AGO), sampled_at=LONG_AGO),
        [("warning", "silent", "home")],
    ),
    (backlog(daemon=daemon("running", "", LONG_AGO)), []),
]


def kinds(alarms: list[Alarm]) -> list[tuple[str, str, str]]:
    return [(alarm.level, alarm.kind, alarm.about) for alarm in alarms]


@pytest.mark.parametrize(("found", "expected"), CASES)
def test_an_alarm_has_its_reason(found: Backlog, expected: list[tuple[str, str, str]]) -> None:
    alarms = alarms_of(found, Thresholds())
    assert kinds(alarms) == expected
    assert all(alarm.text and alarm.help for alarm in alarms)
    assert worst(alarms) == (expected[0][0] if expected else "fine")


def test_a_threshold_of_0_turns_an_alarm_off() -> None:
    off = Thresholds(0, 0, 0, 0, 0, 0, 0, 0, 0)
    quiet = backlog(
        {
            "lag_seconds": 1e9,
            "used_bytes": 99,
            "forecast": forecast(1),
            "daemon": daemon("running", "", LONG_AGO),
            "lag_known_at": LONG_AGO,
        },
        **late(1e9),
        **parked(10**6),
    )
    assert alarms_of(quiet, Thresholds())
    assert alarms_of(quiet, off) == []


def test_the_critical_ones_come_first() -> None:
    found = backlog(**parked(1), gaps=[GAP])
    assert [alarm.level for alarm in alarms_of(found, Thresholds())] == ["critical", "warning"]


def test_operations_has_a_line_for_every_alarm() -> None:
    text = OPERATIONS.read_text()
    section = text[text.index("## Alarms") :].split("\n## ")[0]
    documented = set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE))
    raised = {kind for _, expected in CASES for _, kind, _ in expected}
    assert documented == raised
