"""Two stations with their own servers and a hub: links are cut, servers killed; all comes once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.mariadbd import free_port
from demo.natsd import PrivateNats
from replicator.errors import OutboxError
from replicator.jetstream.bus import Bus
from replicator.jetstream.leaves import Trimmer
from replicator.jetstream.shelf import Shelf
from replicator.jetstream.sources import add_source
from replicator.jetstream.stream import StationStream
from tests.contract.backends import JetStream, Sqlite, nodes, place, readings, write
from tests.jetstream.test_feed import Settled, settle

STATIONS = ("a", "b")


class Field:
    """A hub, two leaves, and at the hub a folder a station."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        port = free_port()
        self.hub = PrivateNats(
            domain="hub", more=f'server_name: hub\nleafnodes {{ listen: "127.0.0.1:{port}" }}\n'
        )
        self.leaves = {
            name: PrivateNats(
                domain=name,
                more=f"server_name: {name}\nleafnodes {{ reconnect: 1, remotes: ["
                f' {{ url: "nats://127.0.0.1:{port}" }} ] }}\n',
            )
            for name in STATIONS
        }
        self.written = dict.fromkeys(STATIONS, 0)

    @property
    def servers(self) -> list[PrivateNats]:
        return [self.hub, *self.leaves.values()]

    def write(self, station: str, count: int) -> None:
        """Groups of transactions of ten rows at the leaf, as capture does it."""
        bus = Bus([self.leaves[station].url])
        outbox = JetStream(self.leaves[station].url, station, self.folder).writer(
            StationStream(bus, "S", station, leaf=True), bus
        )
        first = self.written[station]
        if not first:
            outbox.begin_at(place(0), None)
        for number in range(first + 1, first + count + 1):
            write(outbox, number, readings(10, 10 * number))
            outbox.flush()
        self.written[station] += count
        outbox.close()

    def add(self, station: str) -> bool:
        bus = Bus([self.hub.url])
        try:
            return add_source(bus, "S", station, station, replicas=1, max_bytes=16 << 20)
        finally:
            bus.close()

    def at_hub(self, station: str) -> JetStream:
        folder = self.folder / station
        folder.mkdir(exist_ok=True)
        return JetStream(self.hub.url, station, folder)

    def settle_all(self, station: str) -> None:
        house = Settled()
        with self.at_hub(station).feed(house=house) as feed:
            feed.read_to_end()
            settle(feed, house, 1 << 40)

    def trim(self, station: str) -> int:
        url = self.leaves[station].url
        here, there = Bus([url]), Bus([url], domain="hub")
        try:
            return Trimmer(
                StationStream(here, "S", station),
                StationStream(there, "S", station),
                Shelf(there, "S", station, "ship", 1),
            ).trim()
        finally:
            here.close()
            there.close()

    def arrived(self, station: str) -> bool:
        """All that was written is in the folder at the hub, once and in order."""
        self.at_hub(station).read()
        found = nodes(Sqlite(self.folder / station).read())
        wanted = list(range(10, 10 * self.written[station] + 10))
        assert found == wanted[: len(found)]
        return found == wanted


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    made = Field(tmp_path)
    try:
        for server in made.servers:
            server.start()
        yield made
    finally:
        for server in made.servers:
            server.close()


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_cut_off_killed_and_trimmed(field: Field) -> None:
    for name in STATIONS:
        field.write(name, 5)
        assert field.add(name)
        assert not field.add(name)
    for name in STATIONS:
        until(lambda name=name: field.arrived(name))  # type: ignore[misc]
        field.settle_all(name)
        assert field.trim(name) > 1
    field.hub.kill()
    for name in STATIONS:
        field.write(name, 20)  # the link is down: capture goes on
        with pytest.raises(OutboxError):
            field.trim(name)
    field.leaves["a"].kill()
    field.leaves["a"].start()
    field.write("a", 5)
    field.hub.start()
    for name in STATIONS:
        until(lambda name=name: field.arrived(name))  # type: ignore[misc]
        field.settle_all(name)
        assert field.trim(name) > 10
    field.hub.kill()
    field.hub.start()
    for name in STATIONS:
        field.write(name, 1)
        until(lambda name=name: field.arrived(name))  # type: ignore[misc]


def test_a_stream_made_anew_is_not_trimmed_by_the_old_ones_floor(field: Field) -> None:
    field.write("a", 5)
    field.add("a")
    until(lambda: field.arrived("a"))
    field.settle_all("a")
    bus = Bus([field.leaves["a"].url])
    bus.call(lambda js: js.delete_stream("S"))
    bus.close()
    field.written["a"] = 0
    field.write("a", 8)
    with pytest.raises(OutboxError, match="earlier stream"):
        field.trim("a")
