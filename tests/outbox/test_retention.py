"""What every destination has settled goes, and its room is given back; nothing else goes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Change, Commit, Op, Position
from replicator.errors import OutboxFull
from replicator.outbox.deliveries import Cursor, Deliveries
from replicator.outbox.resends import Resends
from replicator.outbox.retention import acknowledged_by_all, expirable, expire, give_back
from replicator.outbox.store import immediate
from replicator.outbox.writer import OutboxWriter
from replicator.tail import Tail
from tests.test_tail import Memory, applied, entries, make, settle

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
COLUMNS = ("time", "nodeId", "type", "locationId", "value")


def filled(folder: Path, count: int, rows: int = 1) -> OutboxWriter:
    """Entries a minute apart."""
    moments = iter(AT + timedelta(minutes=n) for n in range(10 * count + 10))
    writer = OutboxWriter(folder, clock=lambda: next(moments))
    writer.begin_at(Position("s", "b", 4), None)
    for n in range(count):
        cells = [(f"2026-03-01T00:00:{place:05d}", n, 1, None, 0.5) for place in range(rows)]
        writer.append(Change("Reading", Op.INSERT, COLUMNS, cells))
        writer.commit(Commit(Position("s", "b", 10 + n), AT))
        writer.flush()
    return writer


def test_a_destination_whose_file_is_just_being_made_has_settled_nothing(tmp_path: Path) -> None:
    ready = Deliveries(tmp_path, "ready")
    ready.rewind(Cursor(5, 0, "", 0))
    ready.close()
    assert acknowledged_by_all(tmp_path, ["ready"]) == 5
    (tmp_path / "made.db").touch()  # as SQLite leaves it until the first commit
    assert acknowledged_by_all(tmp_path, ["ready", "made"]) == 0


def test_room_is_given_back_to_the_disk(tmp_path: Path) -> None:
    writer = filled(tmp_path, 40, 1_000)
    path = tmp_path / "outbox.db"
    writer.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    full = path.stat().st_size
    assert full > 1_500_000
    assert expire(writer.database, 36, AT + timedelta(days=1)) == 36
    while give_back(writer.database, 100):
        pass
    writer.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert path.stat().st_size < full / 5
    assert give_back(writer.database) == 0
    writer.close()


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=3),
    st.integers(0, 40),
    st.one_of(st.none(), st.integers(1, 12)),
)
def test_only_what_all_have_settled_and_is_old_enough_goes(
    tmp_path_factory: pytest.TempPathFactory, cursors: list[int], minutes: int, again: int | None
) -> None:
    folder = tmp_path_factory.mktemp("outbox")
    writer = filled(folder, 12)
    before = AT + timedelta(minutes=minutes)
    captured = dict(writer.database.execute("SELECT seq, captured_at FROM entry").fetchall())
    for n, cursor in enumerate(cursors):
        deliveries = Deliveries(folder, f"d{n}")
        deliveries.rewind(Cursor(cursor, 0, "", 0))
        if again is not None and n == 0 and again <= cursor:
            with immediate(deliveries.database.conn):
                Resends(deliveries.database, deliveries.path).add({again: [0]})
        deliveries.close()
    settled = acknowledged_by_all(folder, [f"d{n}" for n in range(len(cursors))])
    could = expirable(writer.database, settled, before)
    gone = expire(writer.database, settled, before)
    left = {seq for (seq,) in writer.database.execute("SELECT seq FROM entry").fetchall()}
    assert could.entries == gone == 12 - len(left)
    needed = min([*cursors, *([again - 1] if again and again <= cursors[0] else [])])
    limit = before.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    for seq, at in captured.items():
        assert (seq in left) is (seq > needed or at >= limit or seq == 12)
    writer.close()


def test_at_its_budget_capture_pauses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """Nothing unsettled goes; what is settled goes before its time."""
    source = Memory()
    near, far = Deliveries(tmp_path, "near"), Deliveries(tmp_path, "far")
    options = {"destinations": ("near", "far"), "keep_seconds": 1e9, "max_bytes": 600_000}
    tail = make(tmp_path, source, housekeeping_seconds=0.0, group_rows=10, **options)
    tail._writer.database.execute("PRAGMA wal_autocheckpoint = 20")
    tail._writer.database.execute("PRAGMA journal_size_limit = 65536")
    settle(tail)
    for number in range(800):  # a few rows, changed again and again
        source.write(number % 5, f"{number}" + "x" * 1_500)
    assert paused(tail), "more than fits"
    last = entries(tmp_path)[-1]
    assert applied(tmp_path) != source.rows
    near.rewind(Cursor(last, 0, "", 0))
    assert paused(tail)
    assert entries(tmp_path) == list(range(1, last + 1)), "far has settled nothing"
    while applied(tmp_path) != source.rows:
        last = entries(tmp_path)[-1]
        for each in (near, far):
            each.rewind(Cursor(last, 0, "", 0))
        paused(tail)
        assert entries(tmp_path)[-1] > last, "it goes on by itself"
    assert entries(tmp_path)[0] > 1
    for each in (near, far):
        each.close()


def paused(tail: Tail) -> bool:
    """Capture until there is no room, or nothing more to read."""
    try:
        settle(tail)
    except OutboxFull:
        tail.fall_back()
        return True
    return False
