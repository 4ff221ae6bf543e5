"""A station's rows from a folder onto a stream and back: all of them, in order, killed or not."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo.natsd import PrivateNats
from replicator import outward
from replicator.change import Change, Commit, Op
from replicator.delivery import Entry
from replicator.errors import OutboxError
from replicator.jetstream.shelf import Shelf
from replicator.outbox.gaps import record_gap
from replicator.outbox.home import home_of, refuse_for_folder, refuse_for_stream
from replicator.outbox.marks import Mark, Marks
from replicator.outbox.place import Healing, SnapshotPlace
from replicator.outbox.writer import OutboxWriter
from tests.contract.backends import AT, JetStream, Sqlite, nodes, place, readings, write
from tests.jetstream.moving import move_home, move_out

HOUSE = Change("House", Op.INSERT, ("id", "deploymentId", "address"), [(7, None, "Höhe 3")])


def filled(backend: JetStream, sizes: list[int]) -> list[int]:
    """Transactions of so many rows, after a reference row; the rows' numbers."""
    first = 0
    with closing(OutboxWriter(backend.folder)) as writer:
        writer.begin_at(place(1), None)
        write(writer, 2, HOUSE)
        for number, size in enumerate(sizes, 3):
            write(writer, number, *([readings(size, first)] if size else []))
            writer.flush()
            first += size
        writer.flush()
    return list(range(first))


def stream_rows(entries: list[Entry]) -> list[int]:
    return nodes(entry for entry in entries if entry.table == "Reading")


def rows_of(entries: list[Entry]) -> list[tuple[str, str, object, str, str]]:
    """Each row with what was said of it, in order."""
    return [
        (e.table, e.op.value, list(row), e.position, e.committed_at)
        for e in entries
        for row in e.rows
    ]


def elsewhere(backend: JetStream, folder: Path) -> JetStream:
    folder.mkdir(parents=True, exist_ok=True)
    return JetStream(backend.server, backend.station, folder, backend.stream)


def capture(backend: JetStream) -> tuple[str, str | None, int]:
    with closing(sqlite3.connect(backend.folder / "outbox.db")) as database:
        found: tuple[str, str | None, int] = database.execute(
            "SELECT position, snapshot, fed_to FROM capture"
        ).fetchone()
    return found


def test_out_and_home(jetstream: JetStream, tmp_path: Path) -> None:
    rows = filled(jetstream, [3, 2, 0])
    before = Sqlite(jetstream.folder).read()
    assert move_out(jetstream) == 6
    assert capture(jetstream)[2] > 0
    with jetstream.open() as outbox:  # tail goes on at the same position
        assert str(outbox.position) == capture(jetstream)[0] == str(place(5))
        write(outbox, 6, readings(2, 5))
        outbox.flush()
    assert jetstream.read()[: len(before)] == before
    assert stream_rows(Sqlite(jetstream.folder).read()) == [*rows, 5, 6]
    with jetstream.open() as outbox:
        write(outbox, 7, readings(1, 7))
        outbox.flush()
    assert move_home(jetstream) == 1
    assert capture(jetstream) == (str(place(7)), None, 0)
    with closing(OutboxWriter(jetstream.folder)) as writer:  # tail goes on here
        refuse_for_folder(writer.database)
        assert home_of(writer.database) is None
        write(writer, 8, readings(1, 8))
        writer.flush()
    assert stream_rows(Sqlite(jetstream.folder).read()) == list(range(9))
    assert move_out(jetstream) == 10  # and out again
    other = elsewhere(jetstream, tmp_path / "new")
    assert stream_rows(other.read()) == list(range(9))


def test_who_comes_late_is_refused(jetstream: JetStream, tmp_path: Path) -> None:
    filled(jetstream, [1])
    move_out(jetstream)
    url = f"{jetstream.server}/{jetstream.stream}"
    with closing(OutboxWriter(jetstream.folder)) as writer:
        with pytest.raises(OutboxError) as refused:
            refuse_for_folder(writer.database)
        assert f"set `[outbox] url = {url}`" in refused.value.hint
        refuse_for_stream(writer.database, url)
        with pytest.raises(OutboxError, match="filled from another stream"):
            refuse_for_stream(writer.database, "nats://h/T")
    with pytest.raises(OutboxError, match="filled from a stream"):
        move_out(jetstream)
    move_home(jetstream)
    with jetstream.open() as outbox, pytest.raises(OutboxError, match="moved from the stream"):
        assert outbox.position
    other = elsewhere(jetstream, tmp_path / "new")
    with pytest.raises(OutboxError, match="moved from the stream"):
        other.read()
    with pytest.raises(OutboxError, match="to another folder"):
        move_home(other)


def test_a_running_tail_learns_that_the_station_moved(jetstream: JetStream) -> None:
    filled(jetstream, [1])
    move_out(jetstream)
    with jetstream.open() as outbox:
        write(outbox, 9, readings(1, 1))
        outbox.flush()
        move_home(jetstream)
        write(outbox, 10, readings(1, 2))
        with pytest.raises(OutboxError):
            outbox.flush()
    assert stream_rows(Sqlite(jetstream.folder).read()) == [0, 1]


def test_a_stream_with_rows_of_somebody_else(jetstream: JetStream) -> None:
    with jetstream.open() as outbox:
        outbox.begin_at(place(1), None)
    filled(jetstream, [1])
    with pytest.raises(OutboxError, match="not this folder's"):
        move_out(jetstream)
    with closing(OutboxWriter(jetstream.folder)) as writer:
        refuse_for_folder(writer.database)


def test_other_readers_keep_it_there(jetstream: JetStream) -> None:
    filled(jetstream, [1])
    move_out(jetstream)
    bus, _ = jetstream.connection()
    with closing(bus):
        Shelf(bus, jetstream.stream, jetstream.station, "archive", 1).claim()
    with pytest.raises(OutboxError, match="archive"):
        move_home(jetstream)


def test_snapshots_go_along_and_healing_does_not(jetstream: JetStream) -> None:
    filled(jetstream, [1])
    snapshot = SnapshotPlace("Node", (4,))
    with closing(OutboxWriter(jetstream.folder)) as writer:
        writer.append_snapshot(
            readings(1, 1, Op.SNAPSHOT), SnapshotPlace("Node", (4,), Healing(1, deletes=True))
        )
    with pytest.raises(OutboxError, match="not healed"):
        move_out(jetstream)
    with closing(OutboxWriter(jetstream.folder)) as writer:
        writer.append_snapshot(readings(1, 2, Op.SNAPSHOT), snapshot)
        record_gap(writer.database, place(3), "purged")
    with pytest.raises(OutboxError, match="not healed"):
        move_out(jetstream)
    with closing(OutboxWriter(jetstream.folder)) as writer:
        writer.database.conn.execute("DELETE FROM gap")
        Marks(writer.database).add(Mark("Reading", None, (1,), 1, "d"), sure=True)
    move_out(jetstream)
    with jetstream.open() as outbox:
        assert outbox.snapshot == snapshot
        write(outbox, 9, readings(1, 3))
        outbox.flush()
    move_home(jetstream)
    with closing(OutboxWriter(jetstream.folder)) as writer:
        assert writer.snapshot == snapshot
        assert Marks(writer.database).of("Reading") == []
    assert stream_rows(Sqlite(jetstream.folder).read()) == [0, 1, 2, 3]


def test_what_is_settled_stays(jetstream: JetStream, tmp_path: Path) -> None:
    filled(jetstream, [1, 1, 1])
    last = Sqlite(jetstream.folder).read()[-1].seq
    assert move_out(jetstream, settled=last) == 0
    other = elsewhere(jetstream, tmp_path / "new")
    assert other.read() == []
    assert capture(other)[0] == capture(jetstream)[0]
    with closing(sqlite3.connect(other.folder / "outbox.db")) as database:  # from the bucket
        assert database.execute("SELECT id FROM reference").fetchall() == [(7,)]


def _die(direction: str, nth: int, backend: JetStream) -> bool:
    """Whether it died."""
    where = (backend.server, backend.station, str(backend.folder), backend.stream)
    command = [sys.executable, "-m", "tests.jetstream.moving", direction, str(nth), *where]
    ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr.decode()
    return ended.returncode != 0


@pytest.mark.parametrize("nth", range(1, 11))
def test_killed_on_the_way_out(
    jetstream: JetStream, tmp_path: Path, nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outward, "GROUP_ROWS", 4)
    rows = filled(jetstream, [3, 2, 9, 1])
    before = rows_of(Sqlite(jetstream.folder).read())
    if _die("out", nth, jetstream):
        move_out(jetstream)
    assert rows_of(elsewhere(jetstream, tmp_path / "new").read()) == before
    assert stream_rows(jetstream.read()) == rows
    assert capture(jetstream)[0] == str(place(6))


@pytest.mark.parametrize("nth", range(1, 10))
def test_killed_on_the_way_home(jetstream: JetStream, nth: int) -> None:
    filled(jetstream, [3, 2])
    move_out(jetstream)
    with jetstream.open() as outbox:
        write(outbox, 9, readings(2, 5))
        outbox.flush()
    if _die("home", nth, jetstream):
        move_home(jetstream)
    assert stream_rows(Sqlite(jetstream.folder).read()) == list(range(7))
    assert capture(jetstream) == (str(place(9)), None, 0)
    bus, stream = jetstream.connection()
    with closing(bus):
        shelf = Shelf(bus, jetstream.stream, jetstream.station, "ship", 1)
        assert shelf.readers() == set()
        assert shelf.references() == []
        head = stream.head()
        assert head.end is not None
        assert head.end.message.change is None


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    transactions=st.lists(
        st.lists(st.tuples(st.sampled_from(list(Op)), st.integers(1, 6)), max_size=3), max_size=8
    ),
    group=st.integers(1, 8),
)
def test_there_and_back_keeps_everything(
    nats_server: PrivateNats, transactions: list[list[tuple[Op, int]]], group: int
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(outward, "GROUP_ROWS", group)
        backend = JetStream(nats_server.url, name, Path(name) / "one", "MOVES")
        first = 0
        with closing(OutboxWriter(backend.folder)) as writer:
            writer.begin_at(place(1), None)
            for number, changes in enumerate(transactions, 2):
                for op, size in changes:
                    writer.append(readings(size, first, op))
                    first += size
                writer.commit(Commit(place(number), AT))
            writer.flush()
        before = rows_of(Sqlite(backend.folder).read())
        position = capture(backend)[0]
        move_out(backend)
        other = elsewhere(backend, Path(name) / "two")
        other.read()
        assert move_home(other) == 0
        entries = Sqlite(other.folder).read()
        assert rows_of(entries) == before
        assert [e.seq for e in entries] == sorted({e.seq for e in entries})
        assert capture(other) == (position, None, 0)
