"""Station, outbox and centre move while they are compared: what is right is never called wrong.

A world in memory, in which something happens at every step of an audit: the station writes, capture
reads, ship delivers. The audit itself is the real one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.audit.compare import UNEXPLAINED, Finding
from replicator.audit.look import Looker
from replicator.audit.pending import Excuse, Pending
from replicator.audit.places import Chart, Place
from replicator.audit.repair import Repair
from replicator.audit.station import RowKey, Station
from replicator.audit.verify import Audit
from replicator.audit.walk import Scope, Unit
from replicator.change import Change, Op, Position, Row
from replicator.delivery import Delivered, Delivery, Parcel, QueuedRow
from replicator.model import TABLES
from replicator.sink.dialect import OURS
from replicator.source.ranges import EVERYTHING, Window
from replicator.source.snapshot import Chunk

READING = TABLES["Reading"].columns
CHART = Chart([Place("none", None, {None: None})])
KEYS: list[RowKey] = [(f"2026-03-01T00:00:{second:02d}", 1, 0) for second in range(6)]
UNITS = [Unit("Reading", Window(None, None, (1,)))]


class World:
    """Rows of one node by key; the log and the outbox are lists of (key, row or None)."""

    def __init__(self, chance: random.Random, busy: float) -> None:
        self._chance = chance
        self._busy = busy
        self._value = 0
        self.here: dict[RowKey, Row] = {}
        self.there: dict[RowKey, Row] = {}
        self.log: list[tuple[RowKey, Row | None]] = []
        self.captured = self.delivered = 0
        self.waiting: set[RowKey] = set()
        self.link = self
        self.dialect = OURS
        self.sent: list[Parcel] = []

    def write(self, key: RowKey, *, delete: bool = False) -> None:
        self._value += 1
        row: Row = (*key, None, float(self._value))
        self.log.append((key, None if delete else row))
        if delete:
            self.here.pop(key, None)
        else:
            self.here[key] = row

    def capture(self) -> None:
        self.captured = len(self.log)

    def deliver(self) -> None:
        if self.delivered < self.captured:
            key, row = self.log[self.delivered]
            self.delivered += 1
            if row is None:
                self.there.pop(key, None)
            else:
                self.there[key] = row

    def something_happens(self) -> None:
        while self._chance.random() < self._busy:
            match self._chance.randrange(4):
                case 0:
                    self.write(self._chance.choice(KEYS), delete=self._chance.random() < 0.2)
                case 1:
                    self.capture()
                case _:
                    self.deliver()

    # what the audit is given: station, log, what waits, centre

    def read(self, table: str, after: Any, limit: int, window: Window = EVERYTHING) -> Chunk:
        self.something_happens()
        rows = sorted(self.here.values(), key=repr)
        self.something_happens()
        return Chunk(Change(table, Op.SNAPSHOT, READING, rows), None, True)

    def now(self) -> Position:
        self.something_happens()
        return Position("s", "log", len(self.log))

    def captured_to(self) -> Position:
        self.something_happens()
        return Position("s", "log", self.captured)

    def is_capturing(self) -> bool:
        return True

    def refresh(self) -> None:
        self.something_happens()
        self.waiting = {key for key, _ in self.log[self.delivered : self.captured]}

    def excuse(self, table: str, key: RowKey) -> Excuse | None:
        return Excuse("waiting", "outbox", "") if key in self.waiting else None

    def may_hold(self, *_: object) -> bool:
        return True

    def rows(self, table: str, window: Window, kind: int | None = None) -> dict[RowKey, Row]:
        self.something_happens()
        found = dict(self.there)
        self.something_happens()
        return found


def audited(world: World) -> list[Finding]:
    pending = cast("Pending", world)
    station = Station(world, CHART, pending, lambda _: None)
    scope = Scope(None, None, [0], [1])
    centre = cast("Any", world)
    looker = Looker(station, centre, pending, world, CHART, scope, lambda _: None)
    audit = Audit(station, centre, pending, looker, CHART, scope)
    return list(audit.compared(UNITS))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.integers(0, 10**9), st.floats(0, 0.8))
def test_what_moves_is_never_called_wrong(seed: int, busy: float) -> None:
    world = World(random.Random(seed), busy)
    for key in KEYS[:4]:
        world.write(key)
    for _ in range(3):
        found = audited(world)
        assert not [each for each in found if each.kind in UNEXPLAINED], found


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(["missing", "different", "extra"]))
def test_what_is_wrong_is_found_when_all_is_quiet(seed: int, kind: str) -> None:
    world = World(random.Random(seed), 0)
    for key in KEYS:
        world.write(key)
        world.capture()
        world.deliver()
    key = KEYS[seed % len(KEYS)]
    if kind == "missing":
        del world.there[key]
    elif kind == "different":
        world.there[key] = (*key, None, 0.5)
    else:
        del world.here[key]
    assert [(each.kind, each.key) for each in audited(world)] == [(kind, key)]


class Sink:
    """Takes everything, and remembers it."""

    dialect = OURS

    def __init__(self) -> None:
        self.sent: list[Parcel] = []

    def body(self, row: QueuedRow) -> dict[str, Any]:
        return {"__table__": row.table, **row.values}

    def deliver(self, parcels: Sequence[Parcel]) -> Delivery:
        self.sent += parcels
        return Delivery([Delivered("r")] * len(parcels), 1, 0, 0.0)


@pytest.mark.parametrize("delete_extra", [False, True])
def test_repair_sends_what_the_station_has_now_and_leaves_what_waits(delete_extra: bool) -> None:
    world, sink = World(random.Random(0), 0), Sink()
    for key in KEYS[:3]:
        world.write(key)
    world.capture()
    while world.delivered < world.captured:
        world.deliver()
    world.there.clear()
    world.there[KEYS[4]] = world.there[KEYS[5]] = (*KEYS[4], None, 9.0)
    found = audited(world)
    assert [each.kind for each in found] == ["missing"] * 3 + ["extra"] * 2
    world.write(KEYS[0])  # meanwhile: one waits, one has changed, one is gone, one has come
    world.capture()
    world.here[KEYS[1]] = (*KEYS[1], None, 77.0)
    del world.here[KEYS[2]]
    world.here[KEYS[5]] = (*KEYS[5], None, 9.0)
    some = cast("Any", sink)
    pending = cast("Pending", world)
    station = Station(world, CHART, pending, lambda _: None)
    repair = Repair(station, pending, some, some, some, delete_extra=delete_extra)
    done = {each.finding.key: each.why for each in repair.carry_out(found)}
    sent = {parcel.row.key: (parcel.row.op, parcel.body.get("value")) for parcel in sink.sent}
    deleted = {KEYS[4]: (Op.DELETE, None)} if delete_extra else {}
    assert sent == {KEYS[1]: (Op.SNAPSHOT, 77.0), **deleted}
    assert (done[KEYS[0]], done[KEYS[1]]) == ("it is waiting by now: outbox", "")
    assert done[KEYS[2]] == "the station no longer has it"
    assert done[KEYS[4]] == ("" if delete_extra else "--delete-extra deletes it")
    assert done[KEYS[5]] == "the station has it by now"
