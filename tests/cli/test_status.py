"""`replicator status`: a line to read out, a few lines, JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from replicator.outbox.status import Status, StatusBoard
from tests.cli.scene import Scene, until
from tests.faults.proxy import FaultProxy, say
from tests.test_backlog import DOCS, names


@pytest.fixture
def lonely(tmp_path: Path) -> Iterator[Scene]:
    """Nothing listens at the centre."""
    made = Scene(tmp_path, {"centre": "http://127.0.0.1:9"})
    yield made
    made.close()


def test_one_line_says_all(lonely: Scene) -> None:
    line = lonely.said("status", "--line")
    assert line.count("\n") == 1
    assert re.search(r": CRITICAL \(tail stopped and 1 more\); tail never started", line)
    assert "centre never started: nothing waits" in line
    lonely.furnish()
    assert "centre never started: 12 rows wait, oldest" in lonely.said("status", "--line")


def test_all_is_well(lonely: Scene) -> None:
    lonely.configure({"centre": "http://127.0.0.1:9"}, enabled="no")
    StatusBoard(lonely.writer.database).show(Status("running"))
    assert ": all well; tail running" in lonely.said("status", "--line")
    assert "centre never started: nothing waits (off)" in lonely.said("status")
    assert lonely.run("status", "--check").exit_code == 0


def test_a_few_lines_say_what_helps(lonely: Scene) -> None:
    lonely.furnish()
    StatusBoard(lonely.writer.database).show(Status("stopped", "the log is lost"))
    said = lonely.said("status")
    assert "CRITICAL tail: tail: stopped" in said
    assert "the log is lost" in said
    assert "→ do what it says, then start it: `replicator tail`" in said
    assert lonely.run("status", "--check").exit_code == 2


def test_its_json_has_the_line_and_documented_fields(lonely: Scene) -> None:
    said = lonely.json("status")
    assert said["line"] == lonely.said("status", "--line").strip()
    assert said["level"] == "critical"
    assert names(said) - set(re.findall(r"\w+", DOCS.read_text())) == set()


def test_a_link_that_is_waited_for(scene: Scene, proxy: FaultProxy) -> None:
    proxy.plan(say(503, retry_after=3600), times=None)
    scene.start("ship")
    waiting = re.compile(r"centre waiting until \d\d:\d\d:\d\d UTC: 12 rows wait")
    until(lambda: waiting.search(scene.said("status", "--line")), "the link")
