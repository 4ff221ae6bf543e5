"""The delivery pipeline against a destination in memory: nothing lost, doubled, reordered."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Change, Commit, Op, Position, Value
from replicator.delivery import (
    Blocked,
    Delivered,
    Delivery,
    Outcome,
    Parcel,
    QueuedRow,
    Rejected,
    Retry,
)
from replicator.errors import DestinationRefused
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.reader import OutboxReader
from replicator.outbox.writer import OutboxWriter, SnapshotPlace
from replicator.ship import Ship, ShipSettings

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
READING = ("time", "nodeId", "type", "locationId", "value")
BAD = -1.0  # a value that the destination rejects


@dataclass
class Centre:
    """A destination in memory. ``links``: what happens to the next calls (True: the link fails)."""

    rows: dict[tuple[Value, ...], Value] = field(default_factory=dict)
    arrivals: list[QueuedRow] = field(default_factory=list)
    closed_houses: set[int] = field(default_factory=set)
    locations: dict[int, int] = field(default_factory=dict)
    fail_after: list[int] = field(default_factory=list)
    mapping_gone: bool = False
    refuses: bool = False

    def deliver(self, parcels: Sequence[Parcel]) -> Delivery:
        keys = [(parcel.row.table, parcel.row.key) for parcel in parcels]
        assert len(set(keys)) == len(keys), "one key twice in one call"
        if self.refuses:
            raise DestinationRefused("the central server does not let us in")
        room = self.fail_after.pop(0) if self.fail_after else len(parcels)
        outcomes: list[Outcome] = [self._store(p) for p in parcels[:room]]
        outcomes += [Retry("the link is down")] * (len(parcels) - len(outcomes))
        return Delivery(outcomes, 1, 10 * len(parcels), 0.0)

    def _store(self, parcel: Parcel) -> Outcome:
        row = parcel.row
        if row.values["value"] == BAD or self.mapping_gone:
            return Rejected("refused", "bad value")
        self.arrivals.append(row)
        if row.op is Op.DELETE:
            self.rows.pop(row.key, None)
        else:
            self.rows[row.key] = row.values["value"]
        return Delivered("r")

    def body(self, row: QueuedRow) -> Mapping[str, Value] | Blocked | Rejected:
        location = row.values["locationId"]
        house = self.locations.get(location) if isinstance(location, int) else None
        if house in self.closed_houses:
            return Blocked(f"House:{house}", "cannot be created there")
        return row.values

    def apply(self, table: str, local_id: int, op: Op) -> Delivered | Rejected | Blocked:
        return Delivered()

    def outdated(self, row: QueuedRow) -> bool:
        gone, self.mapping_gone = self.mapping_gone, False
        return gone


class World:
    """A folder with an outbox, filled by hand, and a ship that can be restarted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.centre = Centre()
        self.writer = OutboxWriter(folder)
        self.writer.begin_at(Position("s", "b", 4), None)
        self.now = 1_000.0
        self._end = 10
        for house in (1, 2, 3):
            self.write("House", Op.INSERT, ("id", "address"), [(house, f"h{house}")])
            self.write("Location", Op.INSERT, ("id", "houseId"), [(house * 10, house)])
            self.centre.locations[house * 10] = house
        self.start()

    def write(
        self, table: str, op: Op, columns: tuple[str, ...], rows: list[tuple[Value, ...]]
    ) -> None:
        self._end += 1
        self.writer.append(Change(table, op, columns, rows))
        self.writer.commit(Commit(Position("s", "b", self._end), AT))
        self.writer.flush()

    def reading(self, second: int, value: float, location: int | None, op: Op = Op.INSERT) -> None:
        row = (f"2026-03-01T00:00:{second:02d}", 7, 1, location, value)
        self.write("Reading", op, READING, [row])

    def start(self, batch_rows: int = 2_000) -> None:
        self.outbox = OutboxReader(self.folder)
        self.deliveries = Deliveries(self.folder, "centre")
        settings = ShipSettings(batch_rows=batch_rows, retry_blocked=60.0)
        self.ship = Ship(
            self.outbox, self.deliveries, self.centre, self.centre, settings, lambda: self.now
        )
        self.said = self.ship.start()

    def stop(self) -> None:
        self.outbox.close()
        self.deliveries.close()

    def restart(self, batch_rows: int = 2_000) -> None:
        self.stop()
        self.start(batch_rows)

    def ship_all(self) -> None:
        for _ in range(10_000):
            if self.ship.step().idle:
                return
        raise AssertionError("it never came to an end")

    def parked(self, kind: str) -> list[tuple[int, str]]:
        return self.deliveries.database.conn.execute(
            "SELECT seq, reason FROM parked WHERE kind = ? ORDER BY seq, row_index", (kind,)
        ).fetchall()

    def close(self) -> None:
        self.stop()
        self.writer.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def test_rows_arrive_and_the_cursor_follows(world: World) -> None:
    for second in range(5):
        world.reading(second, 0.5, 10)
    world.ship_all()
    assert len(world.centre.rows) == 5
    assert world.deliveries.cursor().seq == world.outbox.bounds()[1]
    assert world.deliveries.cursor().row_total == 11


def test_a_failing_link_moves_nothing_and_loses_nothing(world: World) -> None:
    world.ship_all()
    for second in range(4):
        world.reading(second, 0.5, 10)
    world.centre.fail_after = [0, 2]
    assert world.ship.step().retry == Retry("the link is down")
    assert world.ship.step().delivered == 2
    world.ship_all()
    assert len(world.centre.arrivals) == 4


def test_one_bad_row_is_parked_and_the_others_arrive(world: World) -> None:
    for second in range(10):
        world.reading(second, BAD if second == 4 else 0.5, 10)
    world.ship_all()
    assert len(world.centre.rows) == 9
    assert [reason for _, reason in world.parked("rejected")] == ["refused"]


def test_a_row_refused_for_a_mapping_that_no_longer_holds_is_sent_again(world: World) -> None:
    world.ship_all()
    for second in range(4):
        world.reading(second, 0.5, 10)
    world.centre.mapping_gone = True
    assert world.ship.step().retry is not None
    world.ship_all()
    assert len(world.centre.rows) == 4
    assert world.parked("rejected") == []


def test_the_same_in_a_lane_that_drains(world: World) -> None:
    world.centre.closed_houses = {1}
    for second in range(4):
        world.reading(second, 0.5, 10)
    world.ship_all()
    world.centre.closed_houses = set()
    world.centre.mapping_gone = True
    world.now += 61
    assert world.ship.step().retry is not None
    assert len(world.parked("blocked")) == 4
    world.ship_all()
    assert len(world.centre.rows) == 4
    assert world.parked("rejected") == []


def test_a_destination_that_turns_us_away_moves_nothing(world: World) -> None:
    world.ship_all()
    world.reading(1, 0.5, 10)
    before = world.deliveries.cursor()
    world.centre.refuses = True
    with pytest.raises(DestinationRefused):
        world.ship.step()
    assert world.deliveries.cursor() == before
    world.centre.refuses = False
    world.ship_all()
    assert len(world.centre.rows) == 1


def test_a_corrected_row_supersedes_its_parked_version(world: World) -> None:
    world.reading(1, BAD, 10)
    world.ship_all()
    world.reading(1, 2.5, 10, Op.UPDATE)
    world.ship_all()
    assert list(world.centre.rows.values()) == [2.5]
    assert world.parked("rejected") == []
    assert len(world.parked("superseded")) == 1


def test_a_blocked_house_holds_only_itself_and_drains_in_order(world: World) -> None:
    world.centre.closed_houses = {1}
    for second in range(6):
        world.reading(second, float(second + 1), 10 if second % 2 else 20)
    world.ship_all()
    assert sorted(world.centre.rows.values(), key=str) == [1.0, 3.0, 5.0]
    assert len(world.parked("blocked")) == 3
    world.centre.closed_houses = set()
    world.reading(7, 7.0, 10)
    world.ship_all()
    assert len(world.parked("blocked")) == 4, "newer rows wait behind the older ones"
    world.now += 61
    world.ship_all()
    assert world.parked("blocked") == []
    house1 = [row.values["value"] for row in world.centre.arrivals if row.lane == "house:1"]
    assert house1 == [2.0, 4.0, 6.0, 7.0]


def test_a_row_that_moved_to_another_house_waits_for_its_older_version(world: World) -> None:
    world.centre.closed_houses = {1}
    world.reading(1, 1.0, 10)
    world.ship_all()
    world.reading(1, 2.0, 20, Op.UPDATE)
    world.ship_all()
    assert world.centre.rows == {}
    world.centre.closed_houses = set()
    world.now += 61
    world.ship_all()
    assert list(world.centre.rows.values()) == [2.0]
    assert [row.values["value"] for row in world.centre.arrivals] == [1.0, 2.0]


def test_a_lane_that_stays_blocked_is_asked_again_later_not_at_once(world: World) -> None:
    world.centre.closed_houses = {1}
    world.reading(1, 1.0, 10)
    world.ship_all()
    world.now += 61
    world.ship_all()
    assert world.deliveries.blocked_lanes() == {"house:1": world.now + 60}


def test_what_refers_to_a_row_the_station_lacks_is_rejected_not_waited_for(world: World) -> None:
    world.centre.locations[99] = 9
    world.centre.closed_houses = {9}
    world.reading(1, 1.0, 99)
    world.reading(2, 2.0, None)
    world.ship_all()
    assert [reason for _, reason in world.parked("rejected")] == ["dangling"]
    assert list(world.centre.rows.values()) == [2.0]


def test_a_row_that_the_snapshot_reads_again_asks_nothing_of_anybody(world: World) -> None:
    """The log's version refers to what the snapshot has not read; then the row is deleted."""
    world.centre.locations[99] = 9
    world.centre.closed_houses = {9}
    world.writer.append_snapshot(None, SnapshotPlace("House", (5,)))
    world.reading(1, 1.0, 99)
    world.reading(1, 1.0, 99, Op.DELETE)
    world.ship_all()
    assert world.parked("rejected") == world.parked("blocked") == []
    assert [reason for _, reason in world.parked("superseded")] == ["read-again"]
    world.writer.append_snapshot(None, SnapshotPlace("Reading"))
    world.reading(2, 2.0, 99)
    world.ship_all()
    assert [reason for _, reason in world.parked("rejected")] == ["dangling"]


def test_versions_of_one_row_are_folded_to_the_last(world: World) -> None:
    for value in (1.0, 2.0, 3.0):
        world.reading(1, value, 10, Op.UPDATE)
    world.ship_all()
    assert [row.values["value"] for row in world.centre.arrivals] == [3.0]


def test_an_outbox_that_fell_back_is_sent_again_from_the_last_common_entry(world: World) -> None:
    world.reading(1, 1.0, 10)
    world.ship_all()
    world.reading(2, 2.0, 10)
    world.ship_all()
    last = world.outbox.bounds()[1]
    connection = world.writer.database.conn
    connection.execute("DELETE FROM entry WHERE seq = ?", (last,))
    connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'entry'", (last - 1,))
    world.reading(3, 3.0, 10)  # takes the seq that was acknowledged for another row
    world.restart()
    assert "sending again" in world.said
    world.ship_all()
    assert sorted(world.centre.rows.values(), key=str) == [1.0, 2.0, 3.0]


def test_entries_that_expired_before_the_power_took_the_cursor_are_told(world: World) -> None:
    world.ship_all()
    before = world.deliveries.cursor()
    for second in range(1, 4):
        world.reading(second, 1.0, 10)
    world.ship_all()
    settled = world.deliveries.cursor()
    world.reading(4, 4.0, 10)
    world.deliveries.rewind(before)  # as the disk has it
    world.writer.database.conn.execute("DELETE FROM entry WHERE seq <= ?", (settled.seq,))
    world.centre.rows.clear()
    world.restart()
    assert f"entries {before.seq + 1} to {settled.seq} are not held" in world.said
    world.ship_all()
    assert list(world.centre.rows.values()) == [4.0]
    assert world.deliveries.cursor().row_total == settled.row_total + 1
    world.restart()
    assert world.said == ""


def test_an_outbox_restored_empty_is_sent_from_its_beginning(world: World) -> None:
    world.ship_all()
    world.stop()
    connection = world.writer.database.conn
    connection.execute("DELETE FROM entry")
    connection.execute("UPDATE sqlite_sequence SET seq = 0 WHERE name = 'entry'")
    world.reading(1, 1.0, 10)
    world.start()
    world.ship_all()
    assert list(world.centre.rows.values()) == [1.0]


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("write"),
            st.lists(
                st.tuples(
                    st.integers(0, 9),  # second: few keys, so that versions meet
                    st.sampled_from([1.0, 2.0, 3.0, BAD]),
                    st.sampled_from([None, 10, 20, 30]),
                    st.sampled_from([Op.INSERT, Op.UPDATE, Op.DELETE]),
                ),
                min_size=1,
                max_size=8,
            ),
        ),
        st.tuples(st.just("fail"), st.lists(st.integers(0, 3), max_size=3)),
        st.tuples(st.just("close"), st.integers(1, 3)),
        st.tuples(st.just("open"), st.integers(1, 3)),
        st.tuples(st.just("step"), st.integers(1, 4)),
        st.tuples(st.just("restart"), st.integers(1, 7)),
    ),
    max_size=25,
)


@settings(max_examples=120, deadline=None)
@given(steps)
def test_conservation_whatever_happens(plan: list[tuple[str, object]]) -> None:
    """At the end each key holds its last good version, and what is missing is parked."""
    with tempfile.TemporaryDirectory() as name:
        world = World(Path(name))
        written: list[tuple[int, float, int | None, Op]] = []
        for what, argument in plan:
            carry_out(world, what, argument, written)
        world.centre.fail_after = []
        world.centre.closed_houses = set()
        world.deliveries.retry_lanes_now()
        world.ship_all()
        assert world.parked("blocked") == []
        judge(world, written)
        world.close()


def carry_out(
    world: World, what: str, argument: object, written: list[tuple[int, float, int | None, Op]]
) -> None:
    if what == "write":
        assert isinstance(argument, list)
        for second, value, location, op in argument:
            world.reading(second, value, location, op)
            written.append((second, value, location, op))
    elif what == "fail":
        assert isinstance(argument, list)
        world.centre.fail_after = list(argument)
    else:
        assert isinstance(argument, int)
        match what:
            case "close":
                world.centre.closed_houses.add(argument)
            case "open":
                world.centre.closed_houses.discard(argument)
                world.now += random.Random(argument).choice([0, 61])
            case "restart":
                world.restart(batch_rows=argument)
            case "step":
                for _ in range(argument):
                    world.ship.step()


def judge(world: World, written: Sequence[tuple[int, float, int | None, Op]]) -> None:
    """The last version of a key decides, unless it is bad: then it is parked."""
    expected: dict[int, float | None] = {}
    bad: set[int] = set()
    for second, value, _, op in written:
        if value == BAD:
            bad.add(second)
            continue
        bad.discard(second)
        expected[second] = None if op is Op.DELETE else value
    found = {int(str(key[0])[-2:]): value for key, value in world.centre.rows.items()}
    for second, wanted in expected.items():
        if second not in bad:
            assert found.get(second) == wanted, f"second {second}"
    rejected = {
        int(row["time"][-2:])
        for row in world.deliveries.database.query(
            "SELECT json_extract(row, '$.time') AS time FROM parked WHERE kind = 'rejected'"
        )
    }
    assert rejected == bad
    order: dict[tuple[str, tuple[Value, ...]], tuple[int, int]] = {}
    for row in world.centre.arrivals:
        assert order.get((row.table, row.key), (0, 0)) <= (row.seq, row.index)
        order[row.table, row.key] = (row.seq, row.index)
