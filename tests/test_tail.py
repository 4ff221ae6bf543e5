"""The capture pipeline against a source in memory: convergence of the snapshot, deaths, budgets."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Change, Commit, Event, Op, Position, Row, Value
from replicator.errors import OutboxFull, PositionLost, SourceUnavailable
from replicator.outbox.deliveries import Cursor, Deliveries
from replicator.outbox.reader import OutboxReader
from replicator.outbox.writer import OutboxWriter
from replicator.source.loss import Log, Loss
from replicator.tail import Tail, TailSettings

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
COLUMNS = ("id", "name")


@dataclass
class Chunk:
    change: Change | None
    last_key: tuple[Value, ...] | None
    done: bool


@dataclass
class Memory:
    """A source: one table (RoomType) and its log. The log's offset counts transactions."""

    rows: dict[int, str] = field(default_factory=dict)
    log: list[list[Change]] = field(default_factory=list)
    purged: bool = False
    down: bool = False

    def write(self, identifier: int, name: str | None) -> None:
        """Upsert, or delete where ``name`` is None."""
        before = self.rows.get(identifier)
        if name is None:
            if before is None:
                return
            del self.rows[identifier]
            change = Change("RoomType", Op.DELETE, COLUMNS, [(identifier, before)])
        else:
            self.rows[identifier] = name
            op = Op.INSERT if before is None else Op.UPDATE
            change = Change("RoomType", op, COLUMNS, [(identifier, name)])
        self.log.append([change])

    def at(self, number: int) -> Position:
        return Position("memory", "log", number)

    def now(self) -> Position:
        return self.at(len(self.log))

    def stream(self, start: Position) -> MemoryStream:
        if self.purged:
            raise PositionLost("purged", "log 1 is gone", "replicator heal")
        return MemoryStream(self, start.offset)

    def assess(self, start: Position) -> Loss:
        return Loss(Log.PURGED, "log 1 is gone")

    def tables(self) -> MemoryTables:
        return MemoryTables(self)


class MemoryStream:
    def __init__(self, source: Memory, offset: int) -> None:
        self._source = source
        self._offset = offset

    def poll(self, max_wait: float, max_rows: int = 10_000) -> list[Event]:
        if self._source.down:
            raise SourceUnavailable("down")
        if self._offset == len(self._source.log):
            return []
        changes = self._source.log[self._offset]
        self._offset += 1
        return [*changes, Commit(self._source.at(self._offset), AT)]

    @property
    def pending(self) -> bool:
        return self._offset < len(self._source.log)

    def close(self) -> None:
        pass


class MemoryTables:
    """Of which nothing is compared here: tests/test_healing.py does that."""

    def __init__(self, source: Memory) -> None:
        self._source = source

    def read(
        self,
        table: str,
        after: tuple[Value, ...] | None,
        limit: int,
        upto: tuple[Value, ...] | None = None,
    ) -> Chunk:
        if table != "RoomType":
            return Chunk(None, None, True)
        start = after[0] if after else -1
        assert isinstance(start, int)
        found: list[Row] = sorted((i, n) for i, n in self._source.rows.items() if i > start)
        page = found[:limit]
        if not page:
            return Chunk(None, None, True)
        return Chunk(
            Change("RoomType", Op.SNAPSHOT, COLUMNS, page), (page[-1][0],), len(page) < limit
        )

    def digest(
        self, table: str, after: tuple[Value, ...] | None, upto: tuple[Value, ...]
    ) -> tuple[int, str]:
        raise NotImplementedError

    def boundary(
        self, table: str, after: tuple[Value, ...] | None, rows: int, beyond: int
    ) -> tuple[Value, ...] | None:
        raise NotImplementedError

    def find(self, table: str, row: Mapping[str, Value]) -> Mapping[str, Value] | None:
        return row

    def ordered_here(self, table: str) -> bool:
        return False

    def log_end(self) -> Position:
        return self._source.now()

    def close(self) -> None:
        pass


def applied(folder: Path) -> dict[int, str]:
    """The table as a destination would have it: entries applied in order, as upserts."""
    state: dict[int, str] = {}
    reader = OutboxReader(folder)
    for entry in reader.entries(0):
        for identifier, name in entry.rows:
            assert isinstance(identifier, int)
            if entry.op is Op.DELETE:
                state.pop(identifier, None)
            else:
                state[identifier] = str(name)
    reader.close()
    return state


def make(folder: Path, source: Memory, **more: object) -> Tail:
    options = {"snapshot_chunk": 2, "destinations": (), **more}
    return Tail(source, OutboxWriter(folder), TailSettings(folder, **options))  # type: ignore[arg-type]  # keyword passing in a test


def settle(tail: Tail) -> None:
    for _ in range(1000):
        if not tail.step(0.0).busy:
            tail.save()
            return
    raise AssertionError("it never came to rest")


writes = st.tuples(st.integers(0, 7), st.sampled_from(["a", "b", "c", None]))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(writes, max_size=10),
    st.lists(st.one_of(writes, st.just("step"), st.just("die")), max_size=40),
)
def test_snapshot_and_log_together_converge_to_the_source(
    before: list[tuple[int, str | None]], plan: list[tuple[int, str | None] | str]
) -> None:
    """The claim of docs/snapshot.md, under writes at any moment and deaths at any moment."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = Memory()
        for identifier, value in before:
            source.write(identifier, value)
        tail = make(folder, source)
        for action in plan:
            if action == "step":
                tail.step(0.0)
            elif action == "die":
                tail._writer.close()  # what a kill leaves: nothing of the open transaction
                tail = make(folder, source)
            else:
                assert isinstance(action, tuple)
                source.write(*action)
        settle(tail)
        assert applied(folder) == source.rows
        tail._writer.close()


@pytest.fixture
def source() -> Memory:
    made = Memory()
    for identifier in range(5):
        made.write(identifier, "a")
    return made


def test_without_a_snapshot_only_the_log_is_read(source: Memory, tmp_path: Path) -> None:
    tail = make(tmp_path, source, snapshot=False)
    tail.step(0.0)
    source.write(9, "z")
    settle(tail)
    assert applied(tmp_path) == {9: "z"}


def test_a_source_that_is_down_costs_nothing(source: Memory, tmp_path: Path) -> None:
    tail = make(tmp_path, source)
    settle(tail)
    source.write(9, "z")
    source.down = True
    with pytest.raises(SourceUnavailable):
        tail.step(0.0)
    tail.fall_back()
    source.down = False
    settle(tail)
    assert applied(tmp_path) == source.rows


def test_a_purged_log_is_a_gap_that_is_recorded_once(source: Memory, tmp_path: Path) -> None:
    tail = make(tmp_path, source)
    settle(tail)
    tail.close()
    source.purged = True
    for _ in range(2):
        with pytest.raises(PositionLost):
            tail.step(0.0)
        tail.fall_back()
    gaps = tail._writer.database.execute("SELECT last_position, healed_at FROM gap").fetchall()
    assert gaps == [(str(source.now()), None)]
    assert applied(tmp_path) == source.rows, "what was captured is kept"


def test_a_full_budget_pauses_and_resumes(source: Memory, tmp_path: Path) -> None:
    tail = make(tmp_path, source, max_bytes=1, housekeeping_seconds=0.0)
    with pytest.raises(OutboxFull, match="max_size"):
        tail.step(0.0)
    tail.fall_back()
    roomy = make(tmp_path, source, housekeeping_seconds=0.0)
    settle(roomy)
    assert applied(tmp_path) == source.rows


def test_only_what_every_destination_settled_expires(source: Memory, tmp_path: Path) -> None:
    tail = make(tmp_path, source, destinations=("near", "far"), keep_seconds=0.0)
    settle(tail)
    last = entries(tmp_path)[-1]
    near, far = Deliveries(tmp_path, "near"), Deliveries(tmp_path, "far")
    near.rewind(Cursor(last, 0, "", 5))
    again = make(
        tmp_path, source, destinations=("near", "far"), keep_seconds=0.0, housekeeping_seconds=0.0
    )
    again.step(0.0)
    assert entries(tmp_path)[0] == 1, "far has settled nothing"
    far.rewind(Cursor(last - 1, 0, "", 4))
    again.step(0.0)
    assert entries(tmp_path) == [last]


def entries(folder: Path) -> list[int]:
    reader = OutboxReader(folder)
    found = [entry.seq for entry in reader.entries(0)]
    reader.close()
    return found
