"""The power goes: at every place of a recorded history, with any part of what was not synced.

Every folder that may be on the disk then is made and looked at: both files open and are whole, what
was committed is there, nothing of a transaction is there without the rest, and the cursor is not
past what is held. From some of them the commands go on, and every row arrives.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from replicator.outbox.store import OUTBOX_FILE, open_store
from tests.faults.centres import Kind
from tests.fire.disk import library
from tests.fire.field import Case, Field
from tests.fire.history import Act, cuts, read_history
from tests.fire.test_disk import LONG

pytestmark = pytest.mark.skipif(
    library() is None, reason="the sqlite3 module has SQLite inside: no VFS can be put around it"
)
_DESTINATION = "central.db"
_RANDOM = 6 if LONG else 1  # cuts by chance at each place
_RESTARTS = 400 if LONG else 7  # folders from which the commands go on
_CONTENT = {
    OUTBOX_FILE: (
        "SELECT seq, position, row_total, rows FROM entry",
        "SELECT position, row_total, snapshot FROM capture",
        "SELECT table_name, id, row, seq, deleted FROM reference",
    ),
    _DESTINATION: (
        "SELECT seq, row_index, position FROM cursor",
        "SELECT table_name, local_id, remote_id FROM mapping",
        "SELECT seq, row_index, kind FROM parked",
        "SELECT seq, row_index FROM receipt",
    ),
}
Content = Any  # of one file: the rows of its tables; None before it has any


@dataclass(frozen=True)
class Recorded:
    """``centres``: files of the centre after so many requests that changed something."""

    before: Mapping[str, bytes]
    acts: Sequence[Act]
    centres: Sequence[Path]

    def centre(self, done: int) -> Path:
        """The centre's file when so many acts were done."""
        marks = [act.name for act in self.acts[:done] if act.op == "mark"]
        return self.centres[sum(name.startswith(("POST", "PUT")) for name in marks)]


def record(case: Case, kind: Kind, *, dies: bool) -> Recorded:
    """Tail and ship once, under a recorder. ``dies``: tail does, and leaves its WAL."""
    before = {file.name: file.read_bytes() for file in case.outbox.glob("*.db*")}
    database = case.folder / ("original.db" if kind == "original" else "central.db")
    centres = [_copied(database, case.folder / "centre-0")]

    def keep(request: Any) -> None:
        if request.method in ("POST", "PUT"):
            centres.append(_copied(database, case.folder / f"centre-{len(centres)}"))

    case.proxy.after_each = keep
    history = case.folder / "history"
    how = {"disk": {"record": str(history)}, "hurry": 20, "checkpoint": 12}
    last = ("outbox.db status", 1) if dies else None
    ended = case.run("tail", "--once", die=last, **how)
    assert ended.killed if dies else ended.code == 0, ended.err
    ended = case.run("ship", "--once", **how)
    assert ended.code == 0, ended.err
    return Recorded(before, read_history(history), centres)


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL"])
@pytest.mark.parametrize(
    ("stage", "kind"), [("empty", "ours"), ("base", "ours"), ("base", "original")]
)
def test_the_power_goes(
    field: Field, tmp_path: Path, stage: str, kind: Kind, synchronous: str
) -> None:
    if stage == "empty" and synchronous == "NORMAL" and not LONG:
        pytest.skip("FIRE_LONG=1 also cuts the power on a first start at NORMAL")
    keys: dict[str, Any] = {"batch_rows": 20, "synchronous": synchronous}
    with field.case(stage, kind, tmp_path / "whole", **keys) as case:
        recorded = record(case, kind, dies=stage == "base")
    line = _Line(full=synchronous == "FULL")
    states = list(cuts(recorded.before, recorded.acts, _RANDOM))
    assert len(states) > len(recorded.acts) > 100
    step = max(1, len(states) // _RESTARTS)
    for number, (done, survival, files) in enumerate(states):
        folder = tmp_path / "cut"
        _put(folder / "outbox", files)
        act = recorded.acts[done - 1] if done else None
        line.look(folder / "outbox", act, survival)
        if number % step == step - 1:
            _goes_on(field, recorded.centre(done), stage, kind, folder)
        shutil.rmtree(folder)


class _Line:
    """What the files held in turn, had the power not gone. ``full``: what was committed stays."""

    def __init__(self, *, full: bool) -> None:
        self._full = full
        self._held: dict[str, list[Content]] = {name: [None] for name in _CONTENT}
        self._least = dict.fromkeys(_CONTENT, 0)

    def look(self, folder: Path, act: Act | None, survival: str) -> None:
        """Judge a folder. Where all has survived, it also tells what the files hold by now."""
        found = {name: _content(folder / name) for name in _CONTENT}
        for name, content in found.items():
            held = self._held[name]
            if survival == "all":
                if content != held[-1]:
                    held.append(content)
                if act is None or act.op == "mark":  # the program has gone on: it counts on it
                    self._least[name] = len(held) - 1
            assert content in held, f"{name}: a part of a transaction"
            if self._full:
                at = len(held) - held[::-1].index(content) - 1
                wanted = held[at + 1 : self._least[name] + 1]
                lost = [each for each in wanted if _waited(name, each) != _waited(name, content)]
                assert not lost, f"{name}: what was committed is gone"
        if self._full and found[_DESTINATION] and found[OUTBOX_FILE]:
            _cursor_is_held(found[OUTBOX_FILE], found[_DESTINATION])
        for name, kind in ((OUTBOX_FILE, "outbox"), (_DESTINATION, "destination")):
            if found[name]:
                open_store(folder / name, kind).close()  # type: ignore[arg-type]  # both are kinds


def _cursor_is_held(outbox: Content, destination: Content) -> None:
    ((seq, _, position),) = destination[0]
    held = {entry[0]: entry[1] for entry in outbox[0]}
    assert seq == 0 or held[seq] == position


def _waited(name: str, content: Content) -> Content:
    """What a commit waits for the disk with: all, but that rows were delivered (decision 30)."""
    if name == OUTBOX_FILE or content is None:
        return content
    _cursor, mappings, parked, _receipts = content
    return mappings, parked


def _content(file: Path) -> Content:
    """What a copy of a file holds (a look at it would change it)."""
    if not file.exists():
        return None
    copy = file.parent / "look"
    copy.mkdir(exist_ok=True)
    for part in file.parent.glob(f"{file.name}*"):
        shutil.copy(part, copy / part.name)
    try:
        with closing(sqlite3.connect(copy / file.name)) as database:
            database.execute("PRAGMA synchronous = OFF")
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
                return None
            return [database.execute(sql).fetchall() for sql in _CONTENT[file.name]]
    finally:
        shutil.rmtree(copy)


def _goes_on(field: Field, centre: Path, stage: str, kind: Kind, folder: Path) -> None:
    """After the cut the commands start on what is there; the centre had no power cut."""
    going = folder / "going"
    shutil.copytree(folder / "outbox", going / "outbox")
    with field.case(stage, kind, going, centre=centre) as case:
        case.finish()
        case.judge()


def _put(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _copied(database: Path, target: Path) -> Path:
    """A copy of the centre's file while it runs."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    return target
