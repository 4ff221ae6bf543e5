"""POST digests/: what the centre says of its rows is what a client makes of the same rows."""

from __future__ import annotations

from typing import Any

import pytest

from replicator.audit.digest import Digester, Tally
from replicator.central import digests
from replicator.model import TABLES
from tests.central.conftest import Client, reading

Row = dict[str, Any]
VALUES = [18.2596, None, 0.0, -0.0, 1e-45, 3.4028235e38, -3.4028235e38, 16777216.0, 67669.95]
TIMES = ["2015-02-28T23:59:59", "2015-03-01T00:00:00", "2015-03-01T01:00:03", "1000-01-01T00:00:00"]


def state(time: str, sequence: int, **more: Any) -> Row:
    row = {"__table__": "NodeState", "time": time, "nodeId": 1, "seq_num": sequence}
    return {**row, "parent": None, "localtime": 2**62, "rssi": -71.5, **more}


def some_rows(place: int) -> list[Row]:
    readings = [
        reading(time, node, kind, value=value, locationId=None if kind else place)
        for kind, time in enumerate(TIMES)
        for node, value in zip((1, 2, 3), VALUES[3 * (kind % 3) :], strict=False)
    ]
    states = [state(time, n, parent=n or None) for n, time in enumerate(TIMES)]
    return [*readings, *states, state(TIMES[0], -5, localtime=-(2**63), rssi=None)]


def expected(table: str, level: str, rows: list[Row], places: Any = None) -> list[list[Any]]:
    digester = Digester(table, level, places)
    columns = TABLES[table].columns
    digester.add(tuple(row[c] for c in columns) for row in rows if row["__table__"] == table)
    return [[*key, t.count, t.to_text()] for key, t in digester.tallies().items()]


def ask(central: Client, **body: Any) -> tuple[list[list[Any]], Any]:
    said = central.post("digests/", {"nodes": [1, 2, 3], **body})
    return said["groups"], said["after"]


@pytest.mark.parametrize("table", ["Reading", "NodeState"])
def test_the_centre_and_the_station_agree(central: Client, table: str) -> None:
    place = central.world()["id"]
    rows = some_rows(place)
    assert central.bulk(rows)["rejected"] == []
    for level in ("month", "day", "series", "hour"):
        assert ask(central, table=table, level=level) == (expected(table, level, rows), None)
    places = [[None], [place, 999]]
    assert ask(central, table=table, level="month", places=places)[0] == expected(
        table, "month", rows, places
    )


def test_only_what_is_asked_for(central: Client) -> None:
    rows = some_rows(central.world()["id"])
    central.bulk(rows)
    wanted = [r for r in rows if r["nodeId"] == 2 and r["time"] == TIMES[1] and "type" in r]
    since, until = TIMES[1], "2015-03-01T01:00:00"
    body = {"table": "Reading", "level": "hour", "from": since, "to": until, "types": [1]}
    assert ask(central, **{**body, "nodes": [2]})[0] == expected("Reading", "hour", wanted)


def test_a_long_stretch_takes_several_answers(
    central: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "DIGEST_PAGE", 2)
    monkeypatch.setattr(digests, "DIGEST_ROWS", 3)
    rows = some_rows(central.world()["id"])
    central.bulk(rows)
    found: dict[tuple[Any, ...], Tally] = {}
    after, answers = None, 0
    while answers == 0 or after is not None:
        groups, after = ask(central, table="Reading", level="day", after=after)
        answers += 1
        for *key, count, text in groups:
            found[tuple(key)] = found.get(tuple(key), Tally()) + Tally.parse(count, text)
    assert answers > 2
    shown = [[*key, t.count, t.to_text()] for key, t in sorted(found.items())]
    assert shown == expected("Reading", "day", rows)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"table": "House", "level": "day", "nodes": []},
        {"table": "Reading", "level": "year", "nodes": []},
        {"table": "Reading", "level": "day"},
        {"table": "Reading", "level": "day", "nodes": [1.5]},
        {"table": "Reading", "level": "day", "nodes": [2**31]},
        {"table": "Reading", "level": "day", "nodes": list(range(10_001))},
        {"table": "Reading", "level": "day", "nodes": [1], "from": "yesterday"},
        {"table": "Reading", "level": "day", "nodes": [1], "places": [1]},
        {"table": "Reading", "level": "day", "nodes": [1], "after": [1, "x", 2]},
        {"table": "Reading", "level": "day", "nodes": [1], "sort": 1},
    ],
)
def test_what_makes_no_sense(start: Any, body: object) -> None:
    reply = start().request("POST", "digests/", json=body)
    assert reply.status_code == 400
    assert reply.json()["error"] == "bad-filter"


def test_a_token_is_asked_for_as_everywhere(start: Any) -> None:
    central = start(authentication="required", host="0.0.0.0")
    central.root = central.root.replace("0.0.0.0", "127.0.0.1")
    body = {"table": "Reading", "level": "day", "nodes": [1]}
    assert central.request("POST", "digests/", json=body).status_code == 401
