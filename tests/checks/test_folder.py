"""An outbox in memory, without room, on a disk that is too fast to be true."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from replicator.checks.folder import budget, filesystem, fsync, outbox, wal
from replicator.outbox.writer import OutboxWriter
from tests.checks.conftest import Find


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder that a power cut empties, and whose disk is none."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("this machine has no /dev/shm")
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder)


def test_memory_is_no_disk(find: Find, memory: Path) -> None:
    found = find(outbox, f"[outbox]\npath = {memory}\n")
    assert (found["filesystem"].status, found["fsync"].status) == ("warning", "warning")
    assert "tmpfs" in found["filesystem"].message
    assert list(memory.iterdir()) == []


def test_nearly_full(find: Find, tmp_path: Path) -> None:
    OutboxWriter(tmp_path / "box").close()
    ini = f"[outbox]\npath = {tmp_path / 'box'}\nmax_size = 64 KiB\n"
    assert find(outbox, ini)["budget"].status == "warning"
    assert budget(79, 100).status == "ok"


def test_no_room(find: Find, tmp_path: Path) -> None:
    ini = f"[outbox]\npath = {tmp_path}\nmax_size = 1000 TiB\n"
    assert find(outbox, ini)["disk"].exit_code == 7


def test_where_sqlite_cannot_lock() -> None:
    assert filesystem(Path("/x"), "nfs4").status == "failure"
    assert filesystem(Path("/x"), "ext4").status == "ok"
    assert wal("delete").status == "failure"


def test_a_disk_by_the_time_it_takes() -> None:
    assert "power cut" in fsync([1e-6] * 3).message
    assert "slow" in fsync([0.3, 0.2, 0.4]).message
    assert fsync([0.002, 0.001, 0.5]).status == "ok"


def test_a_damaged_file(find: Find, tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"not SQLite at all" * 100)
    found = find(outbox, f"[outbox]\npath = {tmp_path}\n")["outbox.db"]
    assert (found.check, found.exit_code) == ("schema", 7)
