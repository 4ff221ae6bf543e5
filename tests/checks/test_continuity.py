"""A log that was begun anew, a gap on record, and a log that is kept too short."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from demo.mariadbd import PrivateMariaDB
from replicator.change import Position
from replicator.checks.continuity import continuity, kept
from replicator.outbox.gaps import record_gap
from replicator.outbox.writer import OutboxWriter
from replicator.source.forecast import Outlook
from tests.checks.conftest import Find
from tests.source.capture import at

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)


def begun(folder: Path, place: Position) -> OutboxWriter:
    writer = OutboxWriter(folder)
    writer.begin_at(place, None)
    return writer


def ini(server: PrivateMariaDB, database: str) -> str:
    return f"[source]\nunix_socket = {server.socket}\nuser = root\ndatabase = {database}\n"


def test_the_log_goes_on(mariadb: PrivateMariaDB, station: str, find: Find, tmp_path: Path) -> None:
    begun(tmp_path / "box", at(mariadb, station)).close()
    found = find(continuity, ini(mariadb, station))
    assert {name: one.status for name, one in found.items()} == {
        "gaps": "ok",
        "position": "ok",
        "log kept": "ok",
    }


def test_the_log_was_begun_anew_and_a_gap_is_on_record(
    mariadb: PrivateMariaDB, station: str, find: Find, tmp_path: Path
) -> None:
    place = Position(at(mariadb, station).source, "binlog.999999", 4)
    writer = begun(tmp_path / "box", place)
    record_gap(writer.database, place, "lost")
    writer.close()
    found = find(continuity, ini(mariadb, station))
    for name in ("gaps", "position"):
        assert (found[name].status, found[name].exit_code) == ("failure", 5)


def test_what_is_unread_is_purged_soon() -> None:
    look = Outlook(9, NOW + timedelta(hours=1), "expire_logs_days = 1")
    assert kept(look, NOW, 7200.0).status == "failure"
    assert kept(look, NOW, 1800.0).status == "ok"
