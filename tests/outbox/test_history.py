"""The history of samples: one a minute, thinned, bounded, and in nobody's way."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from replicator.change import Change, Commit, Op, Position
from replicator.delivery import QueuedRow, Rejected
from replicator.outbox.clock import text
from replicator.outbox.deliveries import Cursor, Deliveries, ParkedRow, Settlement
from replicator.outbox.history import (
    CaptureSample,
    History,
    Sample,
    capture_sample,
    delivery_sample,
    minute_of,
    read_captures,
    read_history,
)
from replicator.outbox.reader import OutboxReader
from replicator.outbox.writer import OutboxWriter

AT = datetime(2026, 3, 1, 12, 0, 30, tzinfo=timezone.utc)
LONG_AGO = AT - timedelta(days=400)
COLUMNS = ("time", "nodeId", "type", "locationId", "value")


def sample(at: datetime, rows: int = 0) -> CaptureSample:
    return CaptureSample(minute_of(at), rows, text(at), 0.5, 7, text(at))


def keep(history: History, *moments: datetime) -> None:
    for moment in moments:
        assert history.keep(moment, lambda at=moment: sample(at)) == ""  # type: ignore[misc]  # bound above


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    writer = OutboxWriter(tmp_path, "NORMAL")
    yield History(writer.database, writer.path)
    writer.close()


def minutes(folder: Path) -> list[str]:
    return [each.minute for each in read_captures(folder, LONG_AGO)]


def test_minutes_stay_for_a_day_and_hours_for_two_months(history: History, tmp_path: Path) -> None:
    start = AT - timedelta(days=70)
    keep(history, *(start + timedelta(minutes=20 * n) for n in range(70 * 72 + 1)))
    found = minutes(tmp_path)
    day = text(AT - timedelta(hours=26))
    assert len([minute for minute in found if minute >= day]) == 26 * 3
    assert {minute[14:16] for minute in found if minute < day} == {"00"}
    assert found[0] == minute_of(AT - timedelta(days=60) + timedelta(minutes=60))
    assert len(found) == 26 * 3 + (60 * 24 - 26)


def test_a_second_sample_in_a_minute_replaces_the_first(history: History, tmp_path: Path) -> None:
    for rows in (1, 2):
        history.keep(AT, lambda rows=rows: sample(AT, rows))  # type: ignore[misc]  # bound above
    assert [each.rows_captured for each in read_captures(tmp_path, LONG_AGO)] == [2]


def test_a_clock_that_starts_in_1970_costs_nothing_of_the_history(
    history: History, tmp_path: Path
) -> None:
    keep(history, AT, datetime(1970, 1, 1, 0, 1, tzinfo=timezone.utc))
    assert minute_of(AT) in minutes(tmp_path)
    keep(history, AT + timedelta(minutes=1))
    assert minutes(tmp_path) == [minute_of(AT), minute_of(AT + timedelta(minutes=1))]


def test_it_is_due_once_a_minute(tmp_path: Path) -> None:
    seconds = iter((0.0, 0.0, 0.0, 59.0, 60.0))
    writer = OutboxWriter(tmp_path)
    history = History(writer.database, writer.path, lambda: next(seconds))
    due = [history.due]
    keep(history, AT)
    assert [*due, history.due, history.due] == [True, False, True]
    writer.close()


def test_since_leaves_out_what_was_before(history: History, tmp_path: Path) -> None:
    keep(history, AT, AT + timedelta(minutes=5))
    (found,) = read_captures(tmp_path, AT)
    assert found == sample(AT + timedelta(minutes=5))


def test_what_cannot_be_written_is_said_once(history: History, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)
    history._connection.execute("PRAGMA busy_timeout = 1")
    other.execute("BEGIN IMMEDIATE")
    said = [history.keep(AT, lambda: sample(AT)) for _ in range(3)]
    assert "locked" in said[0]
    assert said[1:] == ["", ""]
    other.execute("COMMIT")
    keep(history, AT)
    other.execute("BEGIN IMMEDIATE")
    assert "locked" in history.keep(AT, lambda: sample(AT))
    other.close()


def fill(folder: Path, rows: int) -> OutboxWriter:
    writer = OutboxWriter(folder)
    writer.begin_at(Position("s", "b.1", 4), None)
    writer.append(
        Change("Reading", Op.INSERT, COLUMNS, [(f"t{n}", 7, 1, None, 0.5) for n in range(rows)])
    )
    writer.commit(Commit(Position("s", "b.1", 9), AT - timedelta(seconds=90)))
    writer.flush()
    return writer


def row(index: int) -> QueuedRow:
    return QueuedRow(1, index, "Reading", Op.INSERT, {"time": f"t{index}"}, (index,), "node:7")


def test_samples_say_what_was_settled_and_what_waits(tmp_path: Path) -> None:
    writer = fill(tmp_path, 10)
    deliveries = Deliveries(tmp_path, "home")
    outbox = OutboxReader(tmp_path)
    parked = ParkedRow(row(3), Rejected("null-key", "no identity"), text(AT))
    for rows, reject in (([row(0), row(1), row(2)], [parked]), ([row(4)], [])):
        cursor = Cursor(0, 1, "", 4 if reject else 5)
        settlement = Settlement(cursor, rows, reject, requests=2, bytes_sent=100)
        deliveries.settle(settlement, 0.0, check_parked=False)
    history = History(deliveries.database, deliveries.path)
    history.keep(AT, lambda: delivery_sample(deliveries.database, outbox, AT))
    (found,) = read_history(tmp_path, "home", LONG_AGO)
    assert found == Sample(minute_of(AT), 5, 4, 5, 90.0, 1, 4, 200, text(AT))
    for each in (writer, deliveries, outbox):
        each.close()


@pytest.mark.parametrize(
    ("caught_up", "lag"), [(None, 90.0), (AT, 0.0), (AT - timedelta(hours=1), 90.0)]
)
def test_capture_lags_by_what_is_known_at_most(
    tmp_path: Path, caught_up: datetime | None, lag: float
) -> None:
    writer = fill(tmp_path, 3)
    found = capture_sample(writer.database, tmp_path, caught_up, AT)
    assert (found.lag_seconds, found.rows_captured) == (lag, 3)
    assert found.bytes > 0
    writer.close()


def test_of_no_file_and_of_an_older_schema_it_is_empty(tmp_path: Path) -> None:
    assert read_captures(tmp_path, LONG_AGO) == []
    fill(tmp_path, 1).close()
    Deliveries(tmp_path, "home").close()
    for name in ("outbox.db", "home.db"):
        with sqlite3.connect(tmp_path / name) as file:
            file.execute("DROP TABLE history")
        file.close()
    assert read_captures(tmp_path, LONG_AGO) == []
    assert read_history(tmp_path, "home", LONG_AGO) == []


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Also for root, whom a file's mode does not stop."""
    mounted = os.geteuid() == 0 and _mount("--bind", str(folder), str(folder))
    if not mounted:
        folder.chmod(0o500)
    try:
        assert not mounted or _mount("-o", "remount,bind,ro", str(folder))
        yield
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
        else:
            folder.chmod(0o700)


def _mount(*arguments: str) -> bool:
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True)
    return done.returncode == 0


def test_a_copy_on_a_read_only_disk_is_read(history: History, tmp_path: Path) -> None:
    keep(history, AT)
    history._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(tmp_path / "outbox.db", copy)
    with read_only(copy):
        assert minutes(copy) == [minute_of(AT)]
        assert [path.name for path in copy.iterdir()] == ["outbox.db"]
