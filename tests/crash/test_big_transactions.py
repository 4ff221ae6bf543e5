"""Transactions larger than what tail holds in memory: all of it in the outbox, or nothing."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, suppress

import pymysql

from demo.session import open_connection
from tests.crash.conftest import MakeRig
from tests.crash.plan import BIG_TRANSACTION_KILLS, COMMIT_KILLS
from tests.crash.rig import DATABASE, Rig

_ROWS = 22_000  # tail holds 20,000 in memory
_BIG = (
    "INSERT INTO Reading SELECT '{year}-01-01' + INTERVAL seq SECOND, 101, 0, NULL, seq / 7"
    f" FROM seq_1_to_{_ROWS}"
)


def test_a_reader_of_the_outbox_sees_whole_transactions_only(make_rig: MakeRig) -> None:
    rig = make_rig("ours")
    rig.furnish(600)
    rig.configure()
    tail = rig.daemon("tail")
    rig.wait_for(rig.has_read_the_tables, "the snapshot's end")
    before = _rows(rig)
    rig.sql(*(_BIG.format(year=year) for year in (2001, 2002)))
    for _ in range(BIG_TRANSACTION_KILLS):
        rig.watch(rig.rng.uniform(0.0, 1.2))
        rig.kill("tail", tail)
        assert (_rows(rig) - before) % _ROWS == 0
        rig.restart(tail)
    rig.wait_for(lambda: (_rows(rig) - before) // _ROWS == 2, "both transactions")
    rig.daemon("ship")
    rig.settle()
    rig.stop()
    proof, _ = rig.judge()
    assert proof.holds, proof
    assert rig.kills == BIG_TRANSACTION_KILLS
    assert rig.complaints() == ""


def test_the_database_dies_while_it_commits(make_rig: MakeRig) -> None:
    """What the database has after its recovery arrives, and nothing else."""
    rig = make_rig("original")
    rig.furnish(600)
    rig.configure()
    for name in ("tail", "ship"):
        rig.daemon(name)
    for number in range(COMMIT_KILLS):
        writer = threading.Thread(target=_write, args=(rig, 2001 + number))
        writer.start()
        rig.watch(rig.rng.uniform(0.05, 0.8))
        rig.kill("database", rig.server)
        writer.join()
        rig.restart(rig.server)
    rig.settle()
    rig.stop()
    proof, _ = rig.judge()
    assert proof.holds, proof
    assert rig.kills == COMMIT_KILLS
    assert rig.complaints() == ""


def _write(rig: Rig, year: int) -> None:
    with suppress(pymysql.MySQLError):  # it was killed meanwhile
        connection = open_connection(rig.server.socket, DATABASE)
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(_BIG.format(year=year))
            connection.commit()


def _rows(rig: Rig) -> int:
    """Rows inserted, as the log brought them into the outbox."""
    with closing(sqlite3.connect(f"file:{rig.outbox}/outbox.db?mode=ro", uri=True)) as outbox:
        sql = "SELECT coalesce(sum(row_count), 0) FROM entry WHERE op = 'insert'"
        return int(outbox.execute(sql).fetchone()[0])
