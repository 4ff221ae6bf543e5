"""Bulk inserts decoded together: the changes of each event in order, and good rows before bad."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Op, Row
from replicator.errors import Unsupported
from replicator.source import tablemap as t
from replicator.source.bounds import Begin, End
from replicator.source.decode import DecodedColumn, Held, TableDecoder
from replicator.source.endpoint import Endpoint
from replicator.source.feed import Feed
from replicator.source.held import Item, decoded
from tests.source.capture import at, captured, transactions

WRITE = 23
HEAD = b"\0\0\2\xff"
IMAGE = struct.Struct("<xiI")
FULL = 500  # rows that fill an event well enough to be held
NO_NUMBER = 0x7F800000

World = tuple[PrivateMariaDB, str]


def decoder(table: str) -> TableDecoder:
    """Of an INT and a FLOAT."""
    columns = [
        DecodedColumn(t.MappedColumn(kind, 4, False, None, None), name, False, take_nothing)
        for kind, name in ((t.LONG, "id"), (t.FLOAT, "value"))
    ]
    return TableDecoder(table, columns, ["id"])


def take_nothing(_data: bytes, _place: int) -> tuple[None, int]:
    raise AssertionError("columns of fixed sizes are not read cell by cell")


def event(first: int, count: int, bits: int = 0) -> bytes:
    return HEAD + b"".join(IMAGE.pack(first + n, bits) for n in range(count))


def rows_of(first: int, count: int) -> list[Row]:
    return [(first + n, 0.0) for n in range(count)]


def held(reader: TableDecoder, first: int, count: int = FULL, bits: int = 0) -> Held:
    found = reader.held(WRITE, event(first, count, bits))
    assert found is not None
    assert found.count == count
    return found


END = End("log.1", 7, 0)
BEGIN = Begin("0-1-1", standalone=False)

# Which decoder, or None for the end of one transaction and the begin of the next.
histories = st.lists(st.sampled_from([0, 0, 0, 1, None]), max_size=12)


@settings(deadline=None)
@given(histories)
def test_the_same_in_order_joined_between_ends(history: list[int | None]) -> None:
    readers = [decoder("Reading"), decoder("NodeState")]
    found: list[Item | Held] = []
    expected: list[Item] = []
    before: int | None = None
    for number, which in enumerate(history):
        if which is None:
            found += [END, BEGIN]
            expected += [END, BEGIN]
        else:
            rows = rows_of(number * FULL, FULL)
            found.append(held(readers[which], number * FULL))
            if which == before:
                last = expected.pop()
                assert isinstance(last, Change)
                rows = [*last.rows, *rows]
            expected.append(Change(readers[which].table, Op.INSERT, ("id", "value"), rows))
        before = which
    assert decoded(found) == (expected, None)


def test_what_came_before_an_event_that_cannot_be_decoded_is_there() -> None:
    one, other = decoder("Reading"), decoder("NodeState")
    good: list[Item | Held] = [held(one, 0), END, BEGIN, held(other, 7)]
    ready, error = decoded([*good, held(one, 1_000, bits=NO_NUMBER), held(other, 2_000), END])
    assert error is not None
    assert "no number" in error.message
    assert "Reading" in error.detail
    assert (ready, None) == decoded(good)


def test_a_stream_takes_what_came_before_once_the_error_is_told() -> None:
    reader = decoder("Reading")
    feed = Feed(Endpoint("h", 1, "", "u", "", "d"), lambda _: reader, silence=1.0)
    feed.hold(held(reader, 0))
    feed.found.append(END)
    feed.hold(held(reader, 1_000, bits=NO_NUMBER))
    feed.hold(held(reader, 2_000))
    assert feed.rows == 3 * FULL
    with pytest.raises(Unsupported, match="no number"):
        feed.take()
    assert feed.take() == [Change("Reading", Op.INSERT, ("id", "value"), rows_of(0, FULL)), END]
    assert feed.take() == []


def test_few_rows_updates_and_cells_of_any_size_are_not_held() -> None:
    reader = decoder("Reading")
    assert reader.held(WRITE, event(0, 10)) is None
    assert reader.held(24, event(0, FULL)) is None


def test_an_event_that_is_cut_off_is_refused_before_it_is_held() -> None:
    body = event(0, FULL)
    with pytest.raises(Unsupported, match="cannot be decoded"):
        decoder("Reading").held(WRITE, body[:-1])


def test_bulk_inserts_by_the_server(world: World) -> None:
    """Two tables in turn, in one transaction and the next, deletes and updates among them."""
    server, name = world
    start = at(server, name)
    server.execute(
        "SET foreign_key_checks = 0",
        "BEGIN",
        "INSERT INTO NodeState (id, seq_num) SELECT seq, seq FROM seq_1_to_2000",
        "INSERT INTO NodeState (id, seq_num) SELECT seq, seq FROM seq_2001_to_4000",
        "INSERT INTO Reading (time, nodeId, type, value) "
        "SELECT '2026-01-01' + INTERVAL seq SECOND, seq, 0, seq / 16 FROM seq_1_to_3000",
        "UPDATE NodeState SET rssi = 1 WHERE id <= 2",
        "INSERT INTO NodeState (id, seq_num) SELECT seq, seq FROM seq_4001_to_5000",
        "COMMIT",
        "INSERT INTO NodeState (id, seq_num) SELECT seq, seq FROM seq_5001_to_6000",
        "DELETE FROM NodeState WHERE id > 5999",
        database=name,
    )
    first, second, third = transactions(captured(server, name, start))
    joined: list[tuple[str, str, int]] = []
    for table, op, rows in first:
        if joined and joined[-1][:2] == (table, op):
            joined[-1] = (table, op, joined[-1][2] + len(rows))
        else:
            joined.append((table, op, len(rows)))
    assert joined == [
        ("NodeState", "insert", 4_000),
        ("Reading", "insert", 3_000),
        ("NodeState", "update", 2),
        ("NodeState", "insert", 1_000),
    ]
    ids = [
        row[0]
        for table, op, rows in first
        if (table, op) == ("NodeState", "insert")
        for row in rows
    ]
    assert ids == list(range(1, 5_001))
    assert sum(len(rows) for _, _, rows in second) == 1_000
    assert [(op, len(rows)) for _, op, rows in third] == [("delete", 1)]
