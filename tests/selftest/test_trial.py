"""The self-test: it passes here, and finds each fault that is planted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """A process of its own: it forks."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
        env={k: v for k, v in os.environ.items() if not k.startswith("REPLICATOR_")},
    )


def test_the_command_finds_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "replicator.ini"
    path.write_text(f"[outbox]\npath = {tmp_path}/outbox\n")
    done = run("replicator", "selftest", "--kills", "6", "--json", "--config", path)
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert (said["kills"], said["findings"]) == (6, [])
    assert said["rows_captured"] >= 6 * said["transactions"] > 0
    assert 0 < said["fsync"]["p50_ms"] <= said["fsync"]["p99_ms"]
    assert list((tmp_path / "outbox").iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("apart", "captured twice"),
        ("lies", "or lost"),
        ("shuffles", "out of order"),
    ],
)
def test_it_finds_a_planted_fault(tmp_path: Path, fault: str, words: str) -> None:
    done = run("tests.selftest.faulty", fault, tmp_path)
    assert done.returncode == 0, done.stderr
    findings = json.loads(done.stdout)
    assert any(words in finding for finding in findings), findings


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "replicator.ini"
    (tmp_path / "file").touch()
    path.write_text(f"[outbox]\npath = {tmp_path}/file/outbox\n")
    done = run("replicator", "selftest", "--kills", "1", "--config", path)
    assert done.returncode == 7
    assert "Traceback" not in done.stderr
