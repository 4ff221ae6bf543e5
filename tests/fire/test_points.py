"""Dies at every step that lasts, one test a named step: before each time that it happens.

Dying after a step is dying before the next one, or ending well: so together these are all places.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.centres import Kind
from tests.fire.field import Case, Field
from tests.fire.points import CASES, POINTS, SCENARIOS, Scenario

# A step of one name is one piece of code; FIRE_LONG dies each time that it runs.
_TIMES = None if os.environ.get("FIRE_LONG") else 3


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_step_that_lasts_has_a_name(
    field: Field, tmp_path: Path, name: str, kind: Kind
) -> None:
    scenario = SCENARIOS[name]
    with field.case(scenario.stage, kind, tmp_path / "case", **scenario.keys) as case:
        ended = case.run(scenario.command, "--once", hurry=20)
        assert ended.code == 0, ended.err
        steps = Counter(step for step in ended.steps if not step.startswith("wait"))
        assert sorted(steps) == sorted(scenario.points[kind])
        _judge(case, scenario)


@pytest.mark.parametrize(("name", "kind", "point"), POINTS)
def test_dies_before(field: Field, tmp_path: Path, name: str, kind: Kind, point: str) -> None:
    scenario = SCENARIOS[name]
    for number in itertools.count(1) if _TIMES is None else range(1, _TIMES + 1):
        folder = tmp_path / f"{number}"
        with field.case(scenario.stage, kind, folder, **scenario.keys) as case:
            ended = case.run(scenario.command, "--once", die=(point, number), hurry=20)
            if not ended.killed:
                assert number > 1, "it never came to this point"
                return
            assert ended.steps[-1] == point
            _judge(case, scenario)


def _judge(case: Case, scenario: Scenario) -> None:
    if scenario.stage in ("first", "due", "blocked"):
        case.finish("ship")
    else:
        case.finish("tail", "ship")
    case.judge(parked=scenario.parked)
