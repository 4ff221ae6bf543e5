"""Killed while it reads the tables: it goes on where it was, and reads no chunk twice."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.crash.conftest import MakeRig
from tests.crash.plan import SNAPSHOT_DATABASE_KILLS, SNAPSHOT_TAIL_KILLS, Victim
from tests.crash.rig import DATABASE, Killable, Rig

_READINGS = 20_000
_TABLES = ("Deployment", "House", "RoomType", "Room", "Location", "NodeType", "SensorType", "Node")


def test_a_snapshot_reads_every_row_once_whatever_dies(make_rig: MakeRig) -> None:
    rig = make_rig("ours")
    rig.furnish(_READINGS)
    rig.configure(snapshot_chunk=100)
    tail = rig.daemon("tail")
    victims: list[tuple[Victim, Killable]] = [("tail", tail)] * SNAPSHOT_TAIL_KILLS
    victims += [("database", rig.server)] * SNAPSHOT_DATABASE_KILLS
    rig.rng.shuffle(victims)
    moments = sorted(rig.rng.uniform(0, 0.6) * _READINGS for _ in victims)
    for (name, victim), rows in zip(victims, moments, strict=True):
        rig.wait_for(lambda rows=rows: _captured(rig) >= rows, f"{rows:.0f} rows")  # type: ignore[misc]  # a default binds it
        backlog = rig.backlog()
        assert backlog is None or backlog.tail.snapshot is not None
        rig.kill(name, victim)
        rig.restart(victim)
    rig.wait_for(rig.has_read_the_tables, "the snapshot's end")
    rig.daemon("ship")
    rig.settle()
    rig.stop()
    assert rig.kills == SNAPSHOT_TAIL_KILLS + SNAPSHOT_DATABASE_KILLS
    assert _snapshot_rows(rig) == _station_rows(rig)
    proof, _ = rig.judge()
    assert proof.holds, proof
    assert rig.complaints() == ""


def _captured(rig: Rig) -> int:
    backlog = rig.backlog()
    return backlog.tail.rows_captured if backlog else 0


def _snapshot_rows(rig: Rig) -> dict[str, int]:
    """Rows that chunks brought into the outbox, by table."""
    with closing(sqlite3.connect(rig.outbox / "outbox.db")) as outbox:
        sql = "SELECT table_name, sum(row_count) FROM entry WHERE op = 'snapshot' GROUP BY 1"
        return dict(outbox.execute(sql).fetchall())


def _station_rows(rig: Rig) -> dict[str, int]:
    """Rows of the station's tables, without the marker that came by the log."""
    with closing(rig.server.connect(DATABASE)) as connection, connection.cursor() as cursor:
        found = {}
        for table in (*_TABLES, "Sensor", "Reading", "NodeState"):
            cursor.execute(f"SELECT count(*) FROM {table}")
            found[table] = int((cursor.fetchone() or (0,))[0])
    return {**found, "Reading": found["Reading"] - 1}
