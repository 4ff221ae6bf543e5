"""Killed while a group is committed beside the next one: rows and position still agree."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from demo.mariadbd import die_with_parent
from replicator.outbox.reader import OutboxReader
from replicator.outbox.store import OUTBOX_FILE
from tests.crash.committing import readings

_DEATHS = 12


def test_rows_and_position_agree_whenever_it_dies(tmp_path: Path) -> None:
    chance = random.Random(7)
    last = -1
    for _ in range(_DEATHS):
        _run_until_more_than(tmp_path, last, chance.uniform(0.0, 0.05))
        with closing(OutboxReader(tmp_path)) as outbox:
            place = outbox.captured_to()
            rows = [tuple(row) for entry in outbox.entries(0) for row in entry.rows]
        assert place is not None
        last = place.offset
        assert rows == [row for number in range(1, last + 1) for row in readings(number)]
    assert last > _DEATHS


def _run_until_more_than(folder: Path, last: int, more: float) -> None:
    """SIGKILL some moment after another group has become durable."""
    command = [sys.executable, "-m", "tests.crash.committing", str(folder)]
    process = subprocess.Popen(command, preexec_fn=die_with_parent)  # noqa: PLW1509  # as in demo.mariadbd
    try:
        while _captured_to(folder) <= max(last, 0):
            assert process.poll() is None, "it ended by itself"
            time.sleep(0.005)
        time.sleep(more)
    finally:
        process.kill()
        process.wait()


def _captured_to(folder: Path) -> int:
    if not (folder / OUTBOX_FILE).exists():
        return -1
    with closing(OutboxReader(folder)) as outbox:
        place = outbox.captured_to()
    return -1 if place is None else place.offset
