"""The n-th write, sync, truncation, deletion or new file fails, n = 1, 2, … until a run passes.

A command that ends says why, with a documented exit code; a daemon goes on by itself. Whatever it
does, afterwards every row arrives.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.fire.disk import library
from tests.fire.field import Case, Field
from tests.fire.points import SCENARIOS

pytestmark = pytest.mark.skipif(
    library() is None, reason="the sqlite3 module has SQLite inside: no VFS can be put around it"
)
LONG = bool(os.environ.get("FIRE_LONG"))
# What it may end with: well, no use for the file, no room.
ENDINGS = (0, 7, 9)
# Operations of a whole run, about; of a long one only some are tried, each time the same.
STEPS = {"tail starts": 53, "tail follows": 9, "ship goes on": 17, "ship drains": 13}
STEPS = {**STEPS, "ship rewinds": 5, "ship starts": 71}


@pytest.mark.parametrize("why", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("name", STEPS)
def test_the_nth_operation_fails(field: Field, tmp_path: Path, name: str, why: str) -> None:
    scenario = SCENARIOS[name]
    failed = 0
    for number in _numbers(STEPS[name], 1 if why == "EIO" else 2):
        folder = tmp_path / f"{number}"
        with field.case(scenario.stage, "ours", folder, **scenario.keys) as case:
            how = {"fail": number, "why": why}
            ended = case.run(scenario.command, "--once", disk=how, hurry=20)
            told = _failures(ended.steps)
            assert ended.code in ENDINGS, (number, told, ended.err)
            assert "Traceback" not in ended.err, (number, told, ended.err)
            _finish(case, scenario.command)
            case.judge(parked=scenario.parked)
            if not told:
                break
            failed += 1
    assert failed > 5


class _Unfinished(AssertionError):
    """Not all is done; what was done may still be right."""


@pytest.mark.timeout(3600 if LONG else 300)
@pytest.mark.parametrize("why", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("name", ["tail follows", "ship goes on"])
def test_a_daemon_goes_on_by_itself(field: Field, tmp_path: Path, name: str, why: str) -> None:
    """It lives until it is stopped, but for a file that it cannot make at its start."""
    for number in _numbers(8 * STEPS[name], 12):
        try:
            told = _daemon(field, tmp_path / f"{number}", name, number, why, stop=3.0)
        except _Unfinished:  # slow, maybe, on a busy machine: one that is stuck stays so
            told = _daemon(field, tmp_path / f"{number} again", name, number, why, stop=30.0)
        if not told:
            break


def _daemon(
    field: Field, folder: Path, name: str, number: int, why: str, stop: float
) -> Sequence[str]:
    """Stopped after so many seconds, all must be done; the failures that it met."""
    scenario = SCENARIOS[name]
    with field.case(scenario.stage, "ours", folder, **scenario.keys) as case:
        how = {"fail": number, "why": why}
        ended = case.run(scenario.command, disk=how, hurry=20, stop=stop)
        if ended.code == -signal.SIGTERM:  # it had not come so far as to listen for it
            raise _Unfinished
        told = _failures(ended.steps)
        # tail opens a destination's file only to look, and looks again later
        own = ("open of outbox.db",) if scenario.command == "tail" else ("open of",)
        opening = any(step.startswith(own) for step in told)
        assert ended.code == (7 if opening else 0), (number, told, ended.err)
        _finish(case, scenario.command, after_daemon=not opening)
        try:
            case.judge(parked=scenario.parked)
        except AssertionError as error:
            if scenario.command == "tail" or case.waiting().waiting_rows:
                raise _Unfinished from error
            raise
    return told


@pytest.mark.parametrize("name", ["tail follows", "ship goes on"])
def test_the_disk_stays_full(field: Field, tmp_path: Path, name: str) -> None:
    scenario = SCENARIOS[name]
    for number in _numbers(5 * STEPS[name], 2):
        folder = tmp_path / f"{number}"
        with field.case(scenario.stage, "ours", folder, **scenario.keys) as case:
            how = {"fail": number, "why": "ENOSPC", "stays": True}
            ended = case.run(scenario.command, "--once", disk=how, hurry=20)
            told = _failures(ended.steps)
            assert ended.code in ENDINGS, (number, told, ended.err)
            assert "Traceback" not in ended.err, (number, told, ended.err)
            _finish(case, scenario.command)
            case.judge(parked=scenario.parked)
            if not told:
                break


def _numbers(step: int, first: int) -> Iterator[int]:
    return itertools.count(first, 1 if LONG else step)


def _failures(steps: object) -> list[str]:
    assert isinstance(steps, list)
    return [step for step in steps if " fails: " in step]


def _finish(case: Case, command: str, *, after_daemon: bool = False) -> None:
    if command == "ship" and after_daemon:
        return
    commands = ["ship"] if command == "ship" or after_daemon else ["tail", "ship"]
    case.finish(*commands)
