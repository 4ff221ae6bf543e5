"""A station's database that does not allow capture, and what happens once it is mended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from demo.mariadbd import PrivateMariaDB
from tests.badinput.conftest import MakeWorld
from tests.badinput.told import RIGHT, failed_checks, reading, refused
from tests.conftest import STATION_SCHEMA
from tests.faults.world import World

MakeServer = Callable[..., PrivateMariaDB]
GRANTS = {
    "REPLICATION SLAVE": "GRANT REPLICATION SLAVE ON *.* TO poor@localhost",
    "BINLOG MONITOR": "GRANT BINLOG MONITOR ON *.* TO poor@localhost",
    "SELECT": "GRANT SELECT ON {database}.* TO poor@localhost",
}


@pytest.mark.parametrize("missing", GRANTS)
def test_a_missing_grant(world: World, station: str, missing: str) -> None:
    given = [sql for name, sql in GRANTS.items() if name != missing]
    world.sql("CREATE OR REPLACE USER poor@localhost IDENTIFIED BY 'only-reads'")
    world.sql(*(sql.format(database=station) for sql in given))
    world.environment["REPLICATOR_SOURCE_USER"] = "poor"
    world.insert("Reading", reading(1))
    refused(world.run("tail", "--once"), 4, "GRANT")
    failed = failed_checks(world, 4)
    assert failed
    assert all("GRANT" in finding["hint"] for finding in failed.values())
    world.sql(GRANTS[missing].format(database=station))
    world.replicate()
    assert world.compare() == RIGHT


def test_the_binlog_is_off(private_mariadb: MakeServer, world_on: MakeWorld) -> None:
    server = private_mariadb("--skip-log-bin")
    world = world_on(server)
    world.insert("Reading", reading(1))
    refused(world.run("tail", "--once"), 4, "the binlog is off", "log_bin = binlog")
    assert "log_bin" in failed_checks(world, 4)["binlog"]["hint"]
    world.disconnect()
    server.stop()
    server.options.clear()
    server.start()
    world.connect()
    world.replicate()
    assert world.compare() == RIGHT


def test_statements_in_the_binlog(private_mariadb: MakeServer, world_on: MakeWorld) -> None:
    world = world_on(private_mariadb())
    world.tail_once()
    world.sql("SET GLOBAL binlog_format = STATEMENT", "SET SESSION binlog_format = STATEMENT")
    assert "SET GLOBAL binlog_format = ROW" in failed_checks(world, 4)["binlog_format"]["hint"]
    world.insert("Reading", reading(1))
    refused(world.run("tail", "--once"), 6, "INSERT INTO Reading", "binlog_format = ROW", "heal")
    world.sql("SET GLOBAL binlog_format = ROW", "SET SESSION binlog_format = ROW")
    world.insert("Reading", reading(2))
    assert world.run("heal").code == 0
    world.replicate()
    assert world.compare() == RIGHT


def test_a_table_that_is_not_there(world: World) -> None:
    world.sql("DROP TABLE Sensor")
    world.insert("Reading", reading(1))
    refused(world.run("tail", "--once"), 4, "Sensor", "[source] database")
    assert set(failed_checks(world, 4)) == {"table Sensor"}
    (create,) = (s for s in STATION_SCHEMA.read_text().split(";") if "TABLE Sensor " in s)
    world.sql(create, "INSERT INTO Sensor (sensorTypeId, nodeId) VALUES (0, 69)")
    world.replicate()
    assert world.compare() == RIGHT


def test_a_table_without_a_primary_key(world: World) -> None:
    world.sql("ALTER TABLE NodeState MODIFY id INT NOT NULL, DROP PRIMARY KEY")
    world.insert("Reading", reading(1))
    refused(world.run("tail", "--once"), 4, "NodeState", "ADD PRIMARY KEY")
    mend = failed_checks(world, 4)["table NodeState"]["hint"]
    world.sql(mend)
    world.replicate()
    assert world.compare() == RIGHT


def test_a_database_that_is_not_there(world: World) -> None:
    world.environment["REPLICATOR_SOURCE_DATABASE"] = "elsewhere"
    refused(world.run("tail", "--once"), 4, "elsewhere", "[source] database")
    assert len(failed_checks(world, 4)) == 11
    world.environment.clear()
    world.replicate()
    assert world.compare() == RIGHT


def test_the_server_is_down(world: World, tmp_path: Path) -> None:
    world.environment["REPLICATOR_SOURCE_UNIX_SOCKET"] = str(tmp_path / "nobody")
    refused(world.run("tail", "--once"), 3, "nobody", "is it running?")
    assert "is it running?" in failed_checks(world, 3)["connection"]["hint"]
    world.environment.clear()
    world.replicate()
    assert world.compare() == RIGHT


def test_another_server_in_its_place(
    private_mariadb: MakeServer, world_on: MakeWorld, world: World
) -> None:
    world.tail_once()
    swapped = world_on(private_mariadb("--server-id=18"))
    swapped.insert("Reading", reading(1))
    refused(swapped.run("tail", "--once"), 5, "another server", "mariadb-18", "heal")
    assert swapped.run("heal").code == 0
    swapped.replicate()
    assert swapped.compare() == RIGHT


def _replicated(world: World) -> None:
    for second in range(20):
        world.insert("Reading", reading(second))
    world.replicate()


def test_a_fresh_server_of_the_same_number(
    private_mariadb: MakeServer, world_on: MakeWorld
) -> None:
    _replicated(world_on(private_mariadb()))
    fresh = world_on(private_mariadb())
    fresh.insert("Reading", *(reading(second) for second in range(25)))
    healed = fresh.run("tail", "--once")
    assert healed.code == 0
    assert "a gap (reset) is being healed" in healed.err, "what was captured last is all there"
    fresh.replicate()
    assert fresh.compare() == RIGHT


def test_an_empty_server_of_the_same_number(
    private_mariadb: MakeServer, world_on: MakeWorld
) -> None:
    _replicated(world_on(private_mariadb()))
    other = world_on(private_mariadb())
    refused(other.run("tail", "--once"), 5, "heal")
    other.insert("Reading", *(reading(second) for second in range(25)))
    assert other.run("heal").code == 0
    other.replicate()
    assert other.compare() == RIGHT
