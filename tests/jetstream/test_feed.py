"""From the stream into the folder: once, in order, and nothing goes before all have settled it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from nats.js import JetStreamContext

from demo.mariadbd import die_with_parent
from demo.natsd import PrivateNats
from replicator.change import Change, Op
from replicator.errors import OutboxFull, OutboxTaken, OutboxUnavailable
from replicator.feed import Feed
from replicator.jetstream import bus as bus_module
from replicator.jetstream.shelf import Shelf
from replicator.outbox.clock import now
from replicator.outbox.deliveries import Cursor, Deliveries
from replicator.outbox.house import Budget, House
from replicator.outbox.place import SnapshotPlace
from replicator.outbox.reader import OutboxReader
from replicator.outbox.writer import OutboxWriter
from tests.contract.backends import JetStream, Sqlite, nodes, place, readings, write


class Settled:
    """A house in which so much is settled."""

    def __init__(self) -> None:
        self.seq: int | None = None

    def keep(self) -> int | None:
        return self.seq


def house(number: int, address: str, op: Op = Op.INSERT) -> Change:
    return Change("House", op, ("id", "address"), [(number, address)])


def messages(jetstream: JetStream) -> int:
    """How many of the station's there are."""
    bus, stream = jetstream.connection()

    async def count(js: JetStreamContext) -> int:
        info = await js.stream_info(stream.name, subjects_filter=stream.subjects.all)
        return sum((info.state.subjects or {}).values())

    found = bus.call(count)
    bus.close()
    return found


def settle(feed: Feed, house: Settled, seq: int) -> None:
    feed.keep_references()
    house.seq = seq
    feed.step(0.05)
    house.seq = None


def test_killed_again_and_again(jetstream: JetStream) -> None:
    with jetstream.open() as outbox:
        outbox.begin_at(place(0), None)
        for number in range(1, 600):
            write(outbox, number, readings(20, 20 * number), readings(0))
            if number % 3 == 0:
                outbox.flush()
        outbox.flush()
    for lines in (0, 1, 2, 3):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.jetstream.feeding", *jetstream.spec],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # only prctl
        )
        assert child.stdout is not None
        with child.stdout as said:
            for _ in range(lines):
                assert said.readline()
            child.kill()
            said.read()
        child.wait()
    assert nodes(jetstream.read()) == list(range(20, 12_000))


def test_the_place_of_the_snapshot_comes_along(jetstream: JetStream) -> None:
    with jetstream.open() as outbox:
        outbox.begin_at(place(1), SnapshotPlace("House"))
        outbox.append_snapshot(house(1, "a", Op.SNAPSHOT), SnapshotPlace("Node", (7,)))
        jetstream.read()
        reader = OutboxReader(jetstream.folder)
        assert reader.snapshot_table() == "Node"
        assert reader.captured_to() == place(1)
        outbox.append_snapshot(None, None)
        jetstream.read()
        assert reader.snapshot_table() is None
        reader.close()


def test_what_is_settled_goes_and_reference_rows_stay(jetstream: JetStream, tmp_path: Path) -> None:
    settled = Settled()
    with jetstream.open() as outbox, jetstream.feed(house=settled) as feed:
        outbox.begin_at(place(1), None)
        for number, address in ((1, "one"), (2, "two"), (3, "three")):
            write(outbox, 10 + number, house(number, address), readings(1, number))
            outbox.flush()
            feed.read_to_end()
        write(outbox, 20, house(2, "two", Op.DELETE), readings(1, 9))
        outbox.flush()
        feed.read_to_end()
        before = messages(jetstream)
        settle(feed, settled, 4)  # of seqs 1 to 8: both entries of two groups
        left = messages(jetstream)
        assert 0 < left < before
        settle(feed, settled, 8)
        assert 0 < messages(jetstream) < left
        outbox.abandon()
        assert outbox.position == place(20), "the last group stays: it says where capture stands"
    with jetstream.feed(tmp_path / "anew") as feed:
        feed.read_to_end()
    assert nodes(e for e in Sqlite(tmp_path / "anew").read() if e.table == "Reading") == [9]
    reader = OutboxReader(tmp_path / "anew")
    assert reader.reference("House", 1) == {"id": 1, "address": "one"}
    assert reader.reference("House", 3) == {"id": 3, "address": "three"}
    assert reader.is_deleted("House", 2)
    reader.close()


def test_every_readers_destinations_must_have_settled(jetstream: JetStream, tmp_path: Path) -> None:
    near, far = Settled(), Settled()
    with (
        jetstream.open() as outbox,
        jetstream.feed(house=near) as one,
        jetstream.feed(tmp_path / "far", far, "far") as other,
    ):
        outbox.begin_at(place(1), None)
        for number in range(10, 20):
            write(outbox, number, readings(1, number))
            outbox.flush()
        one.read_to_end()
        other.read_to_end()
        before = messages(jetstream)
        assert before == 11
        settle(one, near, 10)
        assert messages(jetstream) == before, "the other has settled nothing"
        settle(other, far, 10)
        assert messages(jetstream) == 1, "the last group stays"
    assert nodes(Sqlite(tmp_path / "far").read()) == list(range(10, 20))


def test_two_readers_of_one_name(jetstream: JetStream, tmp_path: Path) -> None:
    settled = Settled()
    with jetstream.open() as outbox, jetstream.feed(house=settled) as older:
        outbox.begin_at(place(1), None)
        write(outbox, 10, readings(1))
        outbox.flush()
        older.read_to_end()
        with jetstream.feed(tmp_path / "newer") as newer:
            newer.read_to_end()
        settled.seq = 1
        with pytest.raises(OutboxTaken, match="another ship"):
            older.step(0.05)


def test_a_stream_that_lost_what_it_had_is_read_again(
    own: JetStream, own_nats: PrivateNats
) -> None:
    """As after a power cut, where acknowledged messages were not on its disk yet."""
    with own.open() as outbox, own.feed() as feed:
        outbox.begin_at(place(1), None)
        write(outbox, 10, readings(2))
        outbox.flush()
        feed.read_to_end()
        bus, stream = own.connection()
        bus.call(lambda js: js.delete_stream(stream.name))
        bus.close()
        outbox.abandon()
        assert outbox.position is None
        outbox.begin_at(place(1), None)
        write(outbox, 10, readings(2))
        write(outbox, 20, readings(1, 20))
        outbox.flush()
        feed.fall_back()
        feed.read_to_end()
        assert "fallen back" in feed.said
    assert nodes(Sqlite(own.folder).read()) == [0, 1, 0, 1, 20]


def test_a_reader_of_the_stream_of_before_holds_the_one_made_anew(
    own: JetStream, tmp_path: Path
) -> None:
    near, far = Settled(), Settled()
    with own.open() as outbox, own.feed(house=near) as one:
        with own.feed(tmp_path / "far", far, "far") as other:
            outbox.begin_at(place(1), None)
            for number in range(10, 40):
                write(outbox, number, readings(1, number))
                outbox.flush()
            one.read_to_end()
            other.read_to_end()
            settle(other, far, 30)  # and it is away from now on
        bus, stream = own.connection()
        bus.call(lambda js: js.delete_stream(stream.name))
        bus.close()
        outbox.abandon()
        outbox.begin_at(place(1), None)
        for number in range(10, 60):
            write(outbox, number, readings(1, number))
            outbox.flush()
        one.fall_back()
        one.read_to_end()
        before = messages(own)
        settle(one, near, 70)
        assert messages(own) == before
    with own.feed(tmp_path / "far", far, "far") as other:
        other.read_to_end()
    assert set(nodes(Sqlite(tmp_path / "far").read())) == set(range(10, 60))


def test_a_server_that_comes_and_goes(
    own: JetStream, own_nats: PrivateNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "ANSWER_SECONDS", 1.0)
    with own.open() as outbox, own.feed() as feed:
        outbox.begin_at(place(1), None)
        write(outbox, 10, readings(2))
        outbox.flush()
        feed.read_to_end()
        own_nats.kill()
        with pytest.raises(OutboxUnavailable):
            _steps(feed)
        feed.fall_back()
        own_nats.start()
        outbox.abandon()
        assert outbox.position == place(10)
        write(outbox, 20, readings(1, 20))
        outbox.flush()
        feed.read_to_end()
    assert nodes(Sqlite(own.folder).read()) == [0, 1, 20]


def _steps(feed: Feed) -> None:
    for _ in range(10):
        feed.step(0.1)


def test_a_folder_over_its_budget_pauses_and_what_was_deleted_is_forgotten(
    jetstream: JetStream, tmp_path: Path
) -> None:
    """With the house that ship keeps: what all have settled expires here, then in the stream."""
    bus, stream = jetstream.connection()
    writer = OutboxWriter(jetstream.folder)
    centre = Deliveries(jetstream.folder, "centre")
    budget = Budget(jetstream.folder, ["centre"], 300_000, 0.0, 0.0)
    house_of_ship = House(
        writer, budget, now, time.monotonic, lambda _settled: feed.keep_references()
    )
    shelf = Shelf(bus, stream.name, jetstream.station, "ship", 1)
    feed = Feed(bus, stream, shelf, writer, house_of_ship)
    with jetstream.open() as outbox:
        outbox.begin_at(place(1), None)
        write(outbox, 10, house(1, "one"), house(2, "two"))
        write(outbox, 11, house(2, "two", Op.DELETE))
        for number in range(20, 40):
            write(outbox, number, readings(500, number))
            outbox.flush()
    with pytest.raises(OutboxFull):
        _steps(feed)
    feed.fall_back()
    before = messages(jetstream)
    last = writer.database.conn.execute("SELECT max(seq) FROM entry").fetchone()[0]
    centre.rewind(Cursor(last, 0, "", 0))
    _steps(feed)
    assert messages(jetstream) < before
    centre.close()
    writer.close()
    bus.close()
    with jetstream.feed(tmp_path / "anew") as other:
        other.read_to_end()
    reader = OutboxReader(tmp_path / "anew")
    assert [number for number, _, _ in reader.references("House")] == [1]
    reader.close()
