"""What is removed of one station, desk or shipper is gone, and nothing else, whoever is killed.

nats-server before 2.9.18 loses all that was there before a purge, on each server that starts again
with the purge in its log (nats-server issue 4196).
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.js import JetStreamContext

from demo.mariadbd import free_port
from demo.natsd import PrivateNats
from replicator.change import Change, Op
from replicator.errors import OutboxError
from replicator.jetstream import removal
from replicator.jetstream.bucket import Bucket
from replicator.jetstream.bus import Bus
from replicator.jetstream.desks import Desks
from replicator.jetstream.keys import entries
from replicator.jetstream.messages import END
from replicator.jetstream.removal import Spot, Trail
from replicator.jetstream.stream import StationStream
from replicator.jetstream.writer import JetStreamOutbox
from tests.contract.backends import JetStream, Sqlite, nodes, place, readings, write
from tests.faults.world import until

_STREAM = "S"
T = TypeVar("T")


@dataclass(frozen=True)
class Has:
    """What a server has of a stream."""

    messages: int
    last: int


class Three:
    """Servers of one cluster, each of which says by itself what it has."""

    def __init__(self) -> None:
        routes = [f"127.0.0.1:{free_port()}" for _ in range(3)]
        known = ", ".join(f'"nats://{route}"' for route in routes)
        self._looks = [f"127.0.0.1:{free_port()}" for _ in range(3)]
        self.servers = [
            PrivateNats(
                more=f'server_name: n{n}\nhttp: "{self._looks[n]}"\n'
                f'cluster {{ name: c, listen: "{route}", routes: [{known}] }}\n'
            )
            for n, route in enumerate(routes)
        ]
        self.bus = Bus([server.url for server in self.servers])

    def has(self, server: int) -> dict[str, Has]:
        """Of each stream, as this server has it."""
        url = f"http://{self._looks[server]}/jsz?streams=1&acc=$G"
        with urllib.request.urlopen(url, timeout=10) as reply:
            said = json.load(reply)
        return {
            stream["name"]: Has(stream["state"]["messages"], stream["state"]["last_seq"])
            for account in said.get("account_details") or []
            for stream in account.get("stream_detail") or []
        }

    def have_come(self, last: dict[str, int]) -> bool:
        """Each has done all up to these seqs."""
        try:
            found = [self.has(server) for server in range(3)]
        except OSError:
            return False
        return all(
            name in each and each[name].last == seq for each in found for name, seq in last.items()
        )

    def done(self, make: Callable[[], T]) -> T:
        """What a call gives, once the servers have elected whom it needs."""
        given: list[T] = []

        def tried() -> bool:
            try:
                given.append(make())
            except OutboxError:
                return False
            return True

        until(tried, "the servers")
        return given[0]


@pytest.fixture
def three() -> Iterator[Three]:
    made = Three()
    try:
        for server in made.servers:
            server.start()
        yield made
    finally:
        made.bus.close()
        for server in made.servers:
            server.close()


class Writing:
    """A station that goes on writing, a group of one message at a time."""

    def __init__(self, three: Three, name: str) -> None:
        self.stream = StationStream(three.bus, _STREAM, name)
        self._outbox = JetStreamOutbox(three.bus, self.stream, 3, 16 << 20)
        self._three = three
        self._written = 0
        three.done(self._begin)

    def write(self, groups: int) -> None:
        for _ in range(groups):
            self._written += 1
            self._three.done(self._group)

    def _begin(self) -> None:
        try:
            self._outbox.begin_at(place(0), None)
        except OutboxError:
            self._outbox.abandon()
            if self._outbox.position is None:
                raise

    def _group(self) -> None:
        try:
            write(self._outbox, self._written, readings(10, 10 * self._written))
            self._outbox.flush()
        except OutboxError:
            self._outbox.abandon()
            standing = self._outbox.position
            if standing is None or standing.offset < place(self._written).offset:
                raise

    @property
    def ends(self) -> list[int]:
        """Seqs of the groups that the stream has."""
        found, end = [], self.stream.next_end(1)
        while end is not None:
            found.append(end.seq)
            end = self.stream.next_end(end.seq + 1)
        return found


def test_what_others_have_stays_whichever_server_is_killed(three: Three) -> None:
    one, other = Writing(three, "one"), Writing(three, "other")
    for each in (one, other):
        each.write(8)
    mine, others = one.ends, other.ends
    desks = {name: Desks(three.bus, _STREAM, name, "ship", 3) for name in ("one", "other")}
    for name, desk in desks.items():
        three.done(lambda desk=desk, name=name: desk.keep(7, name.encode()))  # type: ignore[misc]
    bucket = Bucket("S_state", 3)

    async def say(js: JetStreamContext) -> None:
        keys = await bucket.open(js)
        for key in ("shipper.a", "shipper.b", "lease.x"):
            await keys.put(key, b"{}")

    async def forget(js: JetStreamContext) -> None:
        await bucket.purge(three.bus, js, "shipper.a")

    three.done(lambda: three.bus.call(say))
    trail = Trail()
    for seq in mine[2:]:
        trail.note(seq, end=True)
    one.stream.purge(mine[5], trail)
    three.done(lambda: desks["one"].keep(7, b"newer"))
    three.done(lambda: three.bus.call(forget))
    until(lambda: three.has(0) == three.has(1) == three.has(2), "all to have the same")
    leader = three.has(0)
    assert one.ends == mine[5:]
    assert other.ends == others

    for number, server in enumerate(three.servers):
        server.kill()
        server.start()
        other.write(1)
        last = {name: has.last for name, has in leader.items()} | {
            "S": leader["S"].last + number + 1
        }
        until(lambda last=last: three.have_come(last), "all to be there")  # type: ignore[misc]
        for node in range(3):  # what was removed may come back with a server, and nothing may go
            has = three.has(node)
            assert has["S"].messages >= len(mine[5:]) + len(others) + number + 1
            assert has["S_desks"].messages >= 4
            assert has["KV_S_state"].messages >= 2
    assert three.done(lambda: other.ends[: len(others)]) == others
    fetched = [three.done(desks[name].fetch) for name in desks]
    assert [each[1] for each in fetched if each] == [b"newer", b"other"]
    there = three.done(lambda: three.bus.call(lambda js: entries(js, "S_state", ">")))
    assert {"lease.x", "shipper.b"} <= set(there)


def test_of_a_bucket_that_refuses_removals_a_key_leaves_its_mark(
    jetstream: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As earlier versions made it; on one server, as if it had replicas."""
    monkeypatch.setattr(removal, "_ONE", 0)
    bus, _ = jetstream.connection()
    bucket = Bucket(f"{jetstream.stream}_state", 1)

    async def ask(js: JetStreamContext) -> list[str]:
        await js.create_key_value(bucket=bucket.name)
        keys = await bucket.open(js)
        for key in ("shipper.a", "shipper.b"):
            await keys.put(key, b"{}")
        await bucket.purge(bus, js, "shipper.a")
        return list(await entries(js, bucket.name, ">"))

    try:
        assert bus.call(ask) == ["shipper.b"]
    finally:
        bus.close()


class Died(Exception):
    """Instead of a SIGKILL."""


class Dying(Bus):
    """A connection on which so many messages are removed, and no more."""

    left = 0

    async def ask(self, what: str, **words: object) -> dict[str, Any]:
        self.left -= 1
        if self.left < 0:
            raise Died
        return await super().ask(what, **words)


def test_died_in_its_middle_a_reader_finds_whole_groups_up_to_the_last(
    jetstream: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one server, as if its stream had replicas."""
    monkeypatch.setattr(removal, "_ONE", 0)
    monkeypatch.setattr(removal, "_WINDOW", 1)
    with jetstream.open() as outbox:
        outbox.begin_at(place(0), None)
        for number in range(1, 6):
            house = Change("House", Op.INSERT, ("id", "address"), [(number, f"{number} Mile Lane")])
            write(outbox, number, house, readings(3, 100 * number))
            outbox.flush()
    bus, stream = Dying([jetstream.server]), jetstream.connection()[1]
    alive, _ = jetstream.connection()
    name, subject = stream.name, stream.subjects.all
    written = [100 * number + n for number in range(1, 6) for n in range(3)]
    last = alive.call(lambda js: removal._found(js, name, subject, END, None))[-1].seq
    died = 0
    try:
        while True:
            bus.left = 1
            try:
                bus.call(lambda js: removal.remove(bus, js, name, subject, ends=END, before=last))
            except Died:
                died += 1
            else:
                break
            with jetstream.feed(jetstream.folder / str(died)) as feed:
                feed.read_to_end()
            entries_there = Sqlite(jetstream.folder / str(died)).read()
            found = nodes(each for each in entries_there if each.table == "Reading")
            assert found
            assert found == written[-len(found) :]
    finally:
        bus.close()
        alive.close()
    assert died >= 8


@given(st.lists(st.tuples(st.integers(1, 1 << 40), st.booleans())), st.integers(0, 1 << 40))
def test_a_trail_is_what_was_read_in_order(read: list[tuple[int, bool]], seq: int) -> None:
    trail = Trail()
    wanted: list[Spot] = []
    for each, end in read:
        trail.note(each, end=end)
        if not wanted or each > wanted[-1].seq:
            wanted.append(Spot(each, end))
    assert list(trail.before(seq)) == [spot for spot in wanted if spot.seq < seq]
    trail.forget(seq)
    assert list(trail.before(1 << 41)) == [spot for spot in wanted if spot.seq >= seq]
