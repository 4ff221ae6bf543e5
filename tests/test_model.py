"""The outbox and two deliveries against a model: whatever happens in whatever order.

Appends, steps, links that fail, houses that close, bad rows, requeues, rewinds, pruning and deaths,
by a hypothesis state machine. After each of them, for each destination: the latest version behind
the cursor of every row has arrived or is parked, an older one never comes after a newer one, and
nothing is pruned that somebody waits for. At the end everything is opened, and all has arrived.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from replicator.change import Change, Commit, Op, Position, Value
from replicator.delivery import Delivery, Parcel
from replicator.outbox.deliveries import Cursor, Deliveries
from replicator.outbox.reader import OutboxReader
from replicator.outbox.retention import acknowledged_by_all, expire
from replicator.outbox.writer import OutboxWriter
from replicator.ship import Ship, ShipSettings
from tests.test_ship import BAD, READING, Centre

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
LATER = datetime(2100, 1, 1, tzinfo=timezone.utc)
NAMES = ("near", "far")
HOUSES = (1, 2, 3)
_PATIENCE = 61.0
Place = tuple[int, int]  # seq, place in the entry


class Killed(BaseException):
    """The process is gone."""


@dataclass(frozen=True)
class Version:
    """One captured row. ``second`` is its key."""

    second: int
    value: float
    op: Op
    location: int | None


@dataclass
class Model:
    """What has been captured, and what each destination must have of it."""

    captured: dict[Place, Version] = field(default_factory=dict)

    def latest(self, before: Place) -> Mapping[int, Place]:
        """Key → place of its latest version before a place."""
        return {
            version.second: place
            for place, version in sorted(self.captured.items())
            if place < before
        }

    def due(self, before: Place) -> tuple[Mapping[int, float], set[int]]:
        """Values that a destination must have, and keys of rows that it must have refused."""
        latest = {key: self.captured[place] for key, place in self.latest(before).items()}
        bad = {key for key, version in latest.items() if version.value == BAD}
        good = {
            key: version.value
            for key, version in latest.items()
            if key not in bad and version.op is not Op.DELETE
        }
        return good, bad


@dataclass
class MortalCentre(Centre):
    """Also kills its caller after it has stored some rows."""

    kills_after: int | None = None

    def deliver(self, parcels: Sequence[Parcel]) -> Delivery:
        if self.kills_after is None:
            return super().deliver(parcels)
        room, self.kills_after = self.kills_after, None
        super().deliver(parcels[:room])
        raise Killed


class Destination:
    """One destination's file, its ship, and the centre at the other end."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.name = name
        self.now = 1_000.0
        self.centre = MortalCentre(locations={house * 10: house for house in HOUSES})
        self.judged = 0
        self.newest: dict[int, Place] = {}
        self.arrived: set[Place] = set()
        self.open()

    def open(self, batch_rows: int = 5) -> None:
        self.outbox = OutboxReader(self._folder)
        self.deliveries = Deliveries(self._folder, self.name, "NORMAL")
        settings = ShipSettings(batch_rows=batch_rows, retry_blocked=_PATIENCE - 1)
        self.ship = Ship(
            self.outbox, self.deliveries, self.centre, self.centre, settings, lambda: self.now
        )
        self.ship.start()

    def close(self) -> None:
        self.outbox.close()
        self.deliveries.close()

    def step(self) -> bool:
        """One step; False when nothing is due. A death is followed by a new start."""
        try:
            return not self.ship.step().idle
        except Killed:
            _note_arrivals(self)
            self.close()
            self.open()
            # What was not settled is sent again from its beginning, older versions first.
            settled = self.behind()
            self.newest = {key: place for key, place in self.newest.items() if place < settled}
            return True

    def behind(self) -> Place:
        """The first place that is not behind the cursor."""
        cursor = self.deliveries.cursor()
        return (cursor.seq + 1, cursor.row_index)

    def parked(self, *kinds: str) -> dict[Place, int]:
        """Place → key of the readings parked."""
        rows = self.deliveries.database.execute(
            "SELECT seq, row_index, kind, json_extract(key, '$[0]') FROM parked"
            " WHERE table_name = 'Reading'"
        )
        return {(seq, i): int(key[-2:]) for seq, i, kind, key in rows if kind in kinds}


class Machine(RuleBasedStateMachine):
    """Rules are what happens; the invariants are the promise."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.model = Model()
        self.offset = 4
        self.writer = OutboxWriter(self.folder, "NORMAL")
        self.writer.begin_at(Position("s", "b", self.offset), None)
        self.change(Change("House", Op.INSERT, ("id", "address"), [(h, "x") for h in HOUSES]))
        places = [(house * 10, house) for house in HOUSES]
        self.change(Change("Location", Op.INSERT, ("id", "houseId"), places))
        self.to = {name: Destination(self.folder, name) for name in NAMES}

    def change(self, change: Change, *, durable: bool = True) -> None:
        self.offset += 1
        self.writer.append(change)
        self.writer.commit(Commit(Position("s", "b", self.offset), AT))
        if durable:
            self.writer.flush()

    # --- what happens --------------------------------------------------------------------------

    @rule(
        rows=st.lists(
            st.builds(
                Version,
                st.integers(0, 9),
                st.sampled_from([1.0, 2.0, 3.0, BAD]),
                st.sampled_from([Op.INSERT, Op.UPDATE, Op.DELETE]),
                st.sampled_from([None, 10, 20, 30]),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def append(self, rows: list[Version]) -> None:
        for version in rows:
            self.change(_change(version))
            self.model.captured[self.last(), 0] = version

    @rule(value=st.sampled_from([1.0, BAD]))
    def append_and_die(self, value: float) -> None:
        """Not durable yet: the source tells it again, or not."""
        before = self.last()
        self.change(_change(Version(0, value, Op.UPDATE, 10)), durable=False)
        self.offset -= 1
        self.writer.close()
        self.writer = OutboxWriter(self.folder, "NORMAL")
        assert self.last() == before

    @rule(name=st.sampled_from(NAMES), times=st.integers(1, 4))
    def due_and_settle(self, name: str, times: int) -> None:
        for _ in range(times):
            self.to[name].step()

    @rule(name=st.sampled_from(NAMES), room=st.integers(0, 3))
    def the_link_fails(self, name: str, room: int) -> None:
        self.to[name].centre.fail_after = [room]

    @rule(name=st.sampled_from(NAMES), house=st.sampled_from(HOUSES))
    def park(self, name: str, house: int) -> None:
        """A house cannot be made there: what is in it is blocked."""
        self.to[name].centre.closed_houses.add(house)

    @rule(name=st.sampled_from(NAMES), house=st.sampled_from(HOUSES))
    def the_house_opens(self, name: str, house: int) -> None:
        self.to[name].centre.closed_houses.discard(house)

    @rule(name=st.sampled_from(NAMES))
    def requeue(self, name: str) -> None:
        self.to[name].deliveries.retry_lanes_now()

    @rule(name=st.sampled_from(NAMES))
    def time_passes(self, name: str) -> None:
        self.to[name].now += _PATIENCE

    @rule(name=st.sampled_from(NAMES), share=st.floats(0, 1))
    def rewind(self, name: str, share: float) -> None:
        destination = self.to[name]
        first, _ = destination.outbox.bounds()
        cursor = destination.deliveries.cursor()
        seq = first - 1 + int(share * (cursor.seq - first + 1))
        position = destination.outbox.position_of(seq) or ""
        total = destination.outbox.row_total_at(seq)
        destination.deliveries.rewind(Cursor(seq, 0, position, total))
        destination.newest.clear()
        self.kill(name, 5)

    @rule()
    def prune(self) -> None:
        settled = acknowledged_by_all(self.folder, NAMES)
        assert settled == min(d.deliveries.cursor().seq for d in self.to.values())
        assert any(not expire(self.writer.database, settled, LATER) for _ in range(9))

    @rule(name=st.sampled_from(NAMES), batch_rows=st.integers(1, 7))
    def kill(self, name: str, batch_rows: int) -> None:
        self.to[name].close()
        self.to[name].open(batch_rows)

    @rule(name=st.sampled_from(NAMES), room=st.integers(0, 3))
    def kill_while_it_sends(self, name: str, room: int) -> None:
        self.to[name].centre.kills_after = room
        self.to[name].step()
        self.to[name].centre.kills_after = None

    # --- the promise ---------------------------------------------------------------------------

    def last(self) -> int:
        found = self.writer.database.execute("SELECT max(seq) FROM entry").fetchone()
        return int(found[0])

    @invariant()
    def the_cursor_is_held(self) -> None:
        for destination in self.to.values():
            cursor = destination.deliveries.cursor()
            first, last = destination.outbox.bounds()
            assert cursor.seq <= last
            if cursor.seq >= first:
                assert destination.outbox.position_of(cursor.seq) == cursor.position

    @invariant()
    def what_somebody_waits_for_is_kept(self) -> None:
        settled = min(destination.deliveries.cursor().seq for destination in self.to.values())
        kept = {seq for (seq,) in self.writer.database.execute("SELECT seq FROM entry")}
        assert kept >= set(range(settled + 1, self.last() + 1))

    @invariant()
    def what_is_behind_the_cursor_arrived_or_is_parked(self) -> None:
        for destination in self.to.values():
            _note_arrivals(destination)
            parked = destination.parked("blocked", "rejected", "superseded")
            newest = self.model.latest((self.last() + 1, 0))
            for key, place in self.model.latest(destination.behind()).items():
                # Of versions sent together only the last one goes; it may have to wait.
                settled = place in destination.arrived or place in parked
                assert settled or newest[key] != place

    def teardown(self) -> None:
        """Everything opens: all that is good arrives, all that is bad is listed."""
        for destination in self.to.values():
            destination.centre.fail_after = []
            destination.centre.closed_houses = set()
            destination.deliveries.retry_lanes_now()
            assert any(not destination.step() for _ in range(1_000)), "it never comes to an end"
            good, bad = self.model.due((self.last() + 1, 0))
            assert set(destination.parked("rejected").values()) == bad
            assert destination.parked("blocked") == {}
            there = {_second(key): value for key, value in destination.centre.rows.items()}
            assert {key: value for key, value in there.items() if key not in bad} == good
        self.what_is_behind_the_cursor_arrived_or_is_parked()
        for destination in self.to.values():
            destination.close()
        self.writer.close()
        shutil.rmtree(self.folder)


def _note_arrivals(destination: Destination) -> None:
    """An older version never comes after a newer one (until somebody rewinds)."""
    arrivals = destination.centre.arrivals
    for row in arrivals[destination.judged :]:
        place, key = (row.seq, row.index), _second(row.key)
        again = place in destination.arrived  # a death before it was settled
        assert again or place > destination.newest.get(key, (0, 0))
        destination.newest[key] = max(place, destination.newest.get(key, (0, 0)))
        destination.arrived.add(place)
    destination.judged = len(arrivals)


def _second(key: tuple[Value, ...]) -> int:
    return int(str(key[0])[-2:])


def _change(version: Version) -> Change:
    time = f"2026-03-01T00:00:{version.second:02d}"
    return Change("Reading", version.op, READING, [(time, 7, 1, version.location, version.value)])


def test_outbox_and_deliveries_against_the_model() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(max_examples=25, stateful_step_count=30, deadline=None, derandomize=True),
    )
