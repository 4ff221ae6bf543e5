"""The page's answers: what is shown, who may look and act, what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from replicator.errors import ConfigError, SourceUnavailable
from replicator.web.app import create_app
from replicator.web.guard import is_our_host
from replicator.web.metrics import METRICS, PREFIX
from replicator.web.settings import Certificate, WebSettings
from tests.web.folder import MAPPED, TOKEN, paused_by, requeued, settings_of

BEARER = {"Authorization": f"Bearer {TOKEN}"}
READING = ("/", "/parked/home", "/mappings/home", "/gaps", "/certificate", "/series/home")
ACTING = ("/parked/home/requeue", "/pause/home", "/resume/home", "/certificate", "/logout")


def client_of(folder: Path, **more: object) -> FlaskClient:
    return create_app(settings_of(folder, **more)).test_client()


@pytest.fixture
def client(outbox: Path) -> FlaskClient:
    return client_of(outbox)


def test_who_listens_elsewhere_needs_a_token_to_look(outbox: Path) -> None:
    for more in ({"host": "0.0.0.0"}, {"hosts": ("station.example.org",)}):
        client = client_of(outbox, **more)
        for path in READING:
            answer = client.get(path)
            assert (answer.status_code, path) in {(303, path), (401, "/series/home")}
            assert client.get(path, headers=BEARER).status_code == 200
        assert client.get("/healthz").status_code == client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers=BEARER).status_code == 200
        assert client.get("/login").status_code == 200


@pytest.mark.parametrize("more", [{"host": "0.0.0.0"}, {"hosts": ("a.example",)}])
def test_elsewhere_without_a_token_it_does_not_start(
    tmp_path: Path, more: dict[str, object]
) -> None:
    with pytest.raises(ConfigError, match="needs a token"):
        settings_of(tmp_path, token="", **more)
    assert settings_of(tmp_path, token="", host="::1").open_reading


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too short"):
        settings_of(tmp_path, token="fifteen letters")


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost:9000", True),
        ("127.0.0.1", True),
        ("[::1]:80", True),
        ("10.1.2.3:8090", True),
        ("Station.Example.org", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
        ("[", False),
    ],
)
def test_only_our_names(host: str, ours: bool) -> None:
    assert is_our_host(host, ("station.example.org",)) is ours


def test_another_name_is_refused_everywhere(client: FlaskClient) -> None:
    for path in (*READING, "/metrics", "/healthz", "/static/page.js"):
        answer = client.get(path, headers={"Host": "evil.example"})
        assert (answer.status_code, path) == (421, path)


def test_without_the_token_nobody_acts(client: FlaskClient, outbox: Path) -> None:
    wrong: list[dict[str, str]] = [
        {},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": TOKEN},
    ]
    for path in ACTING:
        for headers in wrong:
            assert client.post(path, headers=headers).status_code == 401
    client.set_cookie("replicator_session", "99999999999.0123456789abcdef")
    assert client.post("/pause/home", data={"proof": "0"}).status_code == 401
    assert paused_by(outbox) is None
    assert client_of(outbox, token="").post("/pause/home", headers=BEARER).status_code == 403


def test_a_session_needs_its_forms_proof_and_ends(outbox: Path) -> None:
    now = [1_000_000.0]
    app = create_app(settings_of(outbox), lambda: now[0])
    client = app.test_client()
    assert client.post("/login", data={"token": "wrong"}).status_code == 403
    begun = client.post("/login", data={"token": TOKEN})
    cookie = begun.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    found = re.search(r'name="proof" value="(\w+)"', client.get("/").text)
    assert found
    assert client.post("/pause/home").status_code == 401
    assert client.post("/pause/home", data={"proof": "0" * 64}).status_code == 401
    proof = {"proof": found[1]}
    foreign = {"Origin": "http://localhost:1"}
    assert client.post("/pause/home", data=proof, headers=foreign).status_code == 403
    assert client.post("/pause/home", data=proof, headers={"Origin": "null"}).status_code == 403
    assert paused_by(outbox) is None
    assert client.post("/pause/home", data=proof).status_code == 303
    assert paused_by(outbox) == "the page, from 127.0.0.1"
    now[0] += 12 * 3600
    assert client.post("/resume/home", data=proof).status_code == 401


def test_rows_are_sent_again_by_reason_or_one_by_one(client: FlaskClient, outbox: Path) -> None:
    answer = client.post("/parked/home/requeue", headers=BEARER, data={"reason": "refused"})
    assert answer.status_code == 303
    assert requeued(outbox) == {(41, 0)}
    client.post("/parked/home/requeue", headers=BEARER, data={"row": "42/0"})
    assert requeued(outbox) == {(41, 0), (42, 0)}
    for row in ("42", "x/y", "42/0/0", "42/" + "9" * 40):
        refused = client.post("/parked/home/requeue", headers=BEARER, data={"row": row})
        assert refused.status_code == 404
    assert client.post("/parked/nobody/requeue", headers=BEARER).status_code == 404


def test_what_rows_say_is_text(client: FlaskClient) -> None:
    shown = client.get("/parked/home").text + client.get("/").text + client.get("/gaps").text
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert "<b>" not in re.sub(r"<b>[\w :-]+</b>", "", shown)
    assert "barn &lt;&amp;&gt;" in shown
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script>|<style|style=|\son\w+=", shown)


def test_mappings_are_paged_and_each_is_shown_once(client: FlaskClient) -> None:
    seen: list[str] = []
    path, pages = "/mappings/home", 0
    while path:
        text = client.get(path).text
        seen += re.findall(r'data-label="there">(\d+)<', text)
        more = re.search(r'class="more" href="([^"]+)"', text)
        path, pages = more[1].replace("&amp;", "&") if more else "", pages + 1
    assert seen == ["17", *(str(1000 + n) for n in range(MAPPED))]
    assert pages == 3
    one = client.get("/mappings/home?table=House").text
    assert re.findall(r'data-label="there">(\d+)<', one) == ["17"]
    assert client.get("/mappings/home?table=Nothing").status_code == 404


def test_parked_rows_are_paged(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicator.web.reads.PAGE_ROWS", 2)
    first = client.get("/parked/home").text
    assert re.findall(r"<code>(\d+/\d+)</code>", first) == ["41/0", "42/0"]
    second = client.get("/parked/home?after=42/0").text
    assert re.findall(r"<code>(\d+/\d+)</code>", second) == ["43/0"]
    assert 'class="more"' in first
    assert 'class="more"' not in second
    assert "43/0" not in client.get("/parked/home?kind=rejected").text


def test_the_series_have_equally_long_columns(client: FlaskClient) -> None:
    for span, least, most in (("day", 1300, 1500), ("month", 600, 800)):
        said = client.get(f"/series/home?span={span}").get_json()
        assert set(said) == {"time", "lag_seconds", "waiting_rows", "rows_in", "rows_out"}
        (length,) = {len(column) for column in said.values()}
        assert least < length < most
        assert said["time"] == sorted(set(said["time"]))
        assert None in said["lag_seconds"] or span == "month"
    assert client.get("/series/home?span=year").status_code == 404
    assert client.get("/series/nobody").status_code == 404


def test_metrics_are_those_documented(client: FlaskClient, outbox: Path) -> None:
    families = {f.name: f for f in text_string_to_metric_families(client.get("/metrics").text)}
    named = {PREFIX + each.name.removesuffix("_total"): each for each in METRICS.values()}
    unknown = {
        "source_purge_seconds",
        "rows_in_per_second",
        "rows_out_per_second",
        "empty_in_seconds",
    }
    assert set(families) >= set(named) - {PREFIX + name for name in unknown}
    assert set(families) <= set(named)
    for name, family in families.items():
        assert family.type == ("counter" if named[name].counter else "gauge")
        assert all(set(s.labels) == set(named[name].labels) for s in family.samples)
    (waiting,) = families["replicator_waiting_rows"].samples
    assert (waiting.labels, waiting.value) == ({"destination": "home"}, 19.0)
    (outbox / "outbox.db").unlink()
    left = {f.name for f in text_string_to_metric_families(client.get("/metrics").text)}
    assert left == {"replicator_info", "replicator_outbox_readable"}


def test_health_is_200_or_503(client: FlaskClient, outbox: Path) -> None:
    answer = client.get("/healthz")
    said = answer.get_json()
    assert (answer.status_code, said["healthy"]) == (200, True)
    assert [part["name"] for part in said["parts"]] == ["tail", "home"]
    (outbox / "outbox.db").unlink()
    answer = client.get("/healthz")
    assert (answer.status_code, answer.get_json()["parts"][0]["name"]) == (503, "outbox")
    assert client.get("/").status_code == 503


def test_looking_changes_nothing(client: FlaskClient, outbox: Path) -> None:
    before = {path.name: path.read_bytes() for path in outbox.glob("*.db")}
    for path in (*READING, "/metrics", "/healthz"):
        assert client.get(path).status_code == 200
    assert {path.name: path.read_bytes() for path in outbox.glob("*.db")} == before


def test_a_certificate_is_downloaded(outbox: Path) -> None:
    def certify(name: str, house: str, month: str) -> Certificate:
        if house == "nowhere":
            raise SourceUnavailable("the station's database does not answer", "127.0.0.1")
        said = {"destination": name, "house": house, "month": month}
        return Certificate("certificate-1-2026-03.json", json.dumps(said).encode())

    client = client_of(outbox, certify=certify)
    form = {"destination": "home", "house": "12 High St", "month": "2026-03"}
    made = client.post("/certificate", headers=BEARER, data=form)
    assert made.get_json() == form
    assert "certificate-1-2026-03.json" in made.headers["Content-Disposition"]
    refused = client.post("/certificate", headers=BEARER, data={**form, "house": "nowhere"})
    assert refused.status_code == 503
    assert "does not answer" in refused.text
    assert client.post("/certificate", headers=BEARER, data=form).status_code == 200


def test_too_large_and_unknown_are_told(client: FlaskClient) -> None:
    assert client.get("/nothing").status_code == 404
    assert client.get("/pause/home").status_code == 405
    large = {"why": "x" * 20_000}
    assert client.post("/pause/home", headers=BEARER, data=large).status_code == 413


def test_a_destination_that_never_started_has_pages_too(outbox: Path) -> None:
    client = client_of(outbox, destinations=[("home", True), ("other", True)])
    for path in ("/", "/parked/other", "/mappings/other", "/series/other"):
        assert client.get(path).status_code == 200
    assert client.get("/healthz").status_code == 503


def test_settings_show_no_token(tmp_path: Path) -> None:
    settings: WebSettings = settings_of(tmp_path)
    assert TOKEN not in repr(settings)
