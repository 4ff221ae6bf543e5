"""What a command that refuses must say: what happened, to what, what to do; never a traceback."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.faults.compare import Difference
from tests.faults.world import Run, World

RIGHT = Difference()


def reading(second: int, value: float = 18.5, node: int = 69) -> Mapping[str, Any]:
    """A reading of a furnished station, in its node's own room."""
    time = f"2015-03-01T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    place = {69: 1, 70: 2, 71: 3}[node]
    return {"time": time, "nodeId": node, "type": 0, "locationId": place, "value": value}


def readings(seconds: Iterable[int]) -> list[Mapping[str, Any]]:
    return [reading(second, second % 40 + 0.5) for second in seconds]


def refused(run: Run, code: int, *words: str) -> None:
    """The command ended with this code and these words, in a message, a detail and a hint."""
    assert run.code == code, run.err
    assert "Traceback" not in run.err
    told = run.err[run.err.index("replicator: ") :].splitlines()
    assert any(line.startswith("  → ") for line in told), "no hint"
    assert len([line for line in told if line.startswith("  ")]) > 1, "no detail"
    for word in words:
        assert word in "\n".join(told)


def failed_checks(world: World, code: int) -> dict[str, dict[str, str]]:
    """The failures that `replicator check` tells, by name; each has a hint."""
    run = world.run("check", "--json")
    assert run.code == code, run.out + run.err
    assert "Traceback" not in run.err
    found = {f["name"]: f for f in json.loads(run.out)["findings"] if not f["ok"]}
    assert all(finding["message"] for finding in found.values())
    return found
