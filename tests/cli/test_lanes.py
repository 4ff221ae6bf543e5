"""Houses that wait at the centre, thousands of rows, ship killed while they drain."""

from __future__ import annotations

from collections.abc import Iterable

from replicator.change import Op
from tests.cli.scene import Scene, moment, until
from tests.faults.centres import Centre
from tests.faults.proxy import FaultProxy, stall

WAITING, OPEN = (1, 3), (2, 4)
FIRST, LATER = 600, 200


def furnish(scene: Scene) -> None:
    """Houses 3 and 4 as well; 1 and 3 have a room whose type no centre takes."""
    scene.furnish((3, 4))
    scene.put("RoomType", 2, name="x" * 21)
    scene.put("Room", 2, roomTypeId=2, name="Back")
    for house in WAITING:
        scene.put("Location", house, Op.UPDATE, houseId=house, roomId=2)


def write(scene: Scene, seconds: range) -> None:
    """Rows of all houses, entry by entry in turn."""
    for start in range(seconds.start, seconds.stop, 100):
        for house in (*WAITING, *OPEN):
            scene.readings(house, range(start, min(start + 100, seconds.stop)))


def first_arrivals(proxy: FaultProxy, house: int) -> list[str]:
    times = [row["time"] for row in proxy.arrivals if row["nodeId"] == 60 + house]
    return list(dict.fromkeys(times))


def all_of(seconds: Iterable[int]) -> list[str]:
    return [moment(second) for second in seconds]


def test_they_hold_only_themselves_and_drain_in_order_whoever_is_killed(
    scene: Scene, centre: Centre, proxy: FaultProxy
) -> None:
    scene.configure({"centre": proxy.url}, batch_rows=150)
    furnish(scene)
    write(scene, range(FIRST))
    scene.ship()
    for house in OPEN:
        assert first_arrivals(proxy, house) == all_of(range(FIRST))
    for house in WAITING:
        assert first_arrivals(proxy, house) == []
    held = {(p["kind"], p["reason"]): p["rows"] for p in scene.backlog()["parked"]}
    assert sum(rows for (kind, _), rows in held.items() if kind == "blocked") >= 2 * FIRST
    write(scene, range(FIRST, FIRST + LATER))
    scene.ship()
    for house in WAITING:
        assert first_arrivals(proxy, house) == [], "newer rows wait behind the older ones"

    scene.put("RoomType", 2, Op.UPDATE, name="Attic")
    proxy.plan(stall(0.03), path="bulk", times=None)
    before = len(proxy.arrivals)
    for kill in range(1, 3):
        ship = scene.start("ship")
        until(lambda kill=kill: len(proxy.arrivals) > before + 250 * kill, "some of them")  # type: ignore[misc]  # a default in a lambda
        scene.kill(ship)
    assert scene.backlog()["parked_rows"] > 200, "killed in the middle"
    proxy.calm()
    write(scene, range(FIRST + LATER, FIRST + 2 * LATER))
    scene.ship()
    while scene.backlog()["parked_rows"]:
        scene.ship()
    everything = all_of(range(FIRST + 2 * LATER))
    for house in (*WAITING, *OPEN):
        assert first_arrivals(proxy, house) == everything
    there = sorted((row["nodeId"], row["time"], row["value"]) for row in centre.rows("Reading"))
    assert there == [
        (60 + house, time, second / 2)
        for house in (1, 2, 3, 4)
        for second, time in enumerate(everything)
    ]
