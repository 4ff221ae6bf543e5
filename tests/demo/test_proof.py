"""The independent check sees each kind of damage, and nothing where there is none."""

from __future__ import annotations

import struct
import subprocess
import sys

import pytest

from demo.proof import Proof, compare
from demo.scratch import build_scratch, float_bits
from demo.sides import MariaDBSide
from demo.simulator import make_station
from tests.conftest import create_station
from tests.demo.conftest import Copied

_ONE = "(SELECT time || nodeId || type FROM Reading WHERE value IS NOT NULL LIMIT 1)"
_STATE = "(SELECT time || nodeId || seq_num FROM NodeState LIMIT 1)"


def found(proof: Proof) -> tuple[int, int, int, int]:
    return proof.missing, proof.doubled, proof.misplaced, proof.different


def test_a_faithful_copy_under_other_ids_holds(copied: Copied) -> None:
    proof = copied.proof()
    assert proof.holds, proof
    assert proof.source == proof.central
    assert proof.source > 700  # 600 readings and a node state for six of them


def test_others_rows_at_the_centre_do_not_count(copied: Copied) -> None:
    before = copied.proof()
    copied.damage(
        "INSERT INTO Reading VALUES ('2024-01-01 00:00:00', 777, 0, NULL, 1.0)",
        "INSERT INTO NodeState (time, nodeId, seq_num) VALUES ('2024-01-01 00:00:00', 777, 1)",
        "INSERT INTO House (id, address) VALUES (1, 'Somewhere else')",
        "INSERT INTO Sensor (id, nodeId, sensorTypeId) VALUES (1, 777, 0)",
    )
    assert copied.proof() == before


@pytest.mark.parametrize(
    ("damage", "missing"),
    [
        (f"DELETE FROM Reading WHERE time || nodeId || type = {_ONE}", 1),
        (f"DELETE FROM NodeState WHERE time || nodeId || seq_num = {_STATE}", 1),
        ("DELETE FROM Reading WHERE locationId IS NULL AND nodeId = 140", 12),
    ],
    ids=["reading", "node-state", "readings-of-a-node-not-placed"],
)
def test_a_lost_row_is_missing(copied: Copied, damage: str, missing: int) -> None:
    copied.damage(damage)
    assert found(copied.proof()) == (missing, 0, 0, 0)


@pytest.mark.parametrize("table", ["Reading", "NodeState"])
def test_a_row_stored_twice_is_doubled(copied: Copied, table: str) -> None:
    copied.damage(f"INSERT INTO {table} SELECT * FROM {table} LIMIT 1")
    assert found(copied.proof()) == (0, 1, 0, 0)


@pytest.mark.parametrize(
    "change",
    [
        "locationId = (SELECT id FROM Location WHERE id != Reading.locationId LIMIT 1)",
        "locationId = NULL",
        "locationId = 999999",
    ],
    ids=["other-room", "no-room", "no-such-location"],
)
def test_a_reading_in_another_place_is_misplaced(copied: Copied, change: str) -> None:
    where = "WHERE rowid = (SELECT min(rowid) FROM Reading WHERE locationId IS NOT NULL)"
    copied.damage(f"UPDATE Reading SET {change} {where}")
    assert found(copied.proof()) == (0, 0, 1, 0)


def test_the_room_less_location_is_a_place_of_its_own(copied: Copied) -> None:
    """The old pusher's fault: such readings went to the house's first room."""
    copied.damage(
        "UPDATE Reading SET locationId = (SELECT min(id) FROM Location WHERE houseId = 1002)"
        " WHERE locationId = 1049"
    )
    assert found(copied.proof())[2] > 0


def test_the_same_address_in_another_deployment_is_another_place(copied: Copied) -> None:
    copied.damage("UPDATE Reading SET locationId = locationId + 24 WHERE locationId = 1001")
    assert found(copied.proof())[2] > 0


def test_one_bit_of_one_value_is_different(copied: Copied) -> None:
    copied.damage("UPDATE Reading SET value = 20.5 WHERE rowid = 1")
    with copied.source() as source:
        time, node, kind, value = next(
            iter(source.select("SELECT time, nodeId, type, value+0e0 FROM Reading LIMIT 1"))
        )
    bits = float_bits(value)
    assert isinstance(bits, int)
    (neighbour,) = struct.unpack("<f", struct.pack("<I", bits ^ 1))
    where = f"time = '{time}' AND nodeId = {node} AND type = {kind}"
    copied.damage(f"UPDATE Reading SET value = {value!r} WHERE rowid = 1")
    assert copied.proof().holds
    copied.damage(f"UPDATE Reading SET value = {neighbour!r} WHERE {where}")
    assert found(copied.proof()) == (0, 0, 0, 1)


def test_the_shortest_decimal_of_a_float32_is_equal(copied: Copied) -> None:
    copied.server.execute(
        "UPDATE Reading SET value = 67669.95 ORDER BY time, nodeId, type LIMIT 1",
        database=copied.database,
    )
    copied.damage("UPDATE Reading SET value = 67669.95 WHERE rowid = 1")
    assert copied.proof().holds
    copied.damage("UPDATE Reading SET value = 67670 WHERE rowid = 1")
    assert found(copied.proof()) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE Reading SET value = NULL WHERE rowid = 1",
        "UPDATE Reading SET value = 1e39 WHERE rowid = 1",
        "UPDATE NodeState SET rssi = rssi + 1 WHERE rowid = 1",
        "UPDATE NodeState SET `localtime` = `localtime` + 1 WHERE rowid = 1",
        "UPDATE NodeState SET parent = NULL WHERE rowid = 1",
    ],
)
def test_a_changed_cell_is_different(copied: Copied, statement: str) -> None:
    copied.damage(statement)
    assert found(copied.proof()) == (0, 0, 0, 1)


def test_a_row_that_only_the_centre_has_is_different(copied: Copied) -> None:
    copied.damage("INSERT INTO Reading VALUES ('2024-02-29 12:00:00', 101, 0, NULL, 1.0)")
    proof = copied.proof()
    assert found(proof) == (0, 0, 0, 1)
    assert proof.examples == {"phantom": ["Reading|2024-02-29T12:00:00|101|0"]}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE House SET endDate = NULL WHERE id = 1006",
        "UPDATE Node SET locationId = NULL WHERE id = 101",
        "UPDATE Node SET nodeTypeId = 9 WHERE id = 101",
        "DELETE FROM Sensor WHERE id = 1001",
        "UPDATE Sensor SET calibrationSlope = 9 WHERE id = 1001",
        "INSERT INTO Sensor SELECT * FROM Sensor WHERE id = 1001",
    ],
)
def test_a_reference_row_that_differs_is_different(copied: Copied, statement: str) -> None:
    copied.damage(statement)
    proof = copied.proof()
    assert proof.different == 1
    assert list(proof.examples) == ["reference"]


def test_a_house_that_kept_its_old_name_is_seen(copied: Copied) -> None:
    copied.server.execute(
        "UPDATE House SET address = 'New name' WHERE id = 1", database=copied.database
    )
    proof = copied.proof()
    assert proof.different >= 1
    assert proof.misplaced > 0
    assert "House|Retrofit pilot|New name" in proof.examples["reference"]


def test_two_databases_of_one_mariadb_compare_too(copied: Copied) -> None:
    other = f"{copied.database}_central"
    parents_first = [*make_station(1).tables, "Reading", "NodeState"]
    create_station(copied.server, other)
    try:
        for table in parents_first:
            copy = f"INSERT INTO {other}.{table} SELECT * FROM {copied.database}.{table}"
            copied.server.execute(copy)
        how = {"unix_socket": copied.server.socket, "user": copied.server.user}
        with copied.source() as source, MariaDBSide(database=other, **how) as central:
            assert compare(source, central).holds
        copied.server.execute(f"DELETE FROM {other}.Reading LIMIT 3")
        with copied.source() as source, MariaDBSide(database=other, **how) as central:
            assert found(compare(source, central)) == (3, 0, 0, 0)
    finally:
        copied.server.execute(f"DROP DATABASE {other}")


def test_of_two_states_with_one_key_the_later_counts(copied: Copied) -> None:
    copied.server.execute(
        "INSERT INTO NodeState (time, nodeId, parent, `localtime`, seq_num, rssi)"
        " SELECT time, nodeId, parent, `localtime`, seq_num, -1 FROM NodeState LIMIT 1",
        database=copied.database,
    )
    assert found(copied.proof()) == (0, 0, 0, 1)
    copied.damage("UPDATE NodeState SET rssi = -1 WHERE rowid = 1")
    assert copied.proof().holds


def test_as_a_command_it_prints_the_line_last_and_fails_on_damage(copied: Copied) -> None:
    command = [sys.executable, "-m", "demo.proof", "--source-socket", copied.server.socket]
    command += ["--source-database", copied.database, "--central-file", str(copied.path)]
    command += ["--kills", "7", "--seconds", "12.34"]
    good = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = copied.proof().source
    assert good.stdout == (
        f"PROOF source={rows} central={rows} missing=0 doubled=0 misplaced=0 different=0"
        " kills=7 seconds=12.3\n"
    )
    copied.damage("DELETE FROM Reading WHERE rowid <= 2")
    bad = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert bad.stdout.startswith("missing: Reading|")
    assert "missing=2 doubled=0 misplaced=0 different=0" in bad.stdout.splitlines()[-1]


def test_the_check_shares_no_code_with_the_replicator(copied: Copied) -> None:
    """Invariant of the proof: nothing of the replicator is even loaded."""
    program = (
        "import sys, demo.proof, demo.conservation, demo.witness;"
        "sys.exit(any(name.split('.')[0] == 'replicator' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_scratch_holds_both_sides(copied: Copied) -> None:
    with copied.source() as source, copied.source() as same:
        scratch = build_scratch(source, same)
    (rows,) = scratch.execute("SELECT count(*) FROM source").fetchone()
    assert rows == copied.proof().source
    scratch.close()
