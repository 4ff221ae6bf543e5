"""Desks beside the stream: the newest holding's counts, and a folder made from one goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from nats.js import JetStreamContext

from replicator.delivery import Entry
from replicator.desk import StationDesk
from replicator.errors import OutboxTaken
from replicator.feed import Feed
from replicator.jetstream.bus import Bus
from replicator.jetstream.desks import Desks, Version
from replicator.jetstream.shelf import Shelf
from replicator.outbox.deliveries import Cursor, Deliveries
from replicator.outbox.writer import OutboxWriter
from tests.contract.backends import JetStream, NoHouse, Sqlite, nodes, place, readings, write


def desks_of(jetstream: JetStream, rising: Iterator[int] | None = None) -> tuple[Bus, Desks]:
    bus, _ = jetstream.connection()
    numbers = rising or count(1)
    station, name = jetstream.station, jetstream.stream
    return bus, Desks(bus, name, station, "ship", 1, lambda: next(numbers))


def test_the_newest_holding_counts(jetstream: JetStream) -> None:
    rising = count(1)
    bus, desks = desks_of(jetstream, rising)
    assert desks.fetch() is None
    large = bytes(range(256)) * 3000
    assert desks.keep(5, b"first") == Version(5, 1)
    assert desks.keep(7, large) == Version(7, 2)
    _, late = desks_of(jetstream, rising)
    late.keep(5, b"of one that is woken")
    assert desks.fetch() == (Version(7, 2), large)
    assert desks.keep(7, b"newer") == Version(7, 4)
    assert desks.fetch() == (Version(7, 4), b"newer")
    assert desks.keep(7, b"newest") == Version(7, 5)
    assert bus.call(lambda js: js.stream_info(f"{jetstream.stream}_desks")).state.messages == 2
    bus.close()


def subjects(bus: Bus, jetstream: JetStream) -> list[str]:
    name = f"{jetstream.stream}_desks"
    info = bus.call(lambda js: js.stream_info(name, subjects_filter=">"))
    return sorted(info.state.subjects or ())


def test_parts_of_an_attempt_that_was_given_up_come_late(jetstream: JetStream) -> None:
    """Its connection was lost; what was under way arrives while the next one keeps its own."""
    bus, first = desks_of(jetstream, count(10, 10))
    assert first.keep(5, b"first") == Version(5, 10)
    known = set(subjects(bus, jetstream))
    late: list[tuple[str, bytes]] = []

    class Swallowed(Exception):
        """In place of the answer that does not come."""

    async def lost(subject: str, payload: bytes, **_more: object) -> None:
        late.append((subject, payload))
        if subject.endswith(".whole"):
            raise Swallowed

    def keep(js: JetStreamContext) -> JetStreamContext:
        js.publish = lost  # type: ignore[method-assign, assignment]
        return js

    usual = bus.call
    bus.call = lambda make: usual(lambda js: make(keep(js)))  # type: ignore[method-assign]
    with pytest.raises(Swallowed):
        first.keep(5, b"given up" * 50_000)
    bus.call = usual  # type: ignore[method-assign]
    assert set(subjects(bus, jetstream)) == known
    assert len(late) == 3

    other, again = desks_of(jetstream, count(21))
    desk = b"kept" * 100_000
    assert again.keep(5, desk) == Version(5, 21)
    for subject, payload in late:
        other.call(partial(_publish, subject, payload))
        assert again.fetch() == (Version(5, 21), desk)
    again.keep(5, b"newest")
    assert again.fetch() == (Version(5, 22), b"newest")
    assert {subject.split(".")[4] for subject in subjects(other, jetstream)} <= {"22", "0"}
    bus.close()
    other.close()


async def _publish(subject: str, payload: bytes, js: JetStreamContext) -> None:
    await js.publish(subject, payload)


@contextmanager
def held(jetstream: JetStream, folder: Path, epoch: int) -> Iterator[Feed]:
    """A feed as a holder has it: its folder made the newest first."""
    bus, stream = jetstream.connection()
    desks = Desks(bus, jetstream.stream, jetstream.station, "ship", 1)
    desk = StationDesk(desks, stream, folder, ["central"], 1000.0, epoch)
    shelf = Shelf(bus, jetstream.stream, jetstream.station, "ship", 1)
    shelf.claim()
    desk.prepare("FULL")
    writer = OutboxWriter(folder)
    try:
        yield Feed(bus, stream, shelf, writer, NoHouse(), desk=desk)
    finally:
        writer.close()
        bus.close()


def first_held(jetstream: JetStream) -> int:
    """Of the stream's messages."""
    bus, _ = jetstream.connection()
    with closing(bus):
        return bus.call(lambda js: js.stream_info(jetstream.stream)).state.first_seq


def settle(folder: Path, to: Entry) -> None:
    with closing(Deliveries(folder, "central")) as deliveries:
        deliveries.rewind(Cursor(to.seq, 0, to.position, to.seq))


def seqs(folder: Path) -> list[tuple[int, list[int]]]:
    return [(entry.seq, nodes([entry])) for entry in Sqlite(folder).read()]


def test_a_folder_made_from_a_desk_goes_on_with_the_same_seqs(
    jetstream: JetStream, tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    with jetstream.open() as outbox, held(jetstream, one, 5) as feed:
        outbox.begin_at(place(1), None)
        for number in range(10, 20):
            write(outbox, number, readings(1, number))
            outbox.flush()
            feed.read_to_end()
        entries = Sqlite(one).read()
        feed.keep_desk()
        assert first_held(jetstream) == 1  # nothing is settled
        settle(one, entries[3])
        feed.keep_desk()
        floor = first_held(jetstream)
        assert 1 < floor <= entries[4].seq + 1
        settle(one, entries[6])  # no desk says so
    with held(jetstream, other, 7) as feed:
        feed.read_behind(entries[3].seq)
        assert seqs(other)[0] == (4, [13])
        feed.read_to_end()
    assert seqs(other) == seqs(one)[3:]
    assert first_held(jetstream) == floor
    with closing(Deliveries(other, "central")) as deliveries:
        assert deliveries.cursor().seq == 4


def test_a_folder_is_gone_on_with_unless_another_has_kept_a_desk_since(
    jetstream: JetStream, tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    with jetstream.open() as outbox, held(jetstream, one, 5) as feed:
        outbox.begin_at(place(1), None)
        write(outbox, 10, readings(1, 10))
        outbox.flush()
        feed.read_to_end()
        settle(one, Sqlite(one).read()[0])
        feed.keep_desk()
    with held(jetstream, one, 6) as feed:
        feed.step(0.1)
        assert not (one / ".before").exists()
    with held(jetstream, other, 7) as feed:
        feed.read_to_end()
        settle(other, Sqlite(other).read()[0])
        feed.keep_desk()
    with held(jetstream, one, 8) as feed:
        feed.step(0.1)
        assert (one / ".before" / "outbox.db").exists()


def test_a_reader_of_before_moves_no_floor(jetstream: JetStream, tmp_path: Path) -> None:
    one = tmp_path / "one"
    with jetstream.open() as outbox, held(jetstream, one, 5) as feed:
        outbox.begin_at(place(1), None)
        for number in range(10, 14):
            write(outbox, number, readings(1, number))
            outbox.flush()
            feed.read_to_end()
        settle(one, Sqlite(one).read()[-1])
        bus, _ = jetstream.connection()
        with closing(bus):
            Shelf(bus, jetstream.stream, jetstream.station, "ship", 1).claim()
        with pytest.raises(OutboxTaken):
            feed.keep_desk()
    assert first_held(jetstream) == 1
