"""The fault proxy does what it says: each fault shown by a request."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator

import pytest
import requests

from tests.faults.proxy import (
    Fault,
    FaultProxy,
    garbage,
    hang,
    html,
    lose_reply,
    lose_request,
    say,
    stall,
    truncate,
)
from tests.faults.world import until
from tests.original.server import OriginalServer

TYPES = [{"__table__": "RoomType", "id": number, "name": f"type {number}"} for number in range(3)]


@pytest.fixture
def server() -> Iterator[OriginalServer]:
    with OriginalServer() as running:
        yield running


@pytest.fixture
def proxy(server: OriginalServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.url) as running:
        yield running


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        yield opened


def push(session: requests.Session, proxy: FaultProxy) -> requests.Response:
    body = zlib.compress(json.dumps(TYPES).encode())
    return session.post(f"{proxy.url}/rest/bulk/", data=body, timeout=5)


def test_without_a_plan_everything_passes(
    server: OriginalServer, proxy: FaultProxy, session: requests.Session
) -> None:
    assert push(session, proxy).status_code == 201
    answer = session.get(
        f"{proxy.url}/rest/roomtype/?id=1", headers={"Range": "items=0-9"}, timeout=5
    )
    assert answer.json()[0]["name"] == "type 1"
    assert answer.headers["Content-Range"] == "items 0-1/3"
    assert [r.status for r in proxy.requests] == [201, 200]
    pools = session.get_adapter("http://").poolmanager.pools  # type: ignore[attr-defined]  # requests' own
    assert [pools[key].num_connections for key in pools.keys()] == [1]  # noqa: SIM118


@pytest.mark.parametrize(
    ("fault", "stored"),
    [(lose_request(), 0), (lose_reply(), 3), (truncate(1), 3)],
)
def test_a_lost_answer(
    server: OriginalServer,
    proxy: FaultProxy,
    session: requests.Session,
    fault: Fault,
    stored: int,
) -> None:
    proxy.plan(fault, path="bulk/")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        push(session, proxy)
    assert len(server.rows("RoomType")) == stored
    assert push(session, proxy).status_code == 201
    assert proxy.struck == 1


@pytest.mark.parametrize(
    ("fault", "status", "kind", "stored"),
    [
        (say(503, retry_after=7), 503, "text/plain", 0),
        (say(500, after_store=True), 500, "text/plain", 3),
        (html(), 200, "text/html; charset=UTF-8", 0),
        (garbage(after_store=True), 201, "application/json", 3),
    ],
)
def test_another_answer(
    server: OriginalServer,
    proxy: FaultProxy,
    session: requests.Session,
    fault: Fault,
    status: int,
    kind: str,
    stored: int,
) -> None:
    proxy.plan(fault)
    answer = push(session, proxy)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, kind)
    assert answer.headers.get("Retry-After") == ("7" if status == 503 else None)
    assert len(server.rows("RoomType")) == stored


def test_a_silent_server(
    server: OriginalServer, proxy: FaultProxy, session: requests.Session
) -> None:
    proxy.plan(hang(60), times=None)
    with pytest.raises(requests.ReadTimeout):
        session.get(f"{proxy.url}/rest/house/", timeout=(30, 0.2))
    proxy.calm()
    proxy.plan(stall(60))
    with pytest.raises(requests.ReadTimeout):
        session.post(f"{proxy.url}/rest/roomtype/", data='{"name": "Attic"}', timeout=(30, 0.2))
    until(lambda: bool(server.rows("RoomType")), "what was sent to be stored")
    proxy.calm()
    assert len(session.get(f"{proxy.url}/rest/roomtype/", timeout=5).json()) == 1
    assert session.get(f"{proxy.url}/rest/house/", timeout=5).json() == []


def test_nobody_listens(proxy: FaultProxy, session: requests.Session) -> None:
    assert session.get(f"{proxy.url}/rest/house/", timeout=5).json() == []
    with proxy.refusing(), pytest.raises(requests.ConnectionError):
        session.get(f"{proxy.url}/rest/house/", timeout=5)
    assert session.get(f"{proxy.url}/rest/house/", timeout=5).json() == []


def test_plans_choose_their_requests(proxy: FaultProxy, session: requests.Session) -> None:
    proxy.plan(say(503), path="room", skip=1, times=2)
    proxy.plan(say(404), path="house", method="POST", times=None)
    seen = [
        session.get(f"{proxy.url}/rest/{kind}/", timeout=5).status_code
        for kind in ("room", "house", "room", "roomtype", "room")
    ]
    assert seen == [200, 200, 503, 503, 200]
    assert session.post(f"{proxy.url}/rest/house/", data="{}", timeout=5).status_code == 404


def test_arrivals_are_what_the_server_took_in_order(
    server: OriginalServer, proxy: FaultProxy, session: requests.Session
) -> None:
    server.execute("INSERT INTO Node (id) VALUES (69)")
    rows = [
        {"__table__": "NodeState", "time": f"2015-03-01T00:00:0{second}", "nodeId": 69}
        for second in (3, 1, 2)
    ]
    bad = zlib.compress(json.dumps(rows).encode())  # without seq_num
    good = json.dumps([{**row, "seq_num": 1} for row in rows]).encode()
    for body in (bad, good):
        session.post(f"{proxy.url}/rest/bulk/", data=body, timeout=5)
    assert [row["time"][-1] for row in proxy.arrivals] == ["3", "1", "2"]
    assert proxy.arrivals == server.arrivals
