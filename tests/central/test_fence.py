"""Of a station's holders only the newest is heard, whatever is sent when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.central import fence
from replicator.central.engine import open_engine
from replicator.central.marks import Claim, Marks, guard
from replicator.central.packed import CONTENT_TYPE
from replicator.central.problems import Problem
from replicator.central.schema import CENTRAL_SCHEMA, FLEET_TOKEN, HOLDING, TURN
from replicator.central.settings import CentralSettings
from replicator.central.store import Database
from replicator.central.tokens import create_fleet_token, create_token, revoke_fleet_tokens
from replicator.delivery import Holder
from replicator.sink.packed import packed
from tests.central.conftest import RECEIPT, Client, Row, reading, running
from tests.central.test_auth import bearer

Start = Callable[..., Client]
HOUSE = {"address": "2 Side St"}
ROW = reading()
COLUMNS = ("time", "nodeId", "type", "locationId", "value")


def held(epoch: int, station: str = "station-7", **more: str) -> dict[str, str]:
    named = {"Replicator-Station": quote(station, safe=""), "Replicator-Epoch": str(epoch)}
    return {**named, **more}


def held_claims(holder: Holder) -> list[Claim]:
    return fence.claims(fence.Said(holder, None, None))


def columns(row: Row) -> bytes:
    return packed([("Reading", {c: [row[c]] for c in COLUMNS}, {})])


def send(client: Client, epoch: int, value: float = 1.0, **more: Any) -> int:
    rows = [reading(value=value, **more)]
    headers = {**RECEIPT, **held(epoch)}
    return client.request("POST", "bulk/", json=rows, headers=headers).status_code


def mark(database: Database, station: str = "station-7") -> int:
    with database.engine.connect() as connection:
        found = sa.select(HOLDING.c.epoch).where(HOLDING.c.station == station)
        return int(connection.execute(found).scalar_one())


CHANGES: dict[str, Any] = {
    "rows": ("POST", "bulk/", {"json": [ROW], "headers": RECEIPT}),
    "plain rows": ("POST", "bulk/", {"json": [ROW]}),
    "columns": (
        "POST",
        "bulk/",
        {"data": columns(ROW), "headers": {**RECEIPT, "Content-Type": CONTENT_TYPE}},
    ),
    "a reading": ("POST", "reading/", {"json": ROW}),
    "a house": ("POST", "house/", {"json": HOUSE}),
    "an update": ("PUT", "house/1", {"json": {"address": "3 Side St"}}),
    "an update by query": ("PUT", "house/?id=1", {"json": {"address": "4 Side St"}}),
    "a deletion": ("DELETE", "sensortype/5", {}),
    "a push": ("POST", "pushstatus/", {"json": {"hostname": "h"}}),
    "a heartbeat": ("POST", "heartbeat/", {"json": {"version": "1"}}),
}


def tables(client: Client) -> list[Any]:
    names = ("house", "reading", "sensortype", "pushstatus", "stations")
    return [client.get(f"{name}/") for name in names]


def test_every_change_of_an_older_holder_is_refused_and_changes_nothing(central: Client) -> None:
    central.world()
    assert send(central, 5, node=2) == 200
    before = tables(central)
    for name, (method, path, more) in CHANGES.items():
        headers = {**more.get("headers", {}), **held(4)}
        reply = central.request(method, path, **{**more, "headers": headers})
        assert (reply.status_code, reply.json()["error"]) == (409, "superseded"), name
        assert "epoch 5" in reply.json()["detail"]
    assert tables(central) == before
    for name, (method, path, more) in CHANGES.items():
        headers = {**more.get("headers", {}), **held(5)}
        reply = central.request(method, path, **{**more, "headers": headers})
        assert reply.status_code < 300, (name, reply.text)
    assert tables(central) != before


def test_whoever_names_no_holder_is_not_fenced(central: Client) -> None:
    central.world()
    assert send(central, 5) == 200
    assert central.bulk([reading(value=2.0)])["stored"] == 1
    assert central.get("reading/")[0]["value"] == 2.0


def test_stations_are_fenced_each_for_itself(central: Client) -> None:
    central.world()
    for station, epoch in (("Zażółć 17", 9), ("zażółć 17", 3), ("a%2Fb", 1)):
        headers = {**RECEIPT, **held(epoch, station)}
        reply = central.request("POST", "bulk/", json=[ROW], headers=headers)
        assert reply.status_code == 200
        assert mark(central.database, station) == epoch


@pytest.mark.parametrize(
    "more",
    [{"json": [{"__table__": "Reading"}]}, {"data": b"no JSON"}, {"json": {}}],
    ids=["a bad row", "no JSON", "no list"],
)
def test_a_newer_epoch_counts_although_nothing_is_stored(
    central: Client, more: dict[str, Any]
) -> None:
    central.world()
    assert send(central, 5) == 200
    assert central.request("POST", "bulk/", headers=held(6), **more).status_code in (400, 422)
    assert send(central, 5) == 409
    assert central.request("POST", "nonsense/", json={}, headers=held(7)).status_code == 404
    assert mark(central.database) == 7


def test_a_refusal_says_which_entries_it_is_about(start: Start) -> None:
    client = start()
    client.request("POST", "bulk/", json=[], headers=held(6))
    headers = held(5, **{"Replicator-Seq": "90210"})
    said = client.request("POST", "bulk/", json=[], headers=headers).json()["detail"]
    assert "up to entry 90210" in said


@pytest.mark.parametrize(
    "headers",
    [
        {"Replicator-Station": "a"},
        {"Replicator-Epoch": "1"},
        *({"Replicator-Station": "a", "Replicator-Epoch": e} for e in ("0", "-1", "x", "", "1.0")),
        held(2**63),
        *({"Replicator-Station": s, "Replicator-Epoch": "1"} for s in ("", "%20a", "%FF", "a%00")),
        held(1, "x" * 256),
        held(1, **{"Replicator-Seq": "x"}),
    ],
)
def test_headers_that_are_none_are_refused(start: Start, headers: dict[str, str]) -> None:
    client = start()
    reply = client.request("POST", "bulk/", json=[], headers=headers)
    assert (reply.status_code, reply.json()["error"]) == (400, "bad-holder")


def test_who_may_speak_for_a_station(start: Start) -> None:
    client = start()
    engine = client.database.engine
    own, fleet = create_token(engine, "station-7"), create_fleet_token(engine, "shippers")

    def status(token: str, station: str) -> str:
        headers = {**bearer(token), **held(1, station)}
        reply = client.request("POST", "bulk/", json=[], headers=headers)
        return "stored" if reply.status_code == 201 else str(reply.json()["error"])

    assert status(own, "station-7") == "stored"
    assert status(own, "station-8") == "not-your-station"
    assert status(fleet, "station-7") == status(fleet, "station-8") == "stored"
    beat = client.request(
        "POST", "heartbeat/", json={"station": "station-9"}, headers=bearer(fleet)
    )
    assert beat.json() == {"station": "station-9"}
    assert client.request("GET", "node/", headers=bearer(fleet)).status_code == 200
    names = {row["station"] for row in client.get("stations/", headers=bearer(fleet))}
    assert names == {"station-7", "station-9"}
    assert revoke_fleet_tokens(engine, "station-7") == 0
    assert revoke_fleet_tokens(engine, "shippers") == 1
    assert status(fleet, "station-7") == "unauthorized"
    with engine.connect() as connection:
        assert fleet not in str(connection.execute(sa.select(FLEET_TOKEN)).all())


def test_what_an_older_holder_is_storing_comes_first_or_not_at_all(database_url: str) -> None:
    """The newer one waits for the row's lock; whoever begins behind it is refused."""
    database = Database(open_engine(database_url))
    old, new = Holder("s", 1), Holder("s", 2)
    inside, go, order = threading.Event(), threading.Event(), []

    def slow(_connection: object) -> None:
        inside.set()
        assert go.wait(30)
        order.append("old stored")

    def newer() -> None:
        Marks().reach(database, held_claims(new))
        order.append("new heard")

    Marks().reach(database, held_claims(old))
    guarded = database.guarded(guard(held_claims(old)))
    with ThreadPoolExecutor(2) as pool:
        storing = pool.submit(guarded.write, slow, references=False)
        assert inside.wait(30)
        hearing = pool.submit(newer)
        with pytest.raises(TimeoutError):
            hearing.result(0.3)
        go.set()
        storing.result(30)
        hearing.result(30)
    assert order == ["old stored", "new heard"]
    with pytest.raises(Problem, match="superseded"):
        guarded.write(lambda _c: order.append("late"), references=False)
    assert order == ["old stored", "new heard"]
    database.engine.dispose()


def test_holders_that_race_through_two_servers_never_go_back(database_url: str) -> None:
    """Each holder writes the same rows, its epoch as their value, until it is refused."""
    chosen = CentralSettings(database_url=database_url)
    times = [f"2015-03-01T00:00:{n:02}" for n in range(20)]
    started = [threading.Event() for _ in range(4)]
    with running(chosen) as one, running(chosen) as two:
        one.world()
        started[0].set()

        def hold(epoch: int) -> int:
            client = (one, two)[epoch % 2]
            assert started[epoch - 1].wait(30)
            for sent in range(500):
                rows = [reading(t, value=float(epoch)) for t in times]
                headers = {**RECEIPT, **held(epoch)}
                reply = client.request("POST", "bulk/", json=rows, headers=headers)
                if reply.status_code == 409 or (epoch == 3 and sent == 20):
                    return reply.status_code
                assert reply.status_code == 200, reply.text
                if sent == 5:
                    started[epoch].set()
                time.sleep(0.005)  # SQLite's lock goes to whoever looks when it is free
            return 0

        with ThreadPoolExecutor(3) as pool:
            assert list(pool.map(hold, (1, 2, 3))) == [409, 409, 200]
        assert {row["value"] for row in one.get("reading/")} == {3.0}
        assert mark(one.database) == 3


sent = st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 4), st.booleans(), st.booleans())


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(st.lists(sent, max_size=12))
def test_a_request_is_heard_exactly_when_none_newer_was(requests: list[Any]) -> None:
    """``anew``: by a server that was started anew; ``fails``: its rows are not stored."""
    with TemporaryDirectory() as folder:
        database = Database(open_engine(f"sqlite:///{Path(folder) / 'central.db'}"))
        marks, newest = Marks(), {"a": 0, "b": 0}
        for station, epoch, anew, fails in requests:
            marks = Marks() if anew else marks
            said, stored, refused = held_claims(Holder(station, epoch)), list[int](), 0

            def work(_connection: object, fails: bool = fails, stored: list[int] = stored) -> None:
                stored.append(1)
                if fails:
                    raise Problem(422, "rejected", "")

            try:
                marks.reach(database, said)
                database.guarded(guard(said)).write(work, references=False)
            except Problem as problem:
                refused = problem.status
            assert refused == ((422 if fails else 0) if stored else 409)
            assert bool(stored) == (epoch >= newest[station])
            newest[station] = max(newest[station], epoch)
        database.engine.dispose()


def test_a_mark_that_a_backup_lacks_is_made_again(start: Start) -> None:
    client = start()
    client.world()
    assert send(client, 5) == 200
    with client.database.engine.begin() as connection:
        connection.execute(sa.delete(HOLDING))
    assert send(client, 5) == 200
    assert mark(client.database) == 5


def test_marks_can_be_forgotten_where_epochs_begin_anew(central: Client) -> None:
    central.world()
    assert [send(central, 5), send(central, 1)] == [200, 409]
    assert fence.forget(central.database.engine, "station-8*") == 0
    assert fence.forget(central.database.engine, "station-*") == 1
    assert [send(central, 1), send(central, 5), send(central, 1)] == [200, 200, 409]


@pytest.mark.parametrize(
    ("version", "lacks"), [(1, (HOLDING, FLEET_TOKEN, TURN)), (2, (TURN,))], ids=["1", "2"]
)
def test_a_database_of_a_version_before_gets_its_tables(
    database_url: str, version: int, lacks: tuple[sa.Table, ...]
) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:
        for table in lacks:
            table.drop(connection)
        connection.execute(sa.delete(CENTRAL_SCHEMA))
        connection.execute(sa.insert(CENTRAL_SCHEMA).values(id=1, version=version))
    engine.dispose()
    engine = open_engine(database_url)
    with engine.connect() as connection:
        assert connection.execute(sa.select(CENTRAL_SCHEMA.c.version)).scalar() == 3
        for table in lacks:
            assert connection.execute(sa.select(table)).all() == []
    engine.dispose()


def test_it_says_that_it_fences(start: Start) -> None:
    assert "holders" in start().get("capabilities/")["features"]
