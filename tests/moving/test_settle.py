"""Settling is all or nothing, whenever the command dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from replicator.audit.places import chart
from replicator.change import Op
from replicator.moving.settle import captured, settle
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.journal import Deed, recorded
from replicator.outbox.reader import OutboxReader
from replicator.outbox.resends import Resends
from tests.cli.scene import Scene


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Scene]:
    """Twenty readings in four entries, behind the reference rows."""
    made = Scene(tmp_path, {"centre": "http://127.0.0.1:9"})
    made.furnish()
    for first in range(0, 20, 5):
        made.readings(1, range(first, first + 5), op=Op.SNAPSHOT)
    yield made
    made.close()


@contextmanager
def files(scene: Scene) -> Iterator[tuple[OutboxReader, Deliveries]]:
    with (
        closing(OutboxReader(scene.outbox)) as outbox,
        closing(Deliveries(scene.outbox, "centre")) as deliveries,
    ):
        yield outbox, deliveries


def run(scene: Scene, dies_before: int) -> None:
    """Settle every second reading, and die before a statement, from 0 on."""
    left = [dies_before]

    def trace(_sql: str) -> None:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    with files(scene) as (outbox, deliveries):
        deliveries.database.conn.set_trace_callback(trace)
        seen = captured(outbox, 0, chart([], [], lambda table, number: None))
        settle(
            outbox,
            deliveries,
            seen,
            lambda table, row: table != "Reading" or row["value"] != int(row["value"]),  # type: ignore[arg-type]  # a number
            Deed("me", "settle", ""),
        )


def test_killed_before_any_statement_all_is_sent_or_only_the_rest(waiting: Scene) -> None:
    for dies_before in range(100):
        child = os.fork()
        if child == 0:
            run(waiting, dies_before)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with files(waiting) as (outbox, deliveries):
            seq, rows = deliveries.cursor().seq, Resends(deliveries.database, deliveries.path)
            deeds = len(recorded(deliveries.database.conn, 9))
            if code == 0:
                assert (seq, deeds) == (outbox.bounds()[1], 1)
                assert rows.count() == 12 + 10  # the reference rows, and half of the readings
                assert dies_before > 10
                return
            assert (code, seq, rows.count(), deeds) == (-signal.SIGKILL, 0, 0, 0)
    raise AssertionError("never came to its end")
