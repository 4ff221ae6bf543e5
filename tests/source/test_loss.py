"""What became of a log behind a lost position, asked of real servers; how long one keeps it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from demo.mariadbd import PrivateMariaDB
from replicator.change import Position
from replicator.checks.continuity import continuity
from replicator.cli.findings import target
from replicator.config import Config
from replicator.outbox.gaps import record_gap
from replicator.outbox.writer import OutboxWriter
from replicator.source.forecast import Forecaster, Outlook, Retention, outlook, retention_of
from replicator.source.loss import Log, assess
from replicator.source.place import Mode, log_files
from tests.conftest import create_station
from tests.source.capture import at, endpoint
from tests.source.test_lost_positions import both_modes, insert, lost, purge

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)


def became(server: PrivateMariaDB, name: str, start: Position) -> Log:
    return assess(endpoint(server, name), start).log


@both_modes
def test_a_log_that_goes_on_and_one_that_was_purged(
    spare: PrivateMariaDB, spare_station: str, mode: Mode
) -> None:
    spare.execute(insert(1), database=spare_station)
    start = at(spare, spare_station, mode)
    assert became(spare, spare_station, start) is Log.GOES_ON
    spare.execute("FLUSH BINARY LOGS", insert(2), "FLUSH BINARY LOGS", database=spare_station)
    assert became(spare, spare_station, start) is Log.GOES_ON
    purge(spare)
    assert became(spare, spare_station, start) is Log.PURGED


@both_modes
def test_a_log_that_was_begun_anew(spare: PrivateMariaDB, spare_station: str, mode: Mode) -> None:
    spare.execute("FLUSH BINARY LOGS", insert(1), database=spare_station)
    start = at(spare, spare_station, mode)
    spare.execute("RESET MASTER", insert(2), database=spare_station)
    assert became(spare, spare_station, start) is Log.SHORTER


def test_a_log_with_other_transactions_at_the_same_place(
    spare: PrivateMariaDB, spare_station: str
) -> None:
    spare.execute("RESET MASTER", insert(1), insert(2), database=spare_station)
    start = at(spare, spare_station, "gtid")
    more = ["DELETE FROM RoomType", *[insert(n) for n in range(1, 21)]]
    spare.execute("RESET MASTER", *more, database=spare_station)
    assert became(spare, spare_station, start) is Log.OTHER
    gone = replace(start, file="binlog.000000", gtid="0-17-999999")
    assert became(spare, spare_station, gone) is Log.OTHER


def test_another_server(mariadb: PrivateMariaDB, station: str) -> None:
    elsewhere = replace(at(mariadb, station), source="mariadb-18")
    assert became(mariadb, station, elsewhere) is Log.OTHER_SERVER


@pytest.mark.parametrize(
    ("variables", "kept"),
    [
        ({}, Retention()),
        ({"expire_logs_days": "10.000000"}, Retention(864_000, 0, "expire_logs_days = 10")),
        (
            {"binlog_expire_logs_seconds": "3600", "expire_logs_days": "0.041666"},
            Retention(3600, 0, "binlog_expire_logs_seconds = 3600"),
        ),
        (
            {"binlog_expire_logs_seconds": "3600", "binlog_expire_logs_auto_purge": "OFF"},
            Retention(),
        ),
        ({"expire_logs_days": "0", "max_binlog_total_size": "9000"}, Retention(0, 9000)),
    ],
)
def test_the_rule_that_settings_make(variables: dict[str, str], kept: Retention) -> None:
    assert retention_of(variables) == kept


def test_unread_rows_are_kept_from_their_own_time_on_and_coming_ones_from_now() -> None:
    files = {"b.000001": 500, "b.000002": 700}
    kept = Retention(3600.0, 0, "age")
    an_hour, read_to = timedelta(hours=1), NOW - timedelta(minutes=50)
    behind = outlook(kept, files, Position("m", "b.000001", 100), read_to, NOW, 0.0)
    assert behind == Outlook(1100, read_to + an_hour, "age")
    read_all = outlook(kept, files, Position("m", "b.000002", 700), read_to, NOW, 0.0)
    assert read_all == Outlook(0, NOW + an_hour, "age")
    gone = outlook(kept, files, Position("m", "b.000000", 100), read_to, NOW, 0.0)
    assert gone.unread_bytes == 1200


def test_a_limit_of_size_is_reached_at_the_pace_of_the_log() -> None:
    files = {"b.000001": 500, "b.000002": 700}
    place = Position("m", "b.000001", 100)
    kept = Retention(86_400.0, 3200, "age")
    found = outlook(kept, files, place, NOW, NOW, growth=10.0)
    assert found.safe_until == NOW + timedelta(seconds=200)
    assert found.rule == "max_binlog_total_size = 3200, 10 bytes more a second"
    assert outlook(kept, files, place, NOW, NOW, growth=0.0).rule == "age"
    assert outlook(Retention(0, 3200), files, place, NOW, NOW, 0.0).safe_until is None
    over = outlook(Retention(0, 1000), files, place, NOW, NOW, 0.0)
    assert over.safe_until == NOW


def test_the_forecast_holds_against_a_server_that_purges_by_age(
    private_mariadb: Callable[..., PrivateMariaDB],
) -> None:
    """Until then the file is there, whatever starts anew; soon after, it is gone."""
    server = private_mariadb("--binlog-expire-logs-seconds=3")
    create_station(server, "ch")
    server.execute(insert(1), database="ch")
    start = at(server, "ch")
    server.execute(insert(2), database="ch")
    here = endpoint(server, "ch")
    read_to = datetime.now(timezone.utc).replace(microsecond=0)
    server.execute("FLUSH BINARY LOGS")
    forecaster = Forecaster(here, time.monotonic)
    found = forecaster.look(start, read_to, datetime.now(timezone.utc))
    assert not forecaster.due, "once a minute is enough"
    assert found.rule == "binlog_expire_logs_seconds = 3"
    assert found.unread_bytes > 0
    assert found.safe_until == read_to + timedelta(seconds=3)
    with closing(server.connect()) as connection:
        while start.file in log_files(connection, here):
            with connection.cursor() as cursor:
                cursor.execute("FLUSH BINARY LOGS")
            time.sleep(0.1)
    assert datetime.now(timezone.utc) >= found.safe_until
    lost(server, "ch", start)


@pytest.mark.parametrize(("warn", "ok"), [("1 day", False), ("1 s", True)])
def test_check_fails_when_what_is_unread_is_not_kept_long_enough(
    spare: PrivateMariaDB, spare_station: str, tmp_path: Path, warn: str, ok: bool
) -> None:
    spare.execute("SET GLOBAL binlog_expire_logs_seconds = 3600")
    try:
        writer = OutboxWriter(tmp_path)
        writer.begin_at(at(spare, spare_station), None)
        record_gap(writer.database, at(spare, spare_station), "purged", kind="purged")
        writer.close()
        ini = tmp_path / "replicator.ini"
        ini.write_text(
            f"[source]\nunix_socket = {spare.socket}\nuser = root\ndatabase = {spare_station}\n"
            f"purge_warning = {warn}\n[outbox]\npath = {tmp_path}\n"
        )
        found = {finding.name: finding for finding in continuity(target(Config.load(ini, {})))}
    finally:
        spare.execute("SET GLOBAL binlog_expire_logs_seconds = 0")
    assert found["log kept"].ok is ok
    assert "binlog_expire_logs_seconds = 3600" in found["log kept"].message
    assert (found["gaps"].ok, found["gaps"].hint) == (False, "replicator heal")
