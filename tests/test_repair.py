"""An operator at work while ship delivers: nothing lost, nothing older over anything newer."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from replicator.change import Op, Value
from replicator.delivery import Delivered, Delivery, Outcome, Parcel
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.journal import Deed
from replicator.outbox.parking import Parking, Wanted
from replicator.outbox.reader import OutboxReader
from replicator.repair.again import send_again
from replicator.repair.places import BySeq
from replicator.repair.rewinding import planned, rewind
from tests.test_ship import BAD, Centre, World

DEED = Deed("me", "test", "")
ALL = Wanted(kinds=("blocked", "rejected", "superseded"))


@dataclass
class Moody(Centre):
    """``takes_bad``: what it refused before it takes now; ``meddle``: done during the next call."""

    takes_bad: bool = False
    meddle: Callable[[], None] | None = None

    def deliver(self, parcels: Sequence[Parcel]) -> Delivery:
        if self.meddle is not None:
            meddle, self.meddle = self.meddle, None
            meddle()
        return super().deliver(parcels)

    def _store(self, parcel: Parcel) -> Outcome:
        if not self.takes_bad or parcel.row.values["value"] != BAD:
            return super()._store(parcel)
        self.arrivals.append(parcel.row)
        self.rows[parcel.row.key] = BAD
        return Delivered("r")


class Operated(World):
    """The same with an operator, whose commands have connections of their own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.stop()
        self.moody = Moody(locations=self.centre.locations)
        self.centre = self.moody
        self.start()

    def requeue(self) -> None:
        """Beside ship, which does not know."""
        deliveries = Deliveries(self.folder, "centre")
        Parking(deliveries.database, deliveries.path).requeue(ALL, "me")
        deliveries.close()

    def in_ships_place(self, what: Callable[[OutboxReader, Deliveries], None]) -> None:
        """Ship stands still, and starts anew."""
        self.stop()
        outbox, deliveries = OutboxReader(self.folder), Deliveries(self.folder, "centre")
        what(outbox, deliveries)
        outbox.close()
        deliveries.close()
        self.start()

    def replay(self, location: int) -> None:
        """Rows of a location, again."""

        def matches(table: str, values: Mapping[str, Value]) -> bool:
            return table == "Reading" and values["locationId"] == location

        def choose(outbox: OutboxReader, deliveries: Deliveries) -> None:
            send_again(outbox, deliveries, matches, DEED)

        self.in_ships_place(choose)

    def rewind(self, back: int) -> None:
        """So many entries back."""

        def move(outbox: OutboxReader, deliveries: Deliveries) -> None:
            seq = deliveries.cursor().seq
            if seq:
                rewind(deliveries, planned(outbox, deliveries, BySeq(max(0, seq - back))), DEED)

        self.in_ships_place(move)


row = st.tuples(
    st.integers(0, 4),  # second: few keys, so that versions meet
    st.sampled_from([1.0, 2.0, 3.0, BAD]),
    st.sampled_from([None, 10, 20]),
    st.sampled_from([Op.INSERT, Op.UPDATE, Op.DELETE]),
)
plans = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.lists(row, min_size=1, max_size=6)),
        st.tuples(st.just("fail"), st.lists(st.integers(0, 3), max_size=2)),
        st.tuples(st.just("close"), st.integers(1, 2)),
        st.tuples(st.just("open"), st.integers(1, 2)),
        st.tuples(st.just("step"), st.integers(1, 4)),
        st.tuples(st.just("restart"), st.integers(1, 7)),
        st.tuples(st.just("mood"), st.booleans()),
        st.tuples(st.just("requeue"), st.just(0)),
        st.tuples(st.just("meddle"), st.just(0)),
        st.tuples(st.just("replay"), st.sampled_from([10, 20])),
    ),
    max_size=25,
)
rewinding = st.one_of(st.none(), st.tuples(st.integers(0, 24), st.integers(1, 30)))


UNDER_WAY: list[tuple[str, object]] = [
    ("write", [(1, BAD, 10, Op.UPDATE)]),
    *[("step", 4)] * 3,
    ("mood", True),
    ("write", [(1, 2.0, 10, Op.UPDATE)]),
    ("meddle", 0),
    ("step", 4),
]


@settings(max_examples=50, deadline=None)
@given(plans, rewinding)
@example(UNDER_WAY, None)
def test_nothing_is_lost_and_nothing_older_goes_over_anything_newer(
    plan: list[tuple[str, object]], back: tuple[int, int] | None
) -> None:
    with tempfile.TemporaryDirectory() as name:
        world = Operated(Path(name))
        expected: dict[int, float | None] = {}
        for place, (what, argument) in enumerate(plan):
            if back is not None and place == back[0]:
                world.rewind(back[1])
            carry_out(world, what, argument, expected)
        world.centre.fail_after = []
        world.centre.closed_houses = set()
        world.moody.takes_bad, world.moody.meddle = True, None
        world.requeue()
        world.deliveries.retry_lanes_now()
        world.ship_all()
        assert world.parked("blocked") == world.parked("rejected") == []
        found = {int(str(key[0])[-2:]): value for key, value in world.centre.rows.items()}
        assert found == {second: value for second, value in expected.items() if value is not None}
        if back is None or back[0] >= len(plan):
            in_order(world)
        world.close()


def in_order(world: Operated) -> None:
    """No version of a key behind a newer one. A rewind repeats history, and is left out."""
    last: dict[tuple[Value, ...], tuple[int, int]] = {}
    for arrival in world.centre.arrivals:
        version = (arrival.seq, arrival.index)
        assert last.get(arrival.key, (0, 0)) <= version
        last[arrival.key] = version


def carry_out(
    world: Operated, what: str, argument: object, expected: dict[int, float | None]
) -> None:
    if what == "write":
        assert isinstance(argument, list)
        for second, value, location, op in argument:
            world.reading(second, value, location, op)
            gone = op is Op.DELETE and value != BAD
            expected[second] = None if gone else value
        return
    if what == "fail":
        assert isinstance(argument, list)
        world.centre.fail_after = list(argument)
        return
    assert isinstance(argument, int)
    if what == "step":
        for _ in range(argument):
            world.ship.step()
    else:
        DONE[what](world, argument)


def reopen(world: Operated, house: int) -> None:
    """The centre takes it again, and its lane's time has come."""
    world.centre.closed_houses.discard(house)
    world.now += 61


def mood(world: Operated, takes_bad: int) -> None:
    world.moody.takes_bad = bool(takes_bad)


def meddle(world: Operated, _: int) -> None:
    world.moody.meddle = world.requeue


DONE: Mapping[str, Callable[[Operated, int], None]] = {
    "close": lambda world, house: world.centre.closed_houses.add(house),
    "open": reopen,
    "restart": lambda world, rows: world.restart(batch_rows=rows),
    "mood": mood,
    "requeue": lambda world, _: world.requeue(),
    "meddle": meddle,
    "replay": lambda world, location: world.replay(location),
}
