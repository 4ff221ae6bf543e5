"""Desks beside the stream: the newest holding's counts, and a folder made from one goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

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


def desks_of(jetstream: JetStream) -> tuple[Bus, Desks]:
    bus, _ = jetstream.connection()
    return bus, Desks(bus, jetstream.stream, jetstream.station, "ship", 1)


def test_the_newest_holding_counts(jetstream: JetStream) -> None:
    bus, desks = desks_of(jetstream)
    assert desks.fetch() is None
    large = bytes(range(256)) * 3000
    assert desks.keep(5, b"first") == Version(5, 1)
    assert desks.keep(7, large) == Version(7, 2)
    _, late = desks_of(jetstream)
    late.keep(5, b"of one that is woken")
    assert desks.fetch() == (Version(7, 2), large)
    assert desks.keep(7, b"newer") == Version(7, 3)
    assert desks.fetch() == (Version(7, 3), b"newer")
    assert bus.call(lambda js: js.stream_info(f"{jetstream.stream}_desks")).state.messages == 2
    bus.close()


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
            feed.step(0.2)
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
            feed.step(0.2)
        settle(one, Sqlite(one).read()[-1])
        bus, _ = jetstream.connection()
        with closing(bus):
            Shelf(bus, jetstream.stream, jetstream.station, "ship", 1).claim()
        with pytest.raises(OutboxTaken):
            feed.keep_desk()
    assert first_held(jetstream) == 1
