"""Every benchmark runs, at a tiny size, and gives the figures that docs/performance.md tells of."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.figures import Figures
from benchmarks.sizes import TINY
from benchmarks.suite import BENCHMARKS
from benchmarks.tailing import CLIENT
from demo.mariadbd import PrivateMariaDB

_ROOT = Path(__file__).parent.parent
_DOCUMENTED = re.compile(r"^\| `(\w+)\.(\w+)` \|", re.MULTILINE)
_OPTIONAL = {"mariadb_binlog_rows_per_s", "vs_mariadb_binlog"}
_FIGURES = {
    "capture": {"capture_bulk", "capture_packets"},
    "outbox": {"outbox_append", "outbox_read", "outbox_size", "json_encode"},
    "tail": {"outbox_bulk"},
    "ship": {"ship_null"},
    "wire": {"wire", "wire_original", "wire_central"},
    "end-to-end": {"end_to_end"},
    "verify": {"verify"},
    "backfill": {"backfill_mariadb", "backfill_sqlite"},
    "memory": {"memory", "capture_memory"},
    "growth": {"growth", "backlog_cli", "backlog_memory"},
    "idle": {"idle"},
    "latency": {"latency"},
    "publish": {"jetstream_publish"},
    "fleet": {"shared_backfill"},
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, for the temporary folders of the processes."""
    made = Path(tempfile.mkdtemp(prefix="bench-"))
    yield made
    shutil.rmtree(made)


def documented() -> dict[str, set[str]]:
    """figure → keys, from the table in the documentation."""
    found: dict[str, set[str]] = {}
    for figure, key in _DOCUMENTED.findall((_ROOT / "docs" / "performance.md").read_text()):
        if key not in _OPTIONAL or shutil.which(CLIENT):
            found.setdefault(figure, set()).add(key)
    return found


def test_every_figure_is_documented() -> None:
    assert set(_FIGURES) == set(BENCHMARKS)
    assert set(documented()) == set().union(*_FIGURES.values())


@pytest.mark.filterwarnings("ignore:'db' is deprecated:DeprecationWarning")  # mysql-replication
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_gives_the_documented_figures(
    name: str, mariadb: PrivateMariaDB, folder: Path
) -> None:
    figures = Figures()
    BENCHMARKS[name](figures, TINY, mariadb, folder / "run")
    found = {figure: set(numbers) for figure, numbers in figures.values.items()}
    assert found == {figure: documented()[figure] for figure in _FIGURES[name]}
    for figure, numbers in figures.values.items():
        for key, number in numbers.items():
            assert number >= 0 if figure == "idle" else number > 0, (figure, key)


def test_ctrl_c_leaves_nothing(folder: Path) -> None:
    bench = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "--tiny"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
        cwd=_ROOT,
        start_new_session=True,
    )
    try:
        assert bench.stderr is not None
        assert any(line.startswith("capture:") for line in bench.stderr)
        os.killpg(bench.pid, signal.SIGINT)
        assert bench.wait(60) == 130
    finally:
        bench.kill()
        bench.communicate()
    deadline = time.monotonic() + 60
    while list(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list(folder.iterdir())
