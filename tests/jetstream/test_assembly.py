"""Whatever is torn, forked or mixed in the stream: whole groups come, once, in order."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zstandard import FRAME_HEADER, ZstdCompressor

from replicator.change import Change, Commit, Op, Position, Rollback
from replicator.errors import OutboxError
from replicator.jetstream import assembly
from replicator.jetstream.assembly import Again, Assembly, Landed, Strange
from replicator.jetstream.messages import Floor, Message, body, headers, message_of
from replicator.naming import token
from replicator.outbox.place import Healing, SnapshotPlace

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)


def at(number: int) -> Commit:
    return Commit(Position("s", "b", number), AT)


def change(*nodes: int) -> Change:
    return Change("Reading", Op.INSERT, ("nodeId",), [(node,) for node in nodes])


class Writer:
    """Writes groups as a tail does, into a list: message n has the seq n + 1."""

    def __init__(self, log: list[tuple[Message, bool]], name: str, head: int) -> None:
        self.log, self.name, self.head = log, name, head
        self.groups = 0
        self.open: list[Message] = []

    def begin(self, rows: list[int], *, backwards: bool = False) -> None:
        self.groups += 1
        group = f"{self.name}{self.groups}"
        self.open = [
            Message(group, n, self.head, change(row), at(row)) for n, row in enumerate(rows, 1)
        ]
        if backwards:
            self.open[:-1] = reversed(self.open[:-1])

    def put(self) -> None:
        message = self.open.pop(0)
        self.log.append((message, not self.open))
        if not self.open:
            self.head = len(self.log)


def read(log: list[tuple[Message, bool]], assembled: Assembly) -> list[int]:
    """Rows of transactions that were completed, as a reader of the stream has them."""
    rows: list[int] = []
    pending: list[int] = []
    seq = 0
    while seq < len(log):
        message, end = log[seq]
        seq += 1
        for event in assembled.take(seq, message, end=end):
            match event:
                case Change():
                    pending += [int(str(row[0])) for row in event.rows]
                case Commit():
                    rows += pending
                    pending = []
                case Rollback():
                    pending = []
                case Again():
                    seq = assembled.head or 0
                case Landed():
                    assert (event.seq, pending) == (seq, [])
    return rows


Step = st.tuples(st.integers(0, 2), st.integers(1, 4), st.booleans())


@settings(max_examples=200, deadline=None)
@given(st.lists(Step, max_size=40), st.integers(1, 3), st.booleans())
def test_of_writers_at_once_one_chain_counts(
    steps: list[tuple[int, int, bool]], hold: int, backwards: bool
) -> None:
    """The server lets everything pass, as two may at once; groups larger than what is held."""
    log: list[tuple[Message, bool]] = []
    writers = [Writer(log, name, 0) for name in "abc"]
    expected: list[list[int]] = []
    head = row = 0
    for who, count, anew in steps:
        writer = writers[who]
        if anew or not writer.open:
            writer.head = head  # it starts, or starts again: it asks where the chain ends
            writer.begin(list(range(row + 1, row + 1 + count)), backwards=backwards)
            row += count
        for _ in range(count):
            if not writer.open:
                break
            group, previous = writer.open[0].group, writer.open[0].previous
            writer.put()
            if not writer.open and previous == head:
                head = len(log)
                changes = [m.change for m, _ in log if m.group == group and m.change]
                expected.append(sorted(int(str(r[0])) for c in changes for r in c.rows))
    original, assembly.HOLD_ROWS = assembly.HOLD_ROWS, hold
    try:
        # a large group holds one source transaction: only its end commits
        plain = [(m if e else replace(m, commit=None), e) for m, e in log]
        assert read(plain, Assembly(0)) == [r for rows in expected for r in rows]
    finally:
        assembly.HOLD_ROWS = original
    assert read(log, Assembly(0)) == [r for rows in expected for r in rows]


def test_deleted_messages_are_told() -> None:
    log: list[tuple[Message, bool]] = []
    writer = Writer(log, "a", 0)
    for rows in ([1], [2, 3], [4]):
        writer.begin(rows)
        while writer.open:
            writer.put()
    with pytest.raises(OutboxError, match="missing"):  # a whole group
        read([log[0], *log[3:]], Assembly(0))
    torn = Assembly(0)
    torn.take(1, log[0][0], end=True)
    assert torn.take(3, log[2][0], end=True) == [Again()]  # a part of it
    with pytest.raises(OutboxError, match="not all of its parts"):
        torn.take(3, log[2][0], end=True)


def end(group: str, previous: int, follows: str, chain: str = "c") -> Message:
    return Message(group, 1, previous, change(1), at(1), chain=chain, follows=follows)


def test_the_same_seqs_of_another_stream_of_the_leaf_are_left_out() -> None:
    assembled = Assembly(7, 70, end=end("g7", 6, "g6"))
    other = end("x8", 7, "x7", chain="d")
    assert assembled.take(71, other, end=True, origin=8) == [Strange(other=True)]
    far = end("x90", 89, "x89", chain="d")
    assert assembled.take(72, far, end=True, origin=90) == [Strange(other=True)]
    twice = end("g7", 6, "g6")
    assert assembled.take(73, twice, end=True, origin=7) == [Strange(other=False)]
    assert len(assembled.take(74, end("g8", 7, "g7"), end=True, origin=8)) > 1
    with pytest.raises(OutboxError, match="missing"):
        assembled.take(75, end("g10", 9, "g9"), end=True, origin=10)


def test_a_leaf_that_fell_back_is_left_out_from_there_on() -> None:
    assembled = Assembly(7, 70, end=end("g7", 6, "g6"))
    fork, behind = end("x8", 7, "x7"), end("x9", 8, "x8")
    assert assembled.take(71, fork, end=True, origin=8) == [Strange(other=True)]
    assert assembled.take(72, behind, end=True, origin=9) == [Strange(other=True)]


def test_what_a_reader_settled_says_which_beginning_is_enough() -> None:
    floor = Floor(5, "c", "g4")
    for first, enough in (
        (end("g5", 4, "g4"), True),
        (end("g6", 5, "g5"), False),
        (end("x1", 0, "", chain="d"), True),
        (end("x4", 3, "x3", chain="d"), False),
    ):
        if enough:
            assert Assembly(None, 0, floor).take(1, first, end=True, origin=first.previous + 1)
        else:
            with pytest.raises(OutboxError, match="missing"):
                Assembly(None, 0, floor).take(1, first, end=True, origin=first.previous + 1)


@pytest.mark.parametrize(
    "message",
    [
        Message("g", 1, 0, None, at(4)),
        Message("g", 2, 9, change(1, 2)),
        Message("g", 1, 9, None, at(4), chain="c", follows="f"),
        Message("g", 3, 9, Change("House", Op.DELETE, ("id", "address"), [(1, "ß\r\n\x00😀")]),
                at(7), SnapshotPlace("Node", ("größe", 3), Healing(4, deletes=True)), "w/1"),
    ],
)  # fmt: skip
def test_a_message_is_what_was_written(message: Message) -> None:
    written = headers(message)
    assert all(value.isascii() and value.isprintable() for value in written.values())
    assert message_of(written, body(message)) == message


@pytest.mark.parametrize("written", [None, {}, {"Replicator-Group": "g", "Replicator-Number": "x"}])
def test_strangers_are_refused(written: dict[str, str] | None) -> None:
    with pytest.raises(OutboxError, match="not one of ours"):
        message_of(written, b"{}")


@given(st.text(), st.text())
def test_names_become_different_tokens(one: str, other: str) -> None:
    assert (token(one) == token(other)) == (one == other)
    assert all(sign not in token(one) for sign in ".*> \t")


def test_a_large_body_is_compressed() -> None:
    rows = [("2026-03-01T00:00:00", 1, kind, None, 20.5) for kind in range(500)]
    change = Change("Reading", Op.INSERT, ("time", "nodeId", "type", "locationId", "value"), rows)
    message = Message("g", 1, 0, change)
    written = body(message)
    assert len(written) < 5_000
    assert message_of(headers(message), written) == message


@pytest.mark.parametrize(
    "data",
    [FRAME_HEADER, FRAME_HEADER + b"\xff" * 20, ZstdCompressor().compress(b"x" * 65)[:-4]],
    ids=["nothing", "garbage", "cut"],
)
def test_what_cannot_be_unpacked_is_refused(data: bytes) -> None:
    change = Change("Reading", Op.INSERT, ("value",), [(1.5,)])
    with pytest.raises(OutboxError, match="not one of ours"):
        message_of(headers(Message("g", 1, 0, change)), data)


def test_a_body_that_claims_to_be_huge_is_refused_before_it_is_unpacked() -> None:
    change = Change("Reading", Op.INSERT, ("value",), [(1.5,)])
    huge = ZstdCompressor().compress(bytes(65 << 20))
    with pytest.raises(OutboxError, match="claims"):
        message_of(headers(Message("g", 1, 0, change)), huge)
