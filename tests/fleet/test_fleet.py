"""Shippers that share stations: real processes, a real server, a real centre."""

from __future__ import annotations

import json
import signal
import zlib

import orjson
import pytest

from replicator.jetstream.desks import Desks
from replicator.naming import token
from tests.faults.proxy import FaultProxy
from tests.fleet.world import Fleet, Shipper, until


def test_one_shipper_delivers_all_once(fleet: Fleet) -> None:
    for _ in range(3):
        fleet.station().read(5)
    shipper = fleet.shipper().start("--once")
    assert shipper.ended() == 0, shipper.said()
    assert fleet.arrived()
    assert not fleet.seen().sessions
    assert {lease.holder for lease in fleet.seen().leases.values()} == {""}


def test_two_share_and_one_takes_over(fleet: Fleet) -> None:
    for _ in range(4):
        fleet.station().read(5)
    first, second = fleet.shipper().start(), fleet.shipper().start()
    until("both have two", lambda: sorted(fleet.shares().values()) == [2, 2])
    until("all has arrived", fleet.arrived)
    first.signal(signal.SIGKILL)
    for station in fleet.stations:
        station.read(5)
    until("the other has taken over", fleet.arrived)
    assert sorted(fleet.shares().values()) == [4]
    first.start()
    until("both have two", lambda: sorted(fleet.shares().values()) == [2, 2])
    second.signal(signal.SIGTERM)
    assert second.ended() == 0, second.said()
    seen = fleet.seen()  # it has given up all, and is no more
    assert {lease.holder for lease in seen.leases.values()} <= {"", *seen.sessions}
    for station in fleet.stations:
        station.read(5)
    until("it has all", lambda: sorted(fleet.shares().values()) == [4])
    until("all has arrived", fleet.arrived)


def test_one_that_was_frozen_sends_nothing_more_of_what_it_held(fleet: Fleet) -> None:
    stations = [fleet.station() for _ in range(2)]
    with FaultProxy(fleet.centre.url) as proxy:
        first = fleet.shipper(proxy.url).start()
        for station in stations:
            station.read(3)
        until("all has arrived", fleet.arrived)
        epochs = {str(lease.revision) for lease in fleet.seen().leases.values()}
        second = fleet.shipper().start()
        until("they share", lambda: sorted(fleet.shares().values()) == [1, 1])
        first.signal(signal.SIGSTOP)
        for station in stations:
            station.read(3)
        until("the other has taken over", fleet.arrived)
        for station in stations:
            station.set(99.0)
        until("the newest is there", lambda: _values(fleet) == [99.0, 99.0])
        before = len(proxy.requests)
        first.signal(signal.SIGCONT)
        until("it has begun anew", lambda: "taken this shipper for dead" in first.said())
        until("they share again", lambda: sorted(fleet.shares().values()) == [1, 1])
        for station in stations:
            station.read(3)
        until("all has arrived", fleet.arrived)
        later = [r for r in proxy.requests[before:] if r.method != "GET"]
        assert not epochs & {request.headers.get("replicator-epoch") for request in later}
    assert _values(fleet) == [99.0, 99.0]
    assert not second.said().count("bug")


def _values(fleet: Fleet) -> list[float]:
    first = [row for row in fleet.centre.rows("Reading") if str(row["time"]).endswith("00:00:01")]
    return [row["value"] for row in first]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_parked_rows_and_mappings_are_handed_over(fleet: Fleet, ending: signal.Signals) -> None:
    station = fleet.station()
    first = fleet.shipper().start()
    station.read(3)
    station.strange()
    until("all has arrived", fleet.arrived)
    parked = until("it is parked", lambda: _parked(first, station.name))
    if ending == signal.SIGKILL:
        desks = Desks(fleet.bus, fleet.stream, station.name, "ship", 1)
        until("it is kept", lambda: _kept(desks))
    first.signal(ending)
    assert first.ended() == (0 if ending == signal.SIGTERM else -ending), first.said()
    with FaultProxy(fleet.centre.url) as proxy:
        second = fleet.shipper(proxy.url).start()
        until("the other has it", lambda: sorted(fleet.shares().values()) == [1])
        until("its folder is there", lambda: _parked(second, station.name) == parked)
        station.read(3)
        until("all has arrived", fleet.arrived)
        stored = until("it was sent", lambda: [r for r in proxy.requests if "/bulk/" in r.path])
        looked_up = [r for r in proxy.requests if r.method == "GET"]
        assert len(stored) == 1  # nothing that was settled goes again
        assert len(looked_up) <= 2  # what server it is, and nothing by name
    assert _parked(second, station.name) == parked


def _kept(desks: Desks) -> bool:
    found = desks.fetch()
    return found is not None and bool(
        orjson.loads(zlib.decompress(found[1]))["destinations"]["central"]["parked"]["rows"]
    )


def _parked(shipper: Shipper, station: str) -> list[str]:
    done = shipper.run("parked", "list", "--station", station, "--json")
    return [] if done.returncode else [row["table"] for row in json.loads(done.stdout)["rows"]]


def test_a_station_that_fails_stops_no_other(fleet: Fleet) -> None:
    bad, good = fleet.station(), fleet.station()
    shipper = fleet.shipper()
    folder = shipper.outbox / token(bad.name)
    folder.mkdir(parents=True)
    (folder / "outbox.db").write_text("no database " * 1000)
    good.read(3)
    shipper.start()
    until("the good one has arrived", lambda: len(fleet.centre.rows("Reading")) == 3)
    until("the bad one is told", lambda: f"{bad.name}: the outbox cannot be used" in shipper.said())
    (folder / "outbox.db").unlink()
    bad.read(3)
    until("all has arrived", fleet.arrived)


def test_a_command_needs_to_know_which_station(fleet: Fleet) -> None:
    shipper = fleet.shipper()
    asked = shipper.run("parked", "list")
    assert asked.returncode == 2
    assert "--station" in asked.stderr
    refused = shipper.run("ship", "--station", "station 1")
    assert refused.returncode == 2
