"""Healing by comparison against a source in memory: whatever is lost, killed, expired or marked."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Change, Commit, Event, Op, Position, Row, Value
from replicator.errors import PositionLost
from replicator.healing import weigh
from replicator.marking import Marker
from replicator.model import TABLES
from replicator.outbox.known import Known
from replicator.outbox.reader import OutboxReader
from replicator.outbox.writer import OutboxWriter
from replicator.remedy import Beginning, Remedy, begin, remedy
from replicator.source.loss import Log, Loss
from replicator.tail import Tail, TailSettings

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
COLUMNS = {"RoomType": ("id", "name"), "NodeState": ("id", "nodeId", "time", "seq_num", "rssi")}
Key = tuple[Value, ...]


@dataclass
class Chunk:
    change: Change | None
    last_key: Key | None
    done: bool


@dataclass
class Memory:
    """A source with two tables and its log. The log's offset counts transactions."""

    rows: dict[str, dict[int, Row]] = field(
        default_factory=lambda: {"RoomType": {}, "NodeState": {}}
    )
    log: list[Change] = field(default_factory=list)
    lost_before: int = 0
    what: Log = Log.PURGED
    reads: int = 0
    digests: int = 0

    def write(self, table: str, number: int, name: str | None) -> None:
        """Upsert, or delete where ``name`` is None."""
        before = self.rows[table].get(number)
        cells: Row = (number, name) if table == "RoomType" else (number, 7, f"t{number}", 1, name)
        if name is not None:
            self.rows[table][number] = cells
            op = Op.INSERT if before is None else Op.UPDATE
            self.log.append(Change(table, op, COLUMNS[table], [cells]))
        elif before is not None:
            del self.rows[table][number]
            self.log.append(Change(table, Op.DELETE, COLUMNS[table], [before]))

    def lose(self) -> None:
        """What the log has now can no longer be read."""
        self.lost_before = len(self.log)

    # --- what the pipeline asks for ------------------------------------------------------------

    def now(self) -> Position:
        return Position("memory", "log", len(self.log))

    def log_end(self) -> Position:
        return self.now()

    def stream(self, start: Position) -> MemoryStream:
        if start.offset < self.lost_before:
            raise PositionLost("purged", "the log is gone", "replicator heal")
        return MemoryStream(self, start.offset)

    def assess(self, start: Position) -> Loss:
        return Loss(self.what, "as the test says")

    def tables(self) -> Memory:
        return self

    def read(self, table: str, after: Key | None, limit: int, upto: Key | None = None) -> Chunk:
        found = self._within(table, after, upto)[:limit]
        self.reads += len(found)
        if not found:
            return Chunk(None, after, True)
        change = Change(table, Op.SNAPSHOT, COLUMNS[table], found)
        return Chunk(change, found[-1][:1], len(found) < limit)

    def digest(self, table: str, after: Key | None, upto: Key) -> tuple[int, str]:
        found = self._within(table, after, upto)
        self.digests += 1
        return len(found), hashlib.md5(repr(found).encode()).hexdigest()

    def boundary(self, table: str, after: Key | None, rows: int, beyond: int) -> Key | None:
        found = self._within(table, after, None)
        return found[rows - 1][:1] if len(found) >= rows + beyond else None

    def find(self, table: str, row: Mapping[str, Value]) -> Mapping[str, Value] | None:
        cells = self.rows[table].get(int(str(row["id"])))
        return dict(zip(COLUMNS[table], cells, strict=True)) if cells else None

    def ordered_here(self, table: str) -> bool:
        return True

    def _within(self, table: str, after: Key | None, upto: Key | None) -> list[Row]:
        low, high = after[0] if after else -1, upto[0] if upto else 1 << 40
        assert isinstance(low, int)
        assert isinstance(high, int)
        rows = self.rows.get(table, {})
        return [rows[n] for n in sorted(rows) if low < n <= high]

    def close(self) -> None:
        pass


class MemoryStream:
    def __init__(self, source: Memory, offset: int) -> None:
        self._source = source
        self._offset = offset

    def poll(self, max_wait: float, max_rows: int = 10_000) -> list[Event]:
        if self._offset < self._source.lost_before:
            raise PositionLost("purged", "the log is gone", "replicator heal")
        if not self.pending:
            return []
        change = self._source.log[self._offset]
        self._offset += 1
        return [change, Commit(Position("memory", "log", self._offset), AT)]

    @property
    def pending(self) -> bool:
        return self._offset < len(self._source.log)

    def close(self) -> None:
        pass


class Place:
    """A source, an outbox fed from it, and a destination that has applied what was captured."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.source = Memory()
        self.applied: dict[str, dict[int, Row]] = {"RoomType": {}, "NodeState": {}}
        self.seq = self.asked = 0
        self.ticks = 0.0
        self._options = {"heal": "automatic", "mark_rows": 2, "snapshot_chunk": 2, **options}
        self.tail = self._make()

    def _make(self) -> Tail:
        def monotonic() -> float:
            self.ticks += 1.0  # so that a mark is always due
            return self.ticks

        settings = TailSettings(self.folder, (), **self._options)
        return Tail(self.source, OutboxWriter(self.folder), settings, monotonic=monotonic)

    def die(self) -> None:
        """What a kill leaves: nothing of the open transaction."""
        self.tail._writer.close()
        self.tail = self._make()

    def deliver(self) -> None:
        """Apply what is durable."""
        reader = OutboxReader(self.folder)
        for entry in reader.entries(self.seq):
            for row in entry.rows:
                number = int(str(row[0]))
                if entry.op is Op.DELETE:
                    self.applied[entry.table].pop(number, None)
                else:
                    self.applied[entry.table][number] = tuple(row)
            self.seq = entry.seq
        reader.close()

    def expire(self) -> None:
        """Delivered entries go, as they do after `[outbox] keep`."""
        self.tail.save()
        self.deliver()
        self.tail._catch_up.marks.fold(self.seq)
        self.tail._writer.database.conn.execute(
            "DELETE FROM entry WHERE seq < (SELECT max(seq) FROM entry)"
        )

    def step(self) -> bool:
        """One step; where tail stops and asks, as after `replicator heal --deletes`."""
        try:
            return self.tail.step(0.0).busy
        except PositionLost:
            self.tail.fall_back()
            self.asked += 1
            plan = Beginning(self.source.now(), "", "restored", "by hand", deletes=True)
            begin(self.tail._writer, self.tail._catch_up.marks, plan)
            return True

    def settle(self, extra: int = 0) -> None:
        """Step until nothing waits, and ``extra`` steps beyond."""
        for _ in range(1000):
            if not self.step():
                break
        else:
            raise AssertionError("it never came to rest")
        for _ in range(extra):
            self.step()
        self.tail.save()
        self.deliver()

    def gap(self) -> dict[str, Any]:
        """The last gap."""
        cursor = self.tail._writer.database.conn.execute("SELECT * FROM gap ORDER BY id DESC")
        row = cursor.fetchone()
        return dict(zip((column[0] for column in cursor.description), row, strict=True))

    def lose(self) -> None:
        """The log behind the position is lost, also for a stream that is open."""
        self.source.lose()
        self.tail.fall_back()


@contextmanager
def place(**options: Any) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as name:
        made = Place(Path(name), **options)
        yield made
        made.tail._writer.close()


writes = st.tuples(
    st.sampled_from(["NodeState", "NodeState", "RoomType"]),
    st.integers(0, 11),
    st.sampled_from(["a", "b", None]),
)
actions = st.sampled_from(["step", "step", "step", "die", "lose", "settle"])


@settings(max_examples=60, deadline=None)
@given(st.lists(writes, max_size=14), st.lists(st.one_of(writes, actions), max_size=40))
def test_whatever_is_lost_and_whoever_dies_it_converges(
    before: list[tuple[str, int, str | None]], plan: list[tuple[str, int, str | None] | str]
) -> None:
    """The claim of docs/gaps.md where no entry has expired: deletes inside gaps arrive too."""
    with place() as world:
        for write in before:
            world.source.write(*write)
        for action in plan:
            act(world, action)
        world.source.what = Log.PURGED
        world.settle()
        assert world.applied == world.source.rows


@settings(max_examples=60, deadline=None)
@given(
    st.lists(writes, max_size=14),
    st.lists(st.one_of(writes, actions, st.just("expire")), max_size=40),
)
def test_where_entries_have_expired_no_row_is_missing_or_old(
    before: list[tuple[str, int, str | None]], plan: list[tuple[str, int, str | None] | str]
) -> None:
    """A stream's row that is deleted inside a gap may stay where no entry names it any more."""
    with place() as world:
        for write in before:
            world.source.write(*write)
        for action in plan:
            act(world, action)
        world.settle()
        assert world.applied["RoomType"] == world.source.rows["RoomType"]
        there = world.source.rows["NodeState"]
        assert {n: row for n, row in world.applied["NodeState"].items() if n in there} == there


def act(world: Place, action: tuple[str, int, str | None] | str) -> None:
    if isinstance(action, tuple):
        world.source.write(*action)
    elif action == "step":
        world.step()
    elif action == "settle":
        world.settle(extra=8)
    else:
        {"die": world.die, "lose": world.lose, "expire": world.expire}[action]()


@pytest.fixture
def world() -> Iterator[Place]:
    with place() as made:
        for number in range(12):
            made.source.write("NodeState", number, "a")
        made.source.write("RoomType", 1, "a")
        made.settle(extra=30)
        made.expire()
        made.source.reads = 0
        yield made


def test_marked_ranges_are_not_read_again(world: Place) -> None:
    for number in (12, 13):
        world.source.write("NodeState", number, "b")
    world.lose()
    world.settle()
    assert world.applied == world.source.rows
    gap = world.gap()
    assert (gap["kind"], gap["how"]) == ("purged", "automatic")
    assert gap["healed_at"] is not None
    assert gap["rows_compared"] >= 10
    assert gap["rows_read"] <= 4
    assert world.source.reads <= 5


def test_a_marked_range_that_changed_is_read_again(world: Place) -> None:
    world.source.write("NodeState", 0, "c")
    world.lose()
    world.settle()
    assert world.applied == world.source.rows


def test_a_row_captured_since_takes_its_mark_away(world: Place) -> None:
    """Else the range would seem to be captured when it falls back to what the mark saw."""
    world.source.write("NodeState", 0, "c")
    while world.tail.step(0.0).busy:
        pass
    world.tail.save()
    world.expire()
    world.source.write("NodeState", 0, "a")
    world.lose()
    world.settle()
    assert world.applied == world.source.rows


def test_what_a_mark_saw_before_it_was_captured_is_not_known(world: Place) -> None:
    """The digest was taken, its rows lie in the log, and the log is lost before they are read."""
    for number in range(12, 20):
        world.source.write("NodeState", number, "b")
    world.tail._catch_up._marker._mark("NodeState", world.source)
    world.lose()
    world.settle()
    assert world.applied == world.source.rows


def test_deletes_inside_a_purged_stretch_arrive_where_entries_are_held() -> None:
    with place(mark_rows=0) as world:
        for number in range(6):
            world.source.write("NodeState", number, "a")
        world.source.write("RoomType", 1, "a")
        world.settle()
        world.source.write("NodeState", 2, None)
        world.source.write("RoomType", 1, None)
        world.lose()
        world.settle()
        assert world.applied == world.source.rows
        assert world.gap()["rows_deleted"] == 2


def test_deletes_that_nothing_names_are_counted(world: Place) -> None:
    world.source.write("NodeState", 2, None)
    world.lose()
    world.settle()
    assert set(world.applied["NodeState"]) - set(world.source.rows["NodeState"]) == {2}
    assert (world.gap()["rows_deleted"], world.gap()["rows_unnamed"]) == (0, 1)
    seen = [mark for mark in world.tail._catch_up.marks.of("NodeState") if mark.upto >= (2,)]
    assert all(mark.after is None or mark.after >= (2,) for mark in seen), "it said otherwise"


def test_a_mark_counts_once_capture_has_passed_what_it_saw() -> None:
    with place(mark_rows=0) as world:
        for number in range(12):
            world.source.write("NodeState", number, "a")
        world.settle()
        marks = world.tail._catch_up.marks
        marker = Marker(marks, 2, lambda: 0.0)
        behind = Position("memory", "log", 11)
        assert marker.step(behind, world.source)
        assert marker.step(behind, world.source)
        assert marks.of("NodeState") == []
        assert marker.step(world.source.now(), world.source)
        assert [(mark.after, mark.upto, mark.rows) for mark in marks.of("NodeState")] == [
            (None, (1,), 2)
        ]


@pytest.mark.parametrize("expired", [True, False])
def test_an_older_disk_stops_and_healing_deletes_nothing_unless_told(expired: bool) -> None:
    with place() as world:
        for number in range(12):
            world.source.write("NodeState", number, "a")
        world.settle(extra=30)
        if expired:
            world.expire()
        for number in range(2, 12):
            del world.source.rows["NodeState"][number]
        world.source.what = Log.SHORTER
        world.lose()
        world.source.lost_before = 1000
        with pytest.raises(PositionLost) as caught:
            world.tail.step(0.0)
        assert f"{0 if expired else 2} of the" in caught.value.detail
        assert "stay at the destinations" in caught.value.hint
        assert world.gap()["kind"] == "restored"
        world.source.lost_before = 0
        plan = Beginning(world.source.now(), "by hand", "restored", "by hand", deletes=False)
        begin(world.tail._writer, world.tail._catch_up.marks, plan)
        world.settle()
        assert set(world.applied["NodeState"]) == set(range(12))
        gap = world.gap()
        assert (gap["rows_deleted"], gap["rows_kept"] + gap["rows_unnamed"] > 0) == (0, True)


@pytest.mark.parametrize(
    ("log", "asked", "there", "kind", "automatic", "deletes"),
    [
        (Log.PURGED, 20, 20, "purged", True, True),
        (Log.PURGED, 20, 10, "purged", True, True),
        (Log.PURGED, 20, 9, "restored", False, False),
        (Log.PURGED, 0, 0, "purged", True, True),
        (Log.SHORTER, 20, 20, "reset", True, False),
        (Log.SHORTER, 20, 0, "restored", False, False),
        (Log.OTHER, 20, 20, "reset", True, False),
        (Log.GOES_ON, 20, 20, "unreadable", True, False),
        (Log.OTHER_SERVER, 20, 20, "another server", False, False),
    ],
)
def test_what_may_be_done_without_asking(
    log: Log, asked: int, there: int, kind: str, automatic: bool, deletes: bool
) -> None:
    found = remedy(Loss(log, "x"), asked, there)
    assert (found.kind, found.automatic, found.deletes) == (kind, automatic, deletes)


def test_by_hand_a_log_that_goes_on_is_skipped() -> None:
    found = remedy(Loss(Log.GOES_ON, "x"), 20, 20, by_hand=True)
    assert found == Remedy("skipped", True, True, found.found)


NAMES = ("id", "nodeId", "time", "seq_num", "rssi", "parent", "localtime")


def state(number: int, seq_num: int = 1, rssi: float = 0.5) -> Row:
    return (number, 7, "t", seq_num, rssi, None, None)


def known(row: Row, *, sure: bool = True) -> Known:
    return Known((row[0],), dict(zip(NAMES, row, strict=True)), sure)


def test_an_id_that_was_given_out_anew_is_another_row() -> None:
    """After a restore the server counts on from an older number."""
    change = Change("NodeState", Op.SNAPSHOT, NAMES, [state(1, seq_num=9)])
    kept = weigh(TABLES["NodeState"], change, [known(state(1))], deletes=False)
    assert [(c.op, list(c.rows)) for c in kept.changes] == [(Op.SNAPSHOT, [state(1, 9)])]
    assert (kept.read, kept.gone) == (1, 1)
    told = weigh(TABLES["NodeState"], change, [known(state(1))], deletes=True)
    assert [c.op for c in told.changes] == [Op.DELETE, Op.SNAPSHOT]


def test_an_other_value_is_an_update_and_the_same_one_is_nothing() -> None:
    change = Change("NodeState", Op.SNAPSHOT, NAMES, [state(1), state(2, rssi=1.5)])
    found = weigh(TABLES["NodeState"], change, [known(state(1)), known(state(2))], deletes=False)
    assert [(c.op, list(c.rows)) for c in found.changes] == [(Op.UPDATE, [state(2, rssi=1.5)])]
    assert (found.equal, found.read, found.gone) == (1, 1, 0)


def test_what_came_too_late_to_be_sure_of_is_read_again() -> None:
    change = Change("NodeState", Op.SNAPSHOT, NAMES, [state(1)])
    found = weigh(TABLES["NodeState"], change, [known(state(1), sure=False)], deletes=False)
    assert [c.op for c in found.changes] == [Op.SNAPSHOT]
