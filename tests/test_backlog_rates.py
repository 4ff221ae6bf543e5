"""Rates, shares of houses, daemons that are gone: what the backlog works out, and says it knows."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.backlog import Backlog, Rates, Shares, read_backlog
from replicator.backlog.daemons import is_held
from replicator.backlog.rates import Counted, rate, rates
from replicator.backlog.read import Detail
from replicator.backlog.shares import EXACT_ROWS
from replicator.change import Change, Commit, Op, Position, Row
from replicator.outbox.clock import text
from replicator.outbox.deliveries import Cursor, Deliveries, Settlement
from replicator.outbox.history import CaptureSample, History, Sample, minute_of
from replicator.outbox.lock import RoleLock
from replicator.outbox.status import Status, StatusBoard
from replicator.outbox.writer import OutboxWriter

AT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
READING = ("time", "nodeId", "type", "locationId", "value")


def minutes_ago(minutes: float, rows: int) -> Counted:
    return (AT - timedelta(minutes=minutes), rows)


@pytest.mark.parametrize(
    ("samples", "now", "per_second"),
    [
        ([minutes_ago(10, 0), minutes_ago(1, 500)], 600, (1.0, 600.0)),
        ([minutes_ago(20, 0), minutes_ago(10, 100), minutes_ago(5, 200)], 700, (1.0, 600.0)),
        ([minutes_ago(60, 40)], 400, (0.1, 3600.0)),
        ([minutes_ago(2, 5), minutes_ago(1, 5)], 5, (0.0, 120.0)),
        ([minutes_ago(2, 5), minutes_ago(1, 4)], 9, None),
        ([minutes_ago(2, 5)], 4, None),
        ([minutes_ago(0.1, 5)], 9, None),
        ([], 9, None),
    ],
)
def test_a_rate_is_an_average_up_to_now_or_not_known(
    samples: Sequence[Counted], now: int, per_second: tuple[float, float] | None
) -> None:
    assert rate(samples, (AT, now)) == (per_second and pytest.approx(per_second))


@pytest.mark.parametrize(
    ("captured", "settled", "waiting", "empty", "seconds"),
    [
        (1.0, 3.0, 100, "later", 50.0),
        (3.0, 3.0, 100, "never", None),
        (0.0, 0.0, 100, "never", None),
        (None, 3.0, 100, "unknown", None),
        (3.0, None, 100, "unknown", None),
        (9.0, 0.0, 0, "now", 0.0),
    ],
)
def test_the_forecast_says_never_where_out_is_not_more_than_in(
    captured: float | None,
    settled: float | None,
    waiting: int,
    empty: str,
    seconds: float | None,
) -> None:
    found = rates(
        None if captured is None else (captured, 60.0),
        None if settled is None else (settled, 60.0),
        waiting,
    )
    assert (found.empty, found.empty_in_seconds) == (empty, seconds)


def test_where_ship_does_not_run_nothing_empties() -> None:
    assert rates((0.0, 60.0), (9.0, 60.0), 5, flowing=False).empty == "never"
    assert rates(None, None, 5, flowing=False).empty == "never"
    assert rates(None, None, 0, flowing=False).empty == "now"


def write(writer: OutboxWriter, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    writer.append(Change(table, Op.INSERT, tuple(columns), rows))
    offset = 10 + writer.database.conn.execute("SELECT count(*) FROM entry").fetchone()[0]
    writer.commit(Commit(Position("s", "b.1", offset), AT - timedelta(hours=1)))
    writer.flush()


def furnished(folder: Path) -> OutboxWriter:
    """Houses 1 and 2, each with the location of its number; node 9 has no place."""
    writer = OutboxWriter(folder, "NORMAL")
    writer.begin_at(Position("s", "b.1", 4), None)
    write(writer, "House", ("id", "address"), [(n, f"{n} Main St") for n in (1, 2)])
    write(writer, "Location", ("id", "houseId"), [(1, 1), (2, 2)])
    return writer


def readings(count: int, house: int | None, node: int = 9) -> list[Row]:
    return [(f"t{n}", node, 1, house, 0.5) for n in range(count)]


def look(folder: Path, detail: Detail = "quick") -> Backlog:
    return read_backlog(folder, [("home", True)], AT, text(AT), shares=detail)


def shares(folder: Path, *, exact: bool = False) -> Shares:
    (home,) = look(folder, "exact" if exact else "quick").destinations
    assert home.shares is not None
    return home.shares


def by_house(found: Shares) -> dict[str, int]:
    return {share.lane: share.rows for share in found.by_house}


def test_few_rows_are_counted_by_house_and_table(tmp_path: Path) -> None:
    writer = furnished(tmp_path)
    for count, house in ((30, 1), (20, 2), (7, None)):
        write(writer, "Reading", READING, readings(count, house))
    writer.close()
    found = shares(tmp_path)
    assert found.exact
    assert by_house(found) == {"house:1": 32, "house:2": 22, "node:9": 7}
    assert {share.table: share.rows for share in found.by_table} == {
        "Reading": 57,
        "House": 2,
        "Location": 2,
    }
    assert found.by_house[0].house == "1 Main St (house 1)"


def test_only_what_is_behind_the_cursor_counts(tmp_path: Path) -> None:
    writer = furnished(tmp_path)
    write(writer, "Reading", READING, readings(30, 1))
    write(writer, "Reading", READING, readings(5, 2))
    writer.close()
    deliveries = Deliveries(tmp_path, "home")
    cursor = Cursor(2, 10, "", 14)
    deliveries.settle(Settlement(cursor, [], []), 0.0, check_parked=False)
    deliveries.close()
    assert by_house(shares(tmp_path)) == {"house:1": 20, "house:2": 5}


def test_many_rows_are_estimated_and_it_says_so(tmp_path: Path) -> None:
    writer = furnished(tmp_path)
    for _ in range(25):  # by turns, so that each run of entries sees both
        write(writer, "Reading", READING, readings(750, 1))
        write(writer, "Reading", READING, readings(250, 2))
    writer.close()
    found = shares(tmp_path)
    assert not found.exact
    assert found.rows_looked_at < 25_004 < 3 * EXACT_ROWS
    assert all(share.oldest_committed_at is None for share in found.by_house)
    assert sum(by_house(found).values()) == pytest.approx(25_004, abs=2)
    exact = shares(tmp_path, exact=True)
    assert exact.exact
    assert by_house(exact) == {"house:1": 18_752, "house:2": 6_252}


@settings(max_examples=20, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 2, None]), st.integers(1, 9)), max_size=8))
def test_houses_and_tables_add_up_to_what_waits(pieces: list[tuple[int | None, int]]) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        writer = furnished(folder)
        for house, count in pieces:
            write(writer, "Reading", READING, readings(count, house))
        writer.close()
        (home,) = look(folder).destinations
        assert home.shares is not None
        assert sum(by_house(home.shares).values()) == home.waiting_rows
        assert sum(share.rows for share in home.shares.by_table) == home.waiting_rows


def note(writer: OutboxWriter, at: datetime, rows: int, lag: float) -> None:
    sample = CaptureSample(minute_of(at), rows, text(at), lag, 1, text(at))
    History(writer.database, writer.path).keep(at, lambda: sample)


def test_rates_come_from_the_history(tmp_path: Path) -> None:
    writer = furnished(tmp_path)
    note(writer, AT - timedelta(minutes=10), 0, 0.0)
    write(writer, "Reading", READING, readings(596, 1))
    writer.close()
    deliveries = Deliveries(tmp_path, "home")
    history = History(deliveries.database, deliveries.path)
    for minutes, settled in ((9, 0), (3, 1)):
        at = AT - timedelta(minutes=minutes)
        sample = Sample(minute_of(at), settled, settled, 0, 0.0, 0, 0, 0, text(at))
        history.keep(at, lambda sample=sample: sample)  # type: ignore[misc]  # bound above
    deliveries.settle(Settlement(Cursor(1, 0, "", 2), [], []), 0.0, check_parked=False)
    deliveries.close()
    (home,) = look(tmp_path).destinations
    assert home.rates == Rates(1.0, 2 / 540, 540.0, "never", None)
    assert home.sampled_at == text(AT - timedelta(minutes=3))


@pytest.mark.parametrize(
    ("ago", "lag", "known"),
    [(60.0, 5.0, 5.0), (1_000.0, 5.0, 1_005.0), (7_200.0, 0.0, 3_600.0)],
)
def test_what_tail_has_not_looked_at_counts_as_behind(
    tmp_path: Path, ago: float, lag: float, known: float
) -> None:
    """Never more than the age of the last commit that was read: an hour here."""
    writer = furnished(tmp_path)
    note(writer, AT - timedelta(seconds=ago), 4, lag)
    writer.close()
    found = look(tmp_path)
    assert found.tail.lag_seconds == known
    assert found.destinations[0].behind_source_seconds == 3_600.0


def test_a_killed_daemon_is_gone_whatever_it_said(tmp_path: Path) -> None:
    writer = furnished(tmp_path)
    StatusBoard(writer.database, lambda: AT).show(Status("running"))
    assert look(tmp_path).tail.daemon.state == "running"
    lock = RoleLock(tmp_path, "tail")
    assert look(tmp_path).tail.daemon.state == "running"
    lock.release()
    gone = look(tmp_path).tail.daemon
    assert gone.state == "gone"
    assert "running" in gone.detail
    StatusBoard(writer.database, lambda: AT).show(Status("stopped"))
    assert look(tmp_path).tail.daemon.state == "stopped"
    writer.close()


def test_to_look_at_a_lock_is_not_to_take_it(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    assert is_held(lock, Path("/proc/locks")) is None
    lock.touch()
    assert is_held(lock, Path("/proc/locks")) is False
    assert is_held(lock, tmp_path / "none") is None
    listed = tmp_path / "locks"
    inode = lock.stat().st_ino
    listed.write_text(f"1: POSIX  ADVISORY  WRITE 7 fe:00:{inode} 0 EOF\n")
    assert is_held(lock, listed) is False
    listed.write_text(f"1: FLOCK  ADVISORY  WRITE 7 fe:00:{inode} 0 EOF\n")
    assert is_held(lock, listed) is True


def test_what_went_wrong_last_stays_known(tmp_path: Path) -> None:
    writer = furnished(tmp_path)
    board = StatusBoard(writer.database, lambda: AT)
    for status in (
        Status("waiting", "no link", AT),
        Status("running", "reading table House"),
        Status("paused", "by eve", ordered=True),
        Status("running"),
    ):
        board.show(status)
    writer.close()
    daemon = look(tmp_path).tail.daemon
    assert (daemon.state, daemon.detail, daemon.wait_until) == ("running", "", None)
    assert (daemon.last_error, daemon.last_error_at) == ("no link", text(AT))


def test_without_being_asked_nobody_counts_houses(tmp_path: Path) -> None:
    furnished(tmp_path).close()
    (home,) = look(tmp_path, "none").destinations
    assert home.shares is None
