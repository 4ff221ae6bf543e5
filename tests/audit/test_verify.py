"""verify against both kinds of centre: names each row that is wrong, and no other."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pymysql.cursors import DictCursor

from demo.mariadbd import PrivateMariaDB
from replicator.central.settings import CentralSettings
from tests.audit.conftest import MINUTES, Audited, Named, replicated
from tests.central.conftest import running
from tests.faults.centres import Kind, Row
from tests.faults.conftest import others
from tests.faults.proxy import garbage, html, say
from tests.faults.world import until

FIRST, LAST = MINUTES[0].replace(" ", "T"), MINUTES[-1].replace(" ", "T")
SPOILT: list[Named] = [
    ("missing", FIRST, 69, 0),
    ("extra", FIRST, 69, 1),
    ("different", LAST, 70, 3),
    ("different", LAST, 71, 0),
    ("missing", LAST, 70, 17),
    ("extra", FIRST, 71, 900),
    ("different", LAST, 71, 17),
]
EXTRA = [named for named in SPOILT if named[0] == "extra"]
ours_only = pytest.mark.parametrize("centre", ["ours"], indirect=True)


def spoil(audited: Audited) -> None:
    """A reading and a state missing, one of each changed, one of each extra, one elsewhere."""
    change = audited.centre.execute
    change("DELETE FROM Reading WHERE time = ? AND nodeId = 69 AND type = 0", FIRST)
    change("DELETE FROM NodeState WHERE time = ? AND nodeId = 70", LAST)
    change("UPDATE Reading SET value = 99 WHERE time = ? AND nodeId = 70 AND type = 3", LAST)
    change("UPDATE NodeState SET rssi = NULL WHERE time = ? AND nodeId = 71", LAST)
    change("INSERT INTO Reading (time, nodeId, type, value) VALUES (?, 69, 1, 5)", FIRST)
    change("INSERT INTO NodeState (time, nodeId, seq_num) VALUES (?, 71, 900)", FIRST)
    change("UPDATE Reading SET locationId = NULL WHERE time = ? AND nodeId = 71 AND type = 0", LAST)


def check_sums(audited: Audited, said: dict[str, Any]) -> None:
    readings, states = said["summary"]["tables"].values()
    assert readings["captured"] == readings["acknowledged"] == readings["present"] == 114
    assert (states["captured"], states["acknowledged"], states["present"]) == (56, 54, 54)
    if audited.ours:
        assert readings["acknowledged_digest"] == readings["present_digest"]
        assert states["acknowledged_digest"] == states["present_digest"]
    (rejected,) = said["summary"]["excused"]
    assert (rejected["reason"], rejected["rows"]) == ("null-key", 1)


def test_each_wrong_row_is_named_and_mended(audited: Audited) -> None:
    code, said = audited.verify()
    assert (code, audited.named(said)) == (0, [])
    check_sums(audited, said)

    spoil(audited)
    deep = [] if audited.ours else ["--deep"]  # counts do not tell a changed value
    code, said = audited.verify(*deep)
    assert (code, said["summary"]["unexplained"]) == (20, len(SPOILT))
    assert audited.named(said) == sorted(SPOILT)

    code, said = audited.verify("--repair", *deep)
    assert (code, said["summary"]["repaired"], said["summary"]["unexplained"]) == (20, 5, 2)
    code, said = audited.verify("--repair", "--delete-extra", *deep)
    assert audited.named(said) == sorted(EXTRA)  # nothing else is left
    if audited.ours:
        assert code == 0
        assert audited.is_whole()
    else:
        whys = {each["why_not"] for each in said["findings"] if each["kind"] == "extra"}
        assert (code, whys) == (20, {"this kind of server cannot delete a row"})


def test_only_what_is_asked_for(audited: Audited) -> None:
    spoil(audited)
    deep = [] if audited.ours else ["--deep"]
    house = audited.verify("--house", "14 High St", *deep)[1]
    assert audited.named(house) == [
        ("different", LAST, 71, 0),
        ("different", LAST, 71, 17),
        ("extra", FIRST, 71, 900),
    ]
    day = audited.verify("--to", "2015-03-01", "--house", "1", *deep)[1]
    assert audited.named(day) == [("missing", FIRST, 69, 0)]
    assert audited.verify("--from", "2015-04", *deep)[0] == 0
    hour = "2015-03-02T00"  # of a day the original counts all readings, not those of an hour
    audited.centre.execute(
        f"DELETE FROM Reading WHERE nodeId = 71 AND type = 0 AND time LIKE '{hour}%'"
    )
    part = audited.named(audited.verify("--from", hour, "--to", hour)[1])
    assert part == [("missing", f"{hour}:{minute}:03", 71, 0) for minute in ("00", "05", "10")]
    counted = set(audited.named(audited.verify()[1]))  # not one row needs to be read for these
    assert counted >= {SPOILT[0], SPOILT[1], SPOILT[4], SPOILT[5]}


def test_rows_that_wait_are_not_missing(audited: Audited) -> None:
    world = audited.world
    world.sql(
        "INSERT INTO Reading VALUES ('2015-05-01 00:00:00', 69, 0, 1, 1.5)",
        f"UPDATE Reading SET value = 7 WHERE time = '{MINUTES[0]}' AND nodeId = 69 AND type = 0",
        f"DELETE FROM Reading WHERE time = '{MINUTES[1]}' AND nodeId = 69 AND type = 0",
    )
    code, said = audited.verify()  # capture has not seen them: what is wrong cannot be told
    assert (code, said["summary"]["unexplained"]) == (21, 0)
    assert said["summary"]["found"]["untold"] >= 2
    world.tail_once()
    code, said = audited.verify("--repair")
    assert (code, said["summary"]["unexplained"], said["summary"]["repaired"]) == (0, 0, 0)
    waiting = {"table": "Reading", "kind": "waiting", "reason": "outbox", "rows": 2}
    assert waiting in said["summary"]["excused"]
    assert "untold" not in said["summary"]["found"]


@ours_only
def test_a_row_that_waits_is_not_repaired_behind_ship(audited: Audited) -> None:
    """Gone at the centre, and changed at the station: ship brings it, with the newer value."""
    world = audited.world
    key = "time = ? AND nodeId = 69 AND type = 0"
    audited.centre.execute(f"DELETE FROM Reading WHERE {key}", FIRST)
    world.sql(f"UPDATE Reading SET value = 7 WHERE {key.replace('?', repr(FIRST))}")
    world.tail_once()
    code, said = audited.verify("--repair")
    assert (code, said["summary"]["repaired"]) == (0, 0)
    world.ship_once()
    assert audited.is_whole()


@ours_only
def test_a_single_bit_is_seen(audited: Audited) -> None:
    row = next(r for r in audited.centre.rows("Reading") if r["value"] and r["value"] > 1)
    bits = struct.unpack("<I", struct.pack("<f", row["value"]))[0]
    nearly = struct.unpack("<f", struct.pack("<I", bits ^ 1))[0]
    key = (row["time"], row["nodeId"], row["type"])
    sql = "UPDATE Reading SET value = ? WHERE time = ? AND nodeId = ? AND type = ?"
    audited.centre.execute(sql, nearly, *key)
    assert audited.named(audited.verify()[1]) == [("different", *key)]


@ours_only
def test_while_everything_runs_nothing_is_found_wrong(audited: Audited) -> None:
    world = audited.world
    children = [world.start("tail"), world.start("ship")]
    stop = threading.Event()

    def write() -> None:
        for second in range(3600):
            at = f"2015-05-01 {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
            world.sql(
                f"INSERT INTO Reading VALUES ('{at}', 69, 0, 1, {second})",
                f"UPDATE Reading SET value = {second} WHERE time = '{MINUTES[0]}'",
            )
            if stop.is_set():
                return
            time.sleep(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        until(lambda: len(audited.centre.rows("Reading")) > 130, "rows to arrive")
        for _ in range(3):
            code, said = audited.verify()
            assert said["summary"]["unexplained"] == 0, said
            assert code in (0, 21)
        code, said = audited.verify("--repair")
        assert (code, "stop ship" in said["error"]) == (8, True)
    finally:
        stop.set()
        writer.join()
        for child in children:
            world.end(child)


class OursOnMariaDB:
    """Our central server on a database of the shared MariaDB."""

    kind: Kind = "ours"

    def __init__(self, root: str, server: PrivateMariaDB, database: str) -> None:
        self.url = root.removesuffix("/rest/")
        self._server = server
        self._name = database

    def rows(self, table: str) -> Sequence[Row]:
        """From its database."""
        with (
            closing(self._server.connect(self._name)) as connection,
            connection.cursor(DictCursor) as cursor,
        ):
            cursor.execute(f"SELECT * FROM {table}")
            return list(cursor.fetchall())

    def execute(self, sql: str, *values: Any) -> None:
        """On its database."""
        self._server.execute(sql.replace("?", "%s") % tuple(map(repr, values)), database=self._name)


def test_a_centre_on_mariadb(
    mariadb: PrivateMariaDB, station: str, tmp_path: Path, server_id: int
) -> None:
    name = f"{station}_centre"
    mariadb.execute(f"CREATE DATABASE {name}")
    url = f"mysql+pymysql://root@localhost/{name}?unix_socket={mariadb.socket}"
    with running(CentralSettings(database_url=url)) as client:
        centre = OursOnMariaDB(client.root, mariadb, name)
        others(centre)
        with replicated(mariadb, station, tmp_path, centre, server_id) as audited:
            code, said = audited.verify()
            assert (code, audited.named(said)) == (0, [])
            check_sums(audited, said)
            spoil(audited)
            audited.world.tail_once()  # both databases are in one log here
            assert audited.named(audited.verify("--deep")[1]) == sorted(SPOILT)
            assert audited.verify("--repair", "--delete-extra")[0] == 0
            check_sums(audited, audited.verify()[1])
    mariadb.execute(f"DROP DATABASE {name}")


@ours_only
def test_what_cannot_be_told(audited: Audited) -> None:
    code, said = audited.verify("--house", "16 High St")
    assert (code, "no such house" in said["error"]) == (2, True)
    proxy = audited.world.proxy
    proxy.plan(say(404, b'{"error": "unknown-type", "detail": "old"}'), path="/digests/")
    code, said = audited.verify()
    assert (code, "gives no digests" in said["error"]) == (11, True)
    proxy.plan(garbage(), path="/digests/")
    assert audited.verify()[0] == 10
    proxy.plan(html(), times=None)
    assert audited.verify()[0] == 11
