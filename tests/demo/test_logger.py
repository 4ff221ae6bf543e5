"""The live logger writes what it says, the same for the same seed, once each whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

from demo.logger import LoggerPlan, run_logger
from demo.mariadbd import PrivateMariaDB
from demo.proof import compare
from demo.seed import seed_station
from demo.session import open_connection
from demo.sides import MariaDBSide
from tests.conftest import create_station


def write(server: PrivateMariaDB, database: str, plan: LoggerPlan) -> int:
    return run_logger(partial(open_connection, server.socket, database), plan)


def rows(server: PrivateMariaDB, database: str, sql: str) -> list[tuple[Any, ...]]:
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def counter(server: PrivateMariaDB, database: str, name: str) -> int:
    return int(rows(server, database, f"SHOW GLOBAL STATUS LIKE '{name}'")[0][1])


def test_a_packet_is_one_transaction_of_one_statement_a_row(
    mariadb: PrivateMariaDB, seeded: str
) -> None:
    tables = "(SELECT count(*) FROM NodeState), (SELECT count(*) FROM Reading)"
    before = counter(mariadb, seeded, "Com_insert")
    states, readings = rows(mariadb, seeded, f"SELECT {tables}")[0]
    assert write(mariadb, seeded, LoggerPlan(packets=3, rate=0)) == 3
    states_now, readings_now = rows(mariadb, seeded, f"SELECT {tables}")[0]
    assert states_now - states in (3, 4)  # twins count as one
    assert readings_now - readings == 18
    statements = counter(mariadb, seeded, "Com_insert") - before
    assert statements == (states_now - states) + (readings_now - readings)


def test_it_renames_moves_calibrates_corrects_and_deletes(
    mariadb: PrivateMariaDB, seeded: str
) -> None:
    queries = {
        "houses": "SELECT id, address FROM House",
        "nodes": "SELECT id, locationId FROM Node",
        "sensors": "SELECT id, calibrationSlope+0e0 FROM Sensor",
        "rooms": "SELECT id FROM Room",
        "places": "SELECT id FROM Location",
    }
    before = {name: rows(mariadb, seeded, sql) for name, sql in queries.items()}
    names = ("update", "delete")
    counts = {name: counter(mariadb, seeded, f"Com_{name}") for name in names}
    write(mariadb, seeded, LoggerPlan(packets=80, rate=0))
    for name, sql in queries.items():
        assert rows(mariadb, seeded, sql) != before[name], name
    for name in names:
        assert counter(mariadb, seeded, f"Com_{name}") > counts[name] + 1
    assert rows(mariadb, seeded, "SELECT 1 FROM Reading WHERE value IS NULL LIMIT 1")


def test_late_packets_lie_in_the_past(mariadb: PrivateMariaDB, seeded: str) -> None:
    write(mariadb, seeded, LoggerPlan(packets=120, rate=0, deletes=False))
    order = [row[0] for row in rows(mariadb, seeded, "SELECT time FROM NodeState ORDER BY id")]
    live = order[-120:]
    assert sum(later < sooner for sooner, later in pairwise(live)) > 2
    assert len(set(live)) < len(live)  # several in one second


def test_the_same_seed_writes_the_same(mariadb: PrivateMariaDB, seeded: str) -> None:
    other = f"{seeded}_again"
    create_station(mariadb, other)
    try:
        connection = mariadb.connect(other, autocommit=False)
        seed_station(connection, seed=1, readings=600)
        connection.close()
        for database in (seeded, other):
            write(mariadb, database, LoggerPlan(seed=4, packets=100, rate=0))
        how = {"unix_socket": mariadb.socket, "user": mariadb.user}
        with MariaDBSide(database=seeded, **how) as one, MariaDBSide(database=other, **how) as two:
            assert compare(one, two).holds
    finally:
        mariadb.execute(f"DROP DATABASE {other}")


def test_what_the_original_server_cannot_do_can_be_left_out(
    mariadb: PrivateMariaDB, seeded: str
) -> None:
    before = counter(mariadb, seeded, "Com_delete")
    write(mariadb, seeded, LoggerPlan(packets=80, rate=0, deletes=False, nulls=False))
    assert counter(mariadb, seeded, "Com_delete") == before


def test_it_goes_on_after_the_server_was_killed_and_writes_nothing_twice(
    private_mariadb: Callable[..., PrivateMariaDB],
) -> None:
    server = private_mariadb()
    create_station(server, "ch")
    connection = server.connect("ch", autocommit=False)
    seed_station(connection, seed=1, readings=60)
    connection.close()
    (before,) = rows(server, "ch", "SELECT count(*) FROM NodeState")[0]
    progress: list[int] = []
    half = threading.Event()

    def note(packets: int) -> None:
        progress.append(packets)
        if packets == 100:
            half.set()

    plan = LoggerPlan(packets=200, rate=0, deletes=False)
    logger = threading.Thread(
        target=run_logger,
        args=(partial(open_connection, server.socket, "ch"), plan, note),
    )
    logger.start()
    assert half.wait(60)
    server.kill()
    server.start()
    logger.join(60)
    assert progress[-1] == 200
    sql = "SELECT count(*), count(DISTINCT seq_num) FROM NodeState WHERE time >= '2024-02-29'"
    states, sequences = rows(server, "ch", f"{sql} AND id > {before}")[0]
    assert states == sequences >= 200


def test_as_a_process_it_tells_its_packets_and_ends_on_sigterm(
    mariadb: PrivateMariaDB, seeded: str
) -> None:
    command = [sys.executable, "-m", "demo.logger", "--socket", mariadb.socket]
    command += ["--database", seeded, "--packets", "100000", "--rate", "200"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        os.kill(process.pid, signal.SIGTERM)
        rest = process.stdout.read().split()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
    packets = int(rest[-1]) if rest else 1
    (states,) = rows(mariadb, seeded, "SELECT count(*) FROM NodeState WHERE parent = 101")[0]
    assert states >= packets
