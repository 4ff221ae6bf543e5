"""The backlog: what it says of folders made by hand, whoever runs or not."""

from __future__ import annotations

import re
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from replicator.backlog import Backlog, Thresholds, alarms_of, read_backlog
from replicator.backlog.standing import PARKED
from replicator.change import Change, Commit, Op, Position
from replicator.cli.backlog import as_dict
from replicator.delivery import Blocked, QueuedRow, Rejected
from replicator.errors import OutboxError
from replicator.outbox.clock import text
from replicator.outbox.deliveries import Cursor, Deliveries, ParkedRow, Settlement
from replicator.outbox.forecast import save_forecast
from replicator.outbox.gaps import record_gap
from replicator.outbox.status import Status, StatusBoard
from replicator.outbox.writer import OutboxWriter, SnapshotPlace

AT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
COLUMNS = ("time", "nodeId", "type", "locationId", "value")
DOCS = Path(__file__).parent.parent / "docs" / "backlog.md"


def fill(folder: Path, rows: int, snapshot: SnapshotPlace | None = None) -> OutboxWriter:
    """One reading a second, each in a transaction of its own."""
    writer = OutboxWriter(folder, clock=lambda: AT)
    writer.begin_at(Position("mariadb-1", "b.1", 4), snapshot)
    for n in range(rows):
        writer.append(Change("Reading", Op.INSERT, COLUMNS, [(f"t{n}", 7, 1, None, 0.5)]))
        at = AT - timedelta(seconds=rows - n)
        writer.commit(Commit(Position("mariadb-1", "b.1", 5 + n), at))
    writer.flush()
    return writer


def look(folder: Path, *names: str, at: datetime = AT) -> Backlog:
    return read_backlog(folder, [(name, True) for name in names], at, text(at))


def row(seq: int) -> QueuedRow:
    return QueuedRow(seq, 0, "Reading", Op.INSERT, {"time": f"t{seq}"}, (f"t{seq}", 7, 1), "node:7")


def settle(folder: Path, cursor: Cursor, delivered: int, *parked: ParkedRow) -> None:
    deliveries = Deliveries(folder, "home", clock=lambda: AT)
    rows = [row(seq) for seq in range(1, delivered + 1)]
    deliveries.settle(Settlement(cursor, rows, parked), 0.0, check_parked=True)
    StatusBoard(deliveries.database, lambda: AT).show(Status("waiting", "no link", AT))
    deliveries.close()


def test_without_an_outbox_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="no such outbox"):
        look(tmp_path, "home")


def test_a_destination_that_never_started_waits_for_everything(tmp_path: Path) -> None:
    fill(tmp_path, 60).close()
    (home,) = look(tmp_path, "home").destinations
    assert (home.waiting_rows, home.waiting_entries, home.lag_seconds) == (60, 60, 60.0)
    assert home.daemon.state == "never started"
    assert home.last_acknowledged_at is None


def test_rows_behind_the_cursor_wait_and_parked_ones_do_not(tmp_path: Path) -> None:
    fill(tmp_path, 60).close()
    blocked = ParkedRow(row(41), Blocked("House:3", "the server answers 500"), text(AT))
    rejected = ParkedRow(row(42), Rejected("null-key", "no identity"), text(AT))
    settle(tmp_path, Cursor(42, 0, "mariadb-1/b.1:46/", 42), 40, blocked, rejected)
    (home,) = look(tmp_path, "home").destinations
    assert (home.cursor, home.waiting_rows, home.lag_seconds) == (42, 18, 18.0)
    assert home.parked_rows == 2
    assert {(p.kind, p.reason) for p in home.parked} == {
        ("blocked", "waits for House:3"),
        ("rejected", "null-key"),
    }
    assert home.daemon.state == "waiting"
    assert home.daemon.detail == "no link"
    assert home.last_acknowledged_at == text(AT)


def test_parked_rows_are_counted_by_an_index_alone(tmp_path: Path) -> None:
    """However many there are, and however large."""
    deliveries = Deliveries(tmp_path, "home")
    plan = deliveries.database.conn.execute(f"EXPLAIN QUERY PLAN {PARKED}").fetchall()
    assert any("USING COVERING INDEX parked_kind" in row[3] for row in plan)
    assert not any("SCAN" in row[3] for row in plan)
    deliveries.close()


def test_what_is_delivered_does_not_wait_though_it_has_expired(tmp_path: Path) -> None:
    writer = fill(tmp_path, 60)
    settle(tmp_path, Cursor(50, 0, "mariadb-1/b.1:54/", 50), 50)
    writer.database.conn.execute("DELETE FROM entry WHERE seq <= 50")
    writer.close()
    backlog = look(tmp_path, "home")
    assert backlog.destinations[0].waiting_rows == 10
    assert backlog.tail.entries == 10
    assert backlog.tail.rows_captured == 60


def test_snapshot_and_gaps_are_shown(tmp_path: Path) -> None:
    writer = fill(tmp_path, 1, SnapshotPlace("House"))
    assert writer.position is not None
    record_gap(writer.database, writer.position, "purged", lambda: AT)
    writer.close()
    backlog = look(tmp_path)
    assert backlog.tail.snapshot == "House"
    (gap,) = backlog.gaps
    assert (gap.reason, gap.healed_at) == ("purged", None)


def test_it_reads_a_copy_and_changes_nothing(tmp_path: Path) -> None:
    writer = fill(tmp_path / "outbox", 5)
    shutil.copytree(tmp_path / "outbox", tmp_path / "copy")
    before = {path.name: path.read_bytes() for path in (tmp_path / "copy").glob("*.db")}
    assert look(tmp_path / "copy", "home") == look(tmp_path / "outbox", "home")
    assert {path.name: path.read_bytes() for path in (tmp_path / "copy").glob("*.db")} == before
    writer.close()


def test_a_clock_that_runs_behind_shows_no_negative_age(tmp_path: Path) -> None:
    fill(tmp_path, 1).close()
    assert look(tmp_path, "home", at=AT - timedelta(days=1)).destinations[0].lag_seconds == 0.0


def test_every_field_of_the_json_is_documented(tmp_path: Path) -> None:
    writer = fill(tmp_path, 3)
    assert writer.position is not None
    record_gap(writer.database, writer.position, "purged", lambda: AT)
    save_forecast(writer.database, AT, 9, AT + timedelta(hours=76), "age")
    writer.close()
    rejected = ParkedRow(row(2), Rejected("null-key", "no identity"), text(AT))
    settle(tmp_path, Cursor(2, 0, "mariadb-1/b.1:6/", 2), 1, rejected)
    words = set(re.findall(r"\w+", DOCS.read_text()))
    found = read_backlog(tmp_path, [("home", True)], AT, text(AT), shares="exact")
    said = as_dict(found, alarms_of(found, Thresholds()))
    assert said["alarms"]
    assert names(said) - words == set()


def names(said: Any) -> set[str]:
    """All keys of nested JSON."""
    if isinstance(said, dict):
        return set(said).union(*(names(value) for value in said.values()))
    if isinstance(said, list | tuple):
        return set().union(*(names(value) for value in said))
    return set()
