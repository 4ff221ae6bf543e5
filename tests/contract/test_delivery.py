"""What every ledger promises delivery: what a step changed is one commit, in order, and kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from replicator.change import Op
from replicator.contract import Ledger, Log
from replicator.delivery import Blocked, QueuedRow, Rejected
from replicator.errors import OutboxBusy
from replicator.outbox.deliveries import Cursor, Deliveries, ParkedRow, Settlement, Standing
from replicator.outbox.lock import RoleLock
from replicator.outbox.reader import OutboxReader
from replicator.outbox.retention import expire
from replicator.outbox.store import immediate
from replicator.outbox.writer import OutboxWriter
from tests.contract.backends import place, readings, write


def row(seq: int, index: int = 0, node: int = 1, lane: str = "house:1") -> QueuedRow:
    key = (f"2026-03-01T00:00:{node:02d}", node)
    return QueuedRow(seq, index, "Reading", Op.INSERT, {"value": seq}, key, lane)


def blocked(queued: QueuedRow) -> ParkedRow:
    return ParkedRow(queued, Blocked("House:1", "not there"), "2026-03-01T00:00:00Z")


def rejected(queued: QueuedRow) -> ParkedRow:
    return ParkedRow(queued, Rejected("refused", "bad"), "2026-03-01T00:00:00Z")


def settle(ledger: Ledger, seq: int, delivered: list[QueuedRow], *parked: ParkedRow) -> None:
    cursor = Cursor(seq, 0, str(place(seq)), seq)
    ledger.settle(Settlement(cursor, delivered, parked), 1000.0, check_parked=True)


def test_the_cursor_its_parked_rows_and_receipt_are_one_commit(
    ledger: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(ledger, 1, [row(1)])

    def dies(_outcome: Settlement) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "_keep_receipt", dies)
        with pytest.raises(KeyboardInterrupt):
            settle(ledger, 2, [], blocked(row(2)))
    assert ledger.cursor().seq == 1
    assert not ledger.has_parked()
    assert ledger.blocked_lanes() == {}
    assert list(ledger.receipts()) == [(1, str(place(1)))]
    settle(ledger, 2, [], blocked(row(2)))
    assert (ledger.cursor().seq, ledger.has_parked()) == (2, True)
    assert ledger.blocked_lanes() == {"house:1": 1000.0}


def test_a_restart_finds_everything(ledger: Deliveries, tmp_path: Path) -> None:
    settle(ledger, 3, [row(1)], blocked(row(2)), rejected(row(3, node=3)))
    other = Deliveries(tmp_path, "centre")
    assert other.cursor() == Cursor(3, 0, str(place(3)), 3)
    assert [held for held, _ in other.lane_rows("house:1", 10)] == [row(2)]
    assert other.has_rejected({"Reading": {row(3, node=3).key}})
    other.close()


def test_an_older_parked_version_is_superseded(ledger: Ledger) -> None:
    settle(ledger, 2, [], rejected(row(2)))
    settle(ledger, 3, [row(3)])
    assert not ledger.has_parked()
    settle(ledger, 4, [], rejected(row(4)))
    settle(ledger, 5, [row(3)])  # sent again: older than what is parked
    assert ledger.has_parked()


def test_a_lane_drains_in_order_and_opens(ledger: Ledger) -> None:
    settle(ledger, 3, [], *(blocked(row(seq, node=seq)) for seq in (3, 1, 2)))
    held = [queued for queued, _ in ledger.lane_rows("house:1", 2)]
    assert [queued.seq for queued in held] == [1, 2]
    assert ledger.blocked_by_key("Reading", row(3, node=3).key) == "house:1"
    drained = Settlement(None, held, [], drained=True)
    ledger.settle(drained, 1000.0, check_parked=False)
    assert ledger.cursor().seq == 3
    assert [queued.seq for queued, _ in ledger.lane_rows("house:1", 9)] == [3]
    ledger.hold_lane("house:1", Blocked("House:1", "still"), 2000.0)
    assert ledger.blocked_lanes() == {"house:1": 2000.0}
    last = [queued for queued, _ in ledger.lane_rows("house:1", 9)]
    ledger.settle(Settlement(None, last, [], drained=True), 1000.0, check_parked=False)
    assert ledger.blocked_lanes() == {}


def test_one_look_says_what_goes_before_the_flow(ledger: Deliveries) -> None:
    wanted: Ledger = ledger
    start = ledger.cursor()
    assert wanted.standing() == Standing(start, lanes=False, resends=False, undeleted=False)
    settle(ledger, 2, [], blocked(row(2)))
    cursor = ledger.cursor()
    assert wanted.standing() == Standing(cursor, lanes=True, resends=False, undeleted=False)
    with immediate(ledger.database.conn):
        ledger.resends.add({1: [0]})
    assert wanted.standing() == Standing(cursor, lanes=True, resends=True, undeleted=False)
    gone = ParkedRow(row(3), Rejected("cannot-delete", "405"), "2026-03-01T00:00:00Z")
    settle(ledger, 3, [], gone)
    cursor = ledger.cursor()
    assert wanted.standing() == Standing(cursor, lanes=True, resends=True, undeleted=True)


def test_what_is_sent_again_is_taken_off_row_by_row(ledger: Deliveries) -> None:
    settle(ledger, 9, [row(9)])
    with immediate(ledger.database.conn):
        ledger.resends.add({4: [0, 2], 7: [1]})
    wanted: Ledger = ledger
    assert wanted.resends.first(2) == [(4, [0, 2])]
    wanted.resends.take_off([(4, 0)])
    assert wanted.resends.first(9) == [(4, [2]), (7, [1])]
    wanted.rewind(Cursor(5, 0, str(place(5)), 5))  # the flow brings what lies behind
    assert wanted.resends.first(9) == [(4, [2])]
    wanted.resends.take_off([(4, 2)])
    assert not wanted.resends.pending()


def test_a_second_shipper_is_refused(ledger: Deliveries) -> None:
    role = RoleLock(ledger.path.parent, "ship-centre")
    with pytest.raises(OutboxBusy):
        RoleLock(ledger.path.parent, "ship-centre")
    role.release()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[OutboxWriter, Log]]:
    writer = OutboxWriter(tmp_path)
    writer.begin_at(place(4), None)
    for number in range(10, 15):
        write(writer, number, readings(2, number))
        writer.flush()
    reader = OutboxReader(tmp_path)
    yield writer, reader
    reader.close()
    writer.close()


def test_the_log_from_a_cursor_on(log: tuple[OutboxWriter, Log]) -> None:
    _, reader = log
    assert reader.bounds() == (1, 5)
    assert [entry.seq for entry in reader.entries(2)] == [3, 4, 5]
    assert reader.position_of(3) == str(place(12))
    assert (reader.position_of(6), reader.entry(6)) == (None, None)
    assert [reader.row_total_at(seq) for seq in (0, 1, 5, 9)] == [0, 2, 10, 10]


def test_bounds_and_totals_after_pruning(log: tuple[OutboxWriter, Log]) -> None:
    writer, reader = log
    later = datetime(2100, 1, 1, tzinfo=timezone.utc)
    assert expire(writer.database, 3, later) == 3
    assert reader.bounds() == (4, 5)
    assert (reader.position_of(3), reader.entry(3)) == (None, None)
    assert [entry.seq for entry in reader.entries(0)] == [4, 5]
    assert [reader.row_total_at(seq) for seq in (3, 4, 5)] == [6, 8, 10]
    assert expire(writer.database, 9, later) == 1  # the last entry stays: cursors are told by it
    assert reader.bounds() == (5, 5)
    write(writer, 20, readings(1))
    writer.flush()
    assert reader.bounds() == (5, 6)
