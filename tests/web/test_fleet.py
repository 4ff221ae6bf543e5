"""The page of a fleet: what shippers say, and the pages of the stations that are here below it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import Client

from replicator.cli.stations import is_here, stations_here
from replicator.config import Config
from replicator.errors import OutboxUnavailable
from replicator.fleet.overview import Overview, overview, shipper_of
from replicator.fleet.report import MOST, Standing, as_dict, report_of
from replicator.naming import token
from replicator.web.fleet import FleetApp, FleetSettings
from replicator.web.fleet_metrics import FLEET_METRICS
from replicator.web.metrics import PREFIX
from replicator.web.settings import WebSettings
from tests.web.folder import TOKEN, settings_of

HERE = "Höhe 3 <b>"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def seen(stations: int = 3) -> Overview:
    """Two shippers on one host, one of them silent; one station's name is to be escaped."""
    names = [HERE, *(f"s{n}" for n in range(1, stations))]
    standings = [
        Standing(name, "warning", "waiting", 5 + n, 10_000.0 - n, 1, "centre: <i>late</i>")
        for n, name in enumerate(names)
    ]
    said = {"id": "x", "host": "h1", "pid": 1, "version": "1", "since": "t"}
    report = as_dict(report_of(standings))
    shippers = [
        shipper_of(
            {**said, "stations": stations, "found": stations + 1, "report": report}, 1.0, 10
        ),
        shipper_of({**said, "pid": 2, "stations": 9}, 99.0, 10),
    ]
    return overview("2026-03-01T00:00:00Z", [s for s in shippers if s], subjects=stations)


def client_of(folder: Path, look: Callable[[], Overview] = seen, **more: object) -> Client:
    own = settings_of(folder, station="fleet", **more)

    def station(name: str) -> WebSettings | None:
        place = folder / token(name)
        return replace(own, folder=place, station=name, in_fleet=True) if place.is_dir() else None

    def here(after: str, most: int) -> list[str]:
        return [name for name in (HERE,) if name > after][:most]

    return Client(FleetApp(FleetSettings(own, look, here, station)))


@pytest.fixture
def folder(outbox: Path, tmp_path: Path) -> Path:
    """One station's."""
    shutil.move(outbox, tmp_path / "fleet" / token(HERE))
    return tmp_path / "fleet"


def metrics(client: Client) -> dict[str, dict[tuple[str, ...], float]]:
    text = client.get("/metrics").get_data(as_text=True)
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_it_shows_the_worst_and_links_those_that_are_here(folder: Path) -> None:
    text = client_of(folder).get("/").get_data(as_text=True)
    link = f"/station/{token(HERE)}/"
    assert text.count(f'href="{link}"') == 2  # among the worst, and in the list
    assert "Höhe 3 &lt;b&gt;" in text
    assert "&lt;i&gt;late" in text
    assert "<td>s1</td>" in text
    assert ": silent" in text


def test_a_station_has_its_own_page_below_it(folder: Path) -> None:
    client = client_of(folder)
    root = f"/station/{token(HERE)}"
    text = client.get(f"{root}/").get_data(as_text=True)
    assert f'href="{root}/parked/home"' in text
    assert f'src="{root}/static/page.js"' in text
    assert '<a href="/">Fleet</a>' in text
    for path in ("/parked/home", "/gaps", "/metrics", "/static/page.js"):
        with client.get(root + path) as answer:
            assert answer.status_code == 200
    for path in (f"/station/{token('other')}/", "/station/%3D/", "/station/", root, "/gaps"):
        assert client.get(path).status_code == 404


def test_the_token_of_the_fleet_is_that_of_its_stations(folder: Path) -> None:
    client = client_of(folder, host="0.0.0.0")
    below = f"/station/{token(HERE)}/"
    for path in ("/", below):
        assert client.get(path).status_code == 303
        assert client.get(path, headers=BEARER).status_code == 200
    assert client.get("/metrics").status_code == 401
    assert client.post("/login", data={"token": "wrong"}).status_code == 403
    assert client.post("/login", data={"token": TOKEN}).status_code == 303
    for path in ("/", below):
        page = client.get(path)
        assert (page.status_code, "Log out" in page.get_data(as_text=True)) == (200, True)
    assert client.post(f"{below}pause/home", data={}).status_code == 401


def test_metrics_say_all_and_their_labels_stay_few(folder: Path) -> None:
    few = metrics(client_of(folder))
    assert few.keys() == {PREFIX + name for name in FLEET_METRICS}
    assert few["replicator_fleet_stations_held"] == {(): 3}
    assert few["replicator_fleet_stations_unheld"] == {(): 1}
    assert (
        few["replicator_fleet_shippers"] == few["replicator_fleet_shippers_silent"] == {("h1",): 1}
    )
    assert few["replicator_fleet_worst_waiting_rows"] == {("1",): 5, ("2",): 6, ("3",): 7}
    many = metrics(client_of(folder, lambda: seen(5_000)))
    assert many["replicator_fleet_waiting_rows"] == {(): sum(range(5, 5_005))}
    assert max(map(len, many.values())) == MOST
    assert "s1" not in str(many)


def test_without_the_servers_it_says_so(folder: Path) -> None:
    def look() -> Overview:
        raise OutboxUnavailable("the NATS servers cannot be reached")

    client = client_of(folder, look)
    assert metrics(client) == {"replicator_fleet_readable": {(): 0}}
    assert client.get("/healthz").status_code == 503
    page = client.get("/")
    assert (page.status_code, "cannot be reached" in page.get_data(as_text=True)) == (503, True)
    assert client.get(f"/station/{token(HERE)}/").status_code == 200


def test_health_is_that_somebody_ships(folder: Path) -> None:
    assert client_of(folder).get("/healthz").status_code == 200
    dead = client_of(folder, lambda: overview("now", [], subjects=4)).get("/healthz")
    assert (dead.status_code, dead.json and dead.json["unheld"]) == (503, 2)


def test_stations_here_are_those_of_the_fleet_with_an_outbox(folder: Path) -> None:
    ini = folder / "replicator.ini"
    ini.write_text(
        "[source]\nuser = u\npassword = p\n[fleet]\nstations = H*\n"
        f"[outbox]\npath = {folder}\nurl = nats://127.0.0.1:9/F\n"
        "[destination home]\nurl = http://127.0.0.1:9/\n"
    )
    ini.chmod(0o600)
    shutil.copytree(folder / token(HERE), folder / "another")
    (folder / "H").mkdir()
    (folder / "no=name").mkdir()
    config = Config.load(ini, {})
    assert list(stations_here(config)) == [HERE]
    assert not is_here(config, "another")
