"""Whatever is torn, forked or mixed in the stream: whole groups come, once, in order."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Change, Commit, Op, Position, Rollback
from replicator.errors import OutboxError
from replicator.jetstream import assembly
from replicator.jetstream.assembly import Again, Assembly, Landed
from replicator.jetstream.messages import Message, body, headers, message_of
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


@pytest.mark.parametrize(
    "message",
    [
        Message("g", 1, 0, None, at(4)),
        Message("g", 2, 9, change(1, 2)),
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
