"""Heartbeats and the list of stations: what is kept, who may see it, and in which order."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from replicator.central.stations import judged
from replicator.central.tokens import create_token
from tests.central.conftest import Client

BEAT = {
    "station": "house 17",
    "version": "0.1.0",
    "sent_at": "2026-03-01T12:00:00Z",
    "interval": 3600,
    "waiting_rows": 12,
    "lag_seconds": 3.5,
    "parked_rows": 0,
    "open_gaps": 0,
    "last_commit": "2026-03-01T11:59:58",
    "disk_free": 1 << 34,
    "outbox_bytes": 2**40,
    "tail": "running",
    "ship": "running",
}


def test_the_last_heartbeat_is_listed(central: Client) -> None:
    for waiting in (12, 13):
        said = central.post("heartbeat/", {**BEAT, "waiting_rows": waiting, "more": [1]})
        assert said == {"station": "house 17"}
    (found,) = central.get("stations/")
    assert (found["station"], found["state"], found["why"]) == ("house 17", "fine", [])
    assert (found["waiting_rows"], found["lag_seconds"], found["version"]) == (13, 4, "0.1.0")
    assert found["last_commit"] == "2026-03-01T11:59:58"
    assert 0 <= found["seconds_ago"] < 60


@pytest.mark.parametrize(
    "wrong",
    [
        {"station": " "},
        {"waiting_rows": -1},
        {"waiting_rows": "12"},
        {"lag_seconds": True},
        {"disk_free": 2**63},
        {"sent_at": "yesterday"},
        {"version": "x" * 300},
        {"tail": 7},
    ],
)
def test_what_makes_no_sense_is_refused(
    start: Callable[..., Client], wrong: dict[str, Any]
) -> None:
    reply = start().request("POST", "heartbeat/", json={**BEAT, **wrong})
    assert reply.status_code == 422
    assert reply.json()["error"] in ("bad-heartbeat", "no-station")


def test_a_token_says_which_station_it_is_and_one_without_a_beat_is_listed_too(
    start: Callable[..., Client],
) -> None:
    client = start()
    token = create_token(client.database.engine, "house 18")
    for name in ("house 19", "operator"):
        create_token(client.database.engine, name)
    client.headers = {"Authorization": f"Bearer {token}"}
    assert client.post("heartbeat/", BEAT) == {"station": "house 18"}
    found = {each["station"]: each["state"] for each in client.get("stations/")}
    assert found == {"house 19": "never", "house 18": "fine"}


def test_the_page_takes_a_token_as_password_and_shows_no_markup_of_a_station(
    start: Callable[..., Client],
) -> None:
    client = start()
    evil = "<script>alert(1)</script>"
    client.post("heartbeat/", {**BEAT, "station": evil, "parked_rows": 3})
    assert client.request("GET", "../stations").status_code == 200  # no token was made yet
    token = create_token(client.database.engine, "operator")
    refused = client.request("GET", "../stations")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    assert client.request("GET", "stations/").status_code == 401
    for scheme in (f"Bearer {token}", f"Basic {base64.b64encode(f'me:{token}'.encode()).decode()}"):
        page = client.request("GET", "../stations", headers={"Authorization": scheme})
        assert page.status_code == 200
        assert "3 rows parked" in page.text
        assert evil not in page.text
        assert "&lt;script&gt;" in page.text
    for wrong in ("Basic !!", "Basic /w==", f"Basic {base64.b64encode(b'a:b').decode()}"):
        again = client.request("GET", "../stations", headers={"Authorization": wrong})
        assert again.status_code == 401


def test_the_worst_come_first(start: Callable[..., Client]) -> None:
    client = start()
    for name, said in {
        "a fine": {},
        "b parked": {"parked_rows": 1},
        "c late": {"lag_seconds": 9000},
        "d gap": {"open_gaps": 1},
        "e full": {"disk_free": 1000},
    }.items():
        client.post("heartbeat/", {**BEAT, "station": name, **said})
    found = [each["station"] for each in client.get("stations/")]
    assert found == ["d gap", "e full", "c late", "b parked", "a fine"]


@pytest.mark.parametrize(
    ("ago", "interval", "state"),
    [
        (9_000, 3600, "fine"),
        (9_200, 3600, "silent"),
        (200_000, None, "fine"),
        (217_000, 0, "silent"),
    ],
)
def test_silence_is_told_by_the_interval_that_the_station_named(
    ago: int, interval: int | None, state: str
) -> None:
    assert judged({"interval": interval}, ago)[0] == state
