"""`make demo` in small: real processes, real kills, and the independent check at the end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=280,
    )


def test_the_main_job_ends_in_the_proof() -> None:
    done = demo("--packets", "200", "--rate", "40", "--kills", "4", "--seed", "3", ROWS="5000")
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    found = re.fullmatch(
        r"PROOF source=(\d+) central=\1 missing=0 doubled=0 misplaced=0 different=0"
        r" kills=4 seconds=[\d.]+",
        last,
    )
    assert found, last
    assert int(found[1]) > 5000 + 5000 // 6 + 200 * 6


@pytest.mark.parametrize(
    ("arguments", "rows"), [(("--rows", "many"), ""), ((), "many"), (("--kills", "-1"), "")]
)
def test_a_wrong_number_is_refused(arguments: tuple[str, ...], rows: str) -> None:
    done = demo(*arguments, ROWS=rows)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
