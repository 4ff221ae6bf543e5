"""Capture into a stream whose servers die, freeze, fill up, or let another writer in."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator

import pytest
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, StreamConfig

from demo.natsd import PrivateNats
from replicator.change import Change, Commit, Op
from replicator.errors import OutboxBusy, OutboxError, OutboxFull, OutboxTaken, OutboxUnavailable
from replicator.jetstream import bus as bus_module
from replicator.jetstream import stream as stream_module
from replicator.jetstream.messages import Message, body, headers
from replicator.jetstream.writer import JetStreamOutbox
from tests.contract.backends import AT, JetStream, Sqlite, nodes, place, readings, write


def test_a_server_that_was_killed(
    own: JetStream, own_nats: PrivateNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "ANSWER_SECONDS", 1.0)
    with own.open() as outbox:
        outbox.begin_at(place(1), None)
        write(outbox, 10, readings(3))
        outbox.flush()
        own_nats.kill()
        write(outbox, 20, readings(3, 10))
        with pytest.raises(OutboxUnavailable):
            outbox.flush()
        outbox.abandon()  # as capture does, before it tries again
        with pytest.raises(OutboxUnavailable):
            _ = outbox.position
        own_nats.start()
        assert outbox.position == place(10)
        write(outbox, 20, readings(3, 10))
        outbox.flush()
    assert nodes(own.read()) == [0, 1, 2, 10, 11, 12]


def test_a_server_that_answers_too_late(
    own: JetStream, own_nats: PrivateNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent may be stored after all: the stream is asked, and nothing comes twice."""
    monkeypatch.setattr(bus_module, "ANSWER_SECONDS", 1.0)
    with own.open() as outbox:
        outbox.begin_at(place(1), None)
        own_nats.freeze()
        write(outbox, 10, readings(3))
        with pytest.raises(OutboxUnavailable):
            outbox.flush()
        outbox.abandon()
        own_nats.thaw()
        for _ in range(3):
            try:
                _capture_on(outbox)
                break
            except OutboxTaken:
                raise
            except OutboxBusy:  # our own, late
                outbox.abandon()
    assert nodes(own.read()) == [0, 1, 2, 3]


def test_a_server_that_lost_what_it_acknowledged(
    own: JetStream, own_nats: PrivateNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut before its disk was synced: the stream says itself where capture goes on."""
    monkeypatch.setattr(bus_module, "ANSWER_SECONDS", 1.0)
    with own.open() as outbox, own.feed() as feed:
        outbox.begin_at(place(1), None)
        write(outbox, 10, readings(2))
        outbox.flush()
        own_nats.kill()
        shutil.copytree(own_nats.folder / "data", own_nats.folder / "on-disk")
        own_nats.start()
        outbox.abandon()
        assert outbox.position == place(10)
        write(outbox, 20, readings(2, 20))
        write(outbox, 30, readings(2, 30))
        outbox.flush()
        feed.read_to_end()
        own_nats.kill()
        shutil.rmtree(own_nats.folder / "data")
        (own_nats.folder / "on-disk").rename(own_nats.folder / "data")
        own_nats.start()
        write(outbox, 40, readings(2, 40))
        with pytest.raises(OutboxBusy, match="has lost messages") as caught:
            outbox.flush()
        assert not isinstance(caught.value, OutboxTaken)
        outbox.abandon()
        assert outbox.position == place(10)
        for number in (20, 30, 40):
            write(outbox, number, readings(2, number))
        outbox.flush()
        feed.fall_back()
        feed.read_to_end()
        assert "fallen back" in feed.said
    rows = nodes(Sqlite(own.folder).read())
    assert rows == [0, 1, 20, 21, 30, 31, 0, 1, 20, 21, 30, 31, 40, 41]


def _capture_on(outbox: JetStreamOutbox) -> None:
    assert outbox.position is not None
    if outbox.position == place(1):
        write(outbox, 10, readings(3))
    write(outbox, 20, readings(1, 3))
    outbox.flush()


@pytest.mark.parametrize("parts", [0, 3])
def test_a_full_stream_refuses_and_keeps_what_it_has(jetstream: JetStream, parts: int) -> None:
    bus, stream = jetstream.connection()
    outbox = JetStreamOutbox(bus, stream, 1, 40_000)
    outbox.begin_at(place(1), None)
    numbers = itertools.count(2)
    with pytest.raises(OutboxFull):
        _fill(outbox, numbers, parts)
    number = next(numbers) - 1
    outbox.abandon()
    assert outbox.position == place(number - 1)
    stream.purge(stream.head().seq)
    write(outbox, number, readings(50, 50 * number))
    outbox.flush()
    assert outbox.position == place(number)
    outbox.close()


def test_a_stream_that_the_servers_have_no_room_for(jetstream: JetStream) -> None:
    bus, stream = jetstream.connection()
    outbox = JetStreamOutbox(bus, stream, 1, 1 << 40)
    with pytest.raises(OutboxFull) as caught:
        _ = outbox.position
    assert "max_size" in caught.value.hint
    outbox.close()


def _fill(outbox: JetStreamOutbox, numbers: Iterator[int], parts: int) -> None:
    for number in numbers:
        deletes = [readings(50, 50 * number, op) for op in (Op.DELETE, Op.UPDATE, Op.INSERT)]
        write(outbox, number, *deletes[:parts], readings(50, 50 * number, Op.SNAPSHOT))
        outbox.flush()


def test_of_two_writers_that_a_server_let_pass_the_first_counts(jetstream: JetStream) -> None:
    """As servers before 2.9.21 may, in a cluster: published here without asking for the last."""
    with jetstream.open() as outbox:
        outbox.begin_at(place(1), None)
        bus, stream = jetstream.connection()
        head = stream.head().seq
        write(outbox, 10, readings(2))
        outbox.flush()
        assert outbox.position == place(10)
        at = stream.end_at(head)
        late = at.message if at is not None else None
        assert late is not None
        late = Message("late", 1, head, readings(1, 99), late.commit, writer="another")

        async def pass_by(js: JetStreamContext) -> None:
            await js.publish(stream.subjects.end, body(late), headers=headers(late))

        bus.call(pass_by)
        assert stream.head().end is not None
        assert stream.head().seq < stream.head().last
        write(outbox, 20, readings(2, 20))
        with pytest.raises(OutboxBusy):  # it sees that somebody else was there
            outbox.flush()
        outbox.abandon()
        assert outbox.position == place(10)
        write(outbox, 20, readings(2, 20))
        outbox.flush()
        bus.close()
    assert nodes(jetstream.read()) == [0, 1, 20, 21]


def test_a_writer_that_a_server_let_pass_too_late_is_told(
    jetstream: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not take its rows for stored: nobody reads them."""
    monkeypatch.setattr(stream_module, "EXPECTED_LAST", "Not-Asked-For")
    with jetstream.open() as first, jetstream.open() as second:
        first.begin_at(place(1), None)
        assert second.position == place(1)
        for each in (first, second):
            write(each, 10, readings(2))
        first.flush()
        with pytest.raises(OutboxTaken):
            second.flush()
        second.abandon()
        assert second.position == place(10)
        write(second, 20, readings(1, 20))
        second.flush()
    assert nodes(jetstream.read()) == [0, 1, 20]


def test_the_writer_that_is_late_is_told(jetstream: JetStream) -> None:
    with jetstream.open() as first, jetstream.open() as second:
        first.begin_at(place(1), None)
        assert second.position == place(1)
        write(second, 10, readings(2))
        second.flush()
        write(first, 10, readings(2))
        with pytest.raises(OutboxTaken) as caught:
            first.flush()
    assert caught.value.exit_code == 13
    assert "station 1" in caught.value.detail


@pytest.mark.parametrize(
    ("setting", "value"),
    [("discard", DiscardPolicy.OLD), ("max_age", 3600.0), ("max_msgs_per_subject", 10)],
)
def test_a_stream_that_drops_rows_is_refused(
    jetstream: JetStream, setting: str, value: object
) -> None:
    bus, _ = jetstream.connection()
    settings = {"discard": DiscardPolicy.NEW, setting: value}
    config = StreamConfig(name=jetstream.stream, subjects=[f"{jetstream.stream}.>"], **settings)  # type: ignore[arg-type]  # by name
    bus.call(lambda js: js.add_stream(config))
    bus.close()
    with jetstream.open() as outbox, pytest.raises(OutboxError, match="may drop") as caught:
        _ = outbox.position
    assert setting in caught.value.detail


def test_wide_rows_are_cut_to_what_a_message_takes(jetstream: JetStream) -> None:
    rows = [(n, "x" * 1_500) for n in range(900)]
    with jetstream.open() as outbox:
        outbox.begin_at(place(1), None)
        write(outbox, 10, Change("House", Op.INSERT, ("id", "address"), rows))
        outbox.flush()
        outbox.append(Change("House", Op.INSERT, ("id", "address"), [(1, "x" * 2_000_000)]))
        with pytest.raises(OutboxError, match="too large"):
            outbox.commit(Commit(place(20), AT))
    seen = jetstream.read()
    assert [row[0] for entry in seen for row in entry.rows] == list(range(900))
    assert len(seen) == 1, "one transaction: joined again in the folder"
