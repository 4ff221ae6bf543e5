"""The pure room: shares converge, and at any moment at most one believes in a station."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.fleet.belief import Belief, Observer, margin_of
from replicator.fleet.sharing import Lease, plan, share

LEASE = 10.0


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.integers(0, 12),
    st.integers(1, 5),
    st.lists(st.integers(0, 5), max_size=12),
    st.lists(st.integers(0, 4), min_size=5, max_size=5),
)
def test_shares_converge(
    stations: int, shippers: int, holders: list[int], order: list[int]
) -> None:
    """Whoever held what, and whoever comes first: all is held, nobody has more than the share."""
    names = [f"s{n}" for n in range(stations)]
    live = [f"x{n}" for n in range(shippers)]
    held = dict(zip(names, (f"x{n}" for n in holders), strict=False))
    leases = {name: Lease(holder, 1) for name, holder in held.items()}
    dead = {f"x{n}" for n in range(shippers, 6)}
    for _ in range(3):
        for me in sorted(live, key=lambda name: order[int(name[1:]) % len(order)]):
            wanted = plan(me, names, live, dead, leases)
            assert not (wanted.take and wanted.give_up)
            leases |= {name: Lease("", 2) for name in wanted.give_up}
            leases |= {name: Lease(me, 3) for name in wanted.take}
    counts = [sum(lease.holder == me for lease in leases.values()) for me in live]
    assert sum(counts) == stations
    assert max(counts) <= share(stations, shippers)
    assert not any(
        plan(me, names, live, dead, leases) != plan(me, [], live, dead, {}) for me in live
    )


@dataclass
class Key:
    """A key of the bucket: writing needs the revision that is there."""

    value: str = ""
    revision: int = 0


@dataclass
class Store:
    revision: int = 0
    keys: dict[str, Key] = field(default_factory=dict)

    def write(self, key: str, value: str, last: int | None) -> int | None:
        there = self.keys.setdefault(key, Key())
        if last is not None and there.revision != last:
            return None
        self.revision += 1
        self.keys[key] = Key(value, self.revision)
        return self.revision


class Shipper:
    """What cli/fleet and jetstream/leases do, a call at a time, so that anything may lie between.

    ``rate``  of its clock
    """

    def __init__(self, name: str, store: Store, rate: float) -> None:
        self.store, self.rate, self.number = store, rate, 0
        self.host = name
        self.begin()

    def begin(self) -> None:
        self.number += 1
        self.name = f"{self.host}.{self.number}"
        self.belief = Belief(LEASE)
        self.observer = Observer(LEASE, margin_of(LEASE))
        self.revision: int | None = None
        self.held: dict[str, int] = {}
        self.doing = self.life()

    def believes(self, station: str, now: float) -> bool:
        return station in self.held and self.belief.holds(now * self.rate)

    def life(self) -> Generator[None, float, None]:
        """At each ``yield`` it may be frozen, or its message be on its way."""
        while True:
            began = (yield) * self.rate
            _ = yield
            revision = self.store.write(f"shipper.{self.name}", "alive", self.revision or None)
            _ = yield
            if revision is None:
                return
            self.revision = revision
            self.belief.renewed(began)
            leases = {
                key.removeprefix("lease."): Lease(at.value, at.revision)
                for key, at in self.store.keys.items()
                if key.startswith("lease.")
            }
            sessions = {
                key.removeprefix("shipper."): at
                for key, at in self.store.keys.items()
                if key.startswith("shipper.")
            }
            now = (yield) * self.rate
            alive = {n: at.revision for n, at in sessions.items() if at.value == "alive"}
            self.observer.look(now, {n: r for n, r in alive.items() if n != self.name})
            dead = {n for n, at in sessions.items() if at.value == "dead"}
            for name, seen in self.observer.silent(now).items():
                _ = yield
                if self.store.write(f"shipper.{name}", "dead", seen) is not None:
                    dead.add(name)
            wanted = plan(self.name, sorted(leases), set(alive) - dead, dead, leases)
            for station in wanted.give_up:
                _ = yield
                epoch = self.held.pop(station, None)
                if epoch is not None:
                    self.store.write(f"lease.{station}", "", epoch)
            for station in wanted.take:
                _ = yield
                epoch = self.store.write(f"lease.{station}", self.name, leases[station].revision)
                _ = yield
                if epoch is not None:
                    self.held[station] = epoch


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.lists(st.sampled_from([0.91, 1.0, 1.09]), min_size=3, max_size=3),
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(5, 120), st.integers(1, 60)), max_size=6
    ),  # who is frozen, from which tick on, for how many
    st.lists(st.integers(1, 4), min_size=7, max_size=7),  # calls in a tick
)
def test_at_most_one_believes(
    rates: list[float], freezes: list[tuple[int, int, int]], calls: list[int]
) -> None:
    store = Store()
    for station in ("a", "b", "c"):
        store.write(f"lease.{station}", "", None)
    shippers = [Shipper(f"x{n}", store, rate) for n, rate in enumerate(rates)]
    for shipper in shippers:
        next(shipper.doing)
    held = 0
    for tick in range(180):
        now = tick / 2
        for who, shipper in enumerate(shippers):
            if any(w == who and start <= tick < start + length for w, start, length in freezes):
                continue
            for _ in range(calls[(tick + who) % len(calls)]):
                _go_on(shipper, now)
                held += _believing(shippers, now)
    assert held


def _go_on(shipper: Shipper, now: float) -> None:
    try:
        shipper.doing.send(now)
    except StopIteration:  # it was taken for dead
        shipper.begin()
        next(shipper.doing)


def _believing(shippers: list[Shipper], now: float) -> int:
    found = 0
    for station in ("a", "b", "c"):
        believing = [s.name for s in shippers if s.believes(station, now)]
        assert len(believing) <= 1, (station, believing, now)
        found += len(believing)
    return found


def test_who_was_away_calls_nobody_silent() -> None:
    observer = Observer(LEASE, margin_of(LEASE))
    observer.look(0.0, {"x": 1})
    assert not observer.silent(11.9)
    observer.look(9.0, {"x": 1})
    assert observer.silent(12.1) == {"x": 1}
    observer.look(30.0, {"x": 1})
    assert not observer.silent(30.1)
    assert not observer.lives("x")
    observer.look(31.0, {"x": 2})
    assert observer.lives("x")


def test_a_look_that_takes_long_is_no_absence() -> None:
    observer = Observer(LEASE, margin_of(LEASE))
    observer.look(0.0, {"x": 1})
    observer.look(15.0, {"x": 1}, began=1.0)
    assert observer.silent(15.1) == {"x": 1}
    observer.look(40.0, {"x": 1}, began=26.0)
    assert not observer.silent(40.1)
