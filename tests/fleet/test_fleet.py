"""Shippers that share stations: real processes, a real server, a real centre."""

from __future__ import annotations

import signal

from tests.fleet.world import Fleet, until


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
    assert sorted(fleet.shares().values()) == [2]  # given up, and nobody has died
    for station in fleet.stations:
        station.read(5)
    until("it has all", lambda: sorted(fleet.shares().values()) == [4])
    until("all has arrived", fleet.arrived)
