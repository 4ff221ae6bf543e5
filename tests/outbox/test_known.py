"""What the outbox says of rows by key."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from replicator.change import Change, Commit, Op, Position, Row, Value
from replicator.outbox.known import Known, KnownRows, newest_rows
from replicator.outbox.writer import OutboxWriter

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
NAMES = ("time", "nodeId", "type", "value")


def reading(minute: int, value: float | None = 0.5, node: int = 7) -> Row:
    return (f"2026-03-01T00:{minute:02d}:00", node, 1, value)


def named(row: Row) -> dict[str, Value]:
    return dict(zip(NAMES, row, strict=True))


@pytest.fixture
def writer(tmp_path: Path) -> OutboxWriter:
    """Five entries, each a transaction: three inserts, an update, a delete."""
    made = OutboxWriter(tmp_path)
    made.begin_at(Position("m", "b", 0), None)
    plan = [
        (Op.INSERT, [reading(1), reading(2)]),
        (Op.INSERT, [reading(3)]),
        (Op.INSERT, [reading(1, node=8)]),
        (Op.UPDATE, [reading(2, 1.5), reading(2, 2.5)]),
        (Op.DELETE, [reading(3)]),
    ]
    for number, (op, rows) in enumerate(plan, 1):
        made.append(Change("Reading", op, NAMES, rows))
        made.commit(Commit(Position("m", "b", number), AT))
    made.append(Change("RoomType", Op.INSERT, ("id", "name"), [(1, "a"), (2, "b")]))
    made.commit(Commit(Position("m", "b", 6), AT))
    made.flush()
    return made


def test_the_latest_version_of_each_key_in_the_keys_order(writer: OutboxWriter) -> None:
    rows = KnownRows(writer.database, known_seq=3).page("Reading", None, None, 10)
    assert rows == [
        Known(reading(1)[:3], named(reading(1)), True),
        Known(reading(1, node=8)[:3], named(reading(1, node=8)), True),
        Known(reading(2)[:3], named(reading(2, 2.5)), False),
        Known(reading(3)[:3], None, False),
    ]


def test_a_page_has_its_bounds_and_its_limit(writer: OutboxWriter) -> None:
    known = KnownRows(writer.database, known_seq=9)
    page = known.page("Reading", reading(1)[:3], reading(2)[:3], 10)
    assert [each.key for each in page] == [reading(1, node=8)[:3], reading(2)[:3]]
    assert [each.key for each in known.page("Reading", None, None, 1)] == [reading(1)[:3]]


def test_of_more_entries_than_fit_the_newest_count(writer: OutboxWriter) -> None:
    rows = KnownRows(writer.database, known_seq=9, most_rows=3).page("Reading", None, None, 10)
    assert [each.key for each in rows] == [reading(2)[:3], reading(3)[:3]]


def test_reference_rows_are_known_by_id(writer: OutboxWriter) -> None:
    known = KnownRows(writer.database, known_seq=5)
    assert known.page("RoomType", (1,), (2,), 10) == [Known((2,), {"id": 2, "name": "b"}, False)]
    assert len(known.page("RoomType", None, None, 10)) == 2


def test_the_newest_rows_that_are_not_deleted(writer: OutboxWriter) -> None:
    found = [row for _, row in newest_rows(writer.database, 3)]
    assert found == [named(reading(2, 2.5)), named(reading(1, node=8)), named(reading(1))]
