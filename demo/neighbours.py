"""Fills a central server with other stations' rows, over REST, so that no id fits the station's.

Some things have the station's names: a deployment it takes part in, an address that it has in
another deployment, room types and rooms that everyone shares.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import requests

from demo.simulator import DEPLOYMENTS, HISTORY_END, QUANTITIES

_NODES = range(501, 513)
_TIMEOUT = 30


class Centre:
    """A central server's REST. ``token``: "" for a server that wants none."""

    def __init__(self, url: str, token: str = "") -> None:
        self._root = f"{url.rstrip('/')}/rest/"
        self._session = requests.Session()
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def create(self, kind: str, **values: Any) -> int:
        """A new row; its id."""
        answer = self._session.post(f"{self._root}{kind}/", json=values, timeout=_TIMEOUT)
        answer.raise_for_status()
        return int(answer.json()["id"])

    def bulk(self, rows: list[dict[str, Any]]) -> None:
        """Store rows, all or none."""
        answer = self._session.post(f"{self._root}bulk/", json=rows, timeout=_TIMEOUT)
        answer.raise_for_status()
        if answer.json() != []:
            raise RuntimeError(f"the centre did not store the neighbours: {answer.text[:500]}")

    def close(self) -> None:
        """End the connection."""
        self._session.close()


def seed_neighbours(url: str, token: str, seed: int, packets: int = 40) -> int:
    """Two other stations with houses, nodes, readings and node states; how many stream rows."""
    centre = Centre(url, token)
    try:
        rng = random.Random(f"neighbours {seed}")
        places = _houses(centre)
        for node_type, name in ((0, "Base"), (1, "CO2")):
            centre.create("nodetype", id=node_type, name=name)
        for quantity in QUANTITIES[:3]:
            centre.create(
                "sensortype",
                id=quantity.type,
                name=quantity.name,
                code=quantity.code,
                units=quantity.units,
                c0=0.0,
                c1=1.0,
                c2=0.0,
                c3=0.0,
            )
        for node in _NODES:
            centre.create("node", id=node, locationId=rng.choice(places), nodeTypeId=1)
        rows = _rows(rng, places, packets)
        centre.bulk(rows)
        return len(rows)
    finally:
        centre.close()


def _houses(centre: Centre) -> list[int]:
    """Deployments, houses, rooms and locations; the locations' ids."""
    started = "2020-01-01T00:00:00"
    named = ("Coastal cottages", DEPLOYMENTS[1], "Schools")
    deployments = [centre.create("deployment", name=n, startDate=started) for n in named]
    addresses = [(0, "12 High Street"), (1, "Pier View"), (2, "12 High Street"), (2, "Annexe_B")]
    houses = [
        centre.create("house", deploymentId=deployments[d], address=address, startDate=started)
        for d, address in addresses
    ]
    types = {name: centre.create("roomtype", name=name) for name in ("Class room", "Kitchen")}
    rooms = [
        centre.create("room", roomTypeId=types[kind], name=name)
        for kind, name in (("Class room", "1a"), ("Class room", "1b"), ("Kitchen", "Kitchen"))
    ]
    return [
        centre.create("location", houseId=house, roomId=room)
        for house in houses
        for room in (*rooms, None)
    ]


def _rows(rng: random.Random, places: list[int], packets: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number in range(packets):
        time = (HISTORY_END - timedelta(minutes=number)).isoformat()
        node = rng.choice(_NODES)
        state = {"parent": 501, "localtime": number, "seq_num": number, "rssi": -60.0}
        rows.append({"__table__": "NodeState", "time": time, "nodeId": node, **state})
        for quantity in QUANTITIES[:3]:
            reading = {"type": quantity.type, "locationId": rng.choice(places), "value": 1.5}
            rows.append({"__table__": "Reading", "time": time, "nodeId": node, **reading})
    return rows
