"""docs/openapi.yaml is what the server does: every route is in it, and no answer is outside it.

`REPLICATOR_TEST_CONTRACT=200 pytest tests/central/test_openapi.py` looks longer, at every type.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import requests
import schemathesis
import yaml
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS
from schemathesis.schemas import APIOperation

from replicator.central.app import create_app
from replicator.central.packed import CONTENT_TYPE
from replicator.central.settings import CentralSettings
from replicator.central.tokens import create_token
from tests.central.conftest import RECEIPT, Client, reading, running

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.yaml"
LONG = os.environ.get("REPLICATOR_TEST_CONTRACT", "")
EXAMPLES = int(LONG or 5)  # made at random for each operation, beside those at the bounds
# All types are served by the same code, from tables; the rest has every kind of column and key.
OTHERS = "deployment|roomtype|room|location|node|sensortype|sensor|nodestate"
# A schema cannot say what is stored: whether a row is there to refer to, which calendar has a day.
NOT_CHECKED = ["positive_data_acceptance"]
# Paths with many cases: not each without a token and with a false one as well. The others have it.
MANY = ("/rest/bulk/", "/rest/digests/")

schemathesis.openapi.media_type(CONTENT_TYPE, st.binary(max_size=200))
contract = schemathesis.openapi.from_path(DOCUMENT)
chosen = contract if LONG else contract.exclude(path_regex=rf"^/rest/({OTHERS})/")


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@contextmanager
def with_rows(folder: Path) -> Iterator[Client]:
    """A real server over SQLite that asks for tokens, with a few rows of each kind in it."""
    with running(CentralSettings(database_url=f"sqlite:///{folder / 'central.db'}")) as client:
        client.headers["Authorization"] = f"Bearer {create_token(client.database.engine, 'barn')}"
        client.world()
        assert client.plain_bulk([reading()]).status_code == 201
        yield client


@pytest.fixture(scope="module")
def stormy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Where anything is sent, deletions too."""
    with with_rows(tmp_path_factory.mktemp("stormy")) as client:
        yield client


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with with_rows(tmp_path_factory.mktemp("calm")) as client:
        yield client


@chosen.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_whatever_is_sent_the_answer_is_a_documented_one(
    case: schemathesis.Case[Any], stormy: Client, session: requests.Session
) -> None:
    not_checked = list(NOT_CHECKED)
    if case.path == "/rest/bulk/":  # with a receipt bad rows are named in a 200
        not_checked.append("negative_data_rejection")
    if case.path in MANY:
        not_checked.append("ignored_auth")
    case.call_and_validate(
        base_url=stormy.root.removesuffix("/rest/"),
        headers=stormy.headers,
        session=session,
        excluded_checks=cast(Any, CHECKS.get_by_names(not_checked)),
    )


ROW = {"__table__": "Reading", "time": "2015-03-01T00:00:09", "nodeId": 1, "type": 0}
DIGESTS = {"table": "Reading", "level": "series", "nodes": [1]}


@pytest.mark.parametrize(
    ("method", "path", "status", "sent"),
    [
        ("GET", "/healthz", 200, {}),
        ("GET", "/rest/capabilities/", 200, {}),
        ("GET", "/rest/reading/", 200, {"query": {"ge_time": ROW["time"]}}),
        ("GET", "/rest/sensortype/{number}", 200, {"path_parameters": {"number": 1}}),
        ("GET", "/rest/counts/{number}", 200, {"path_parameters": {"number": 1}}),
        ("GET", "/rest/lastsync/", 200, {"query": {"house": "1 Main St"}}),
        ("GET", "/rest/lastnodesync/", 200, {"query": {"node": 1}}),
        ("GET", "/rest/lastnodesync/{number}", 200, {"path_parameters": {"number": 1}}),
        ("POST", "/rest/house/", 200, {"body": {"address": "1 Main St"}}),
        ("POST", "/rest/house/", 201, {"body": {"address": "2 Main St"}}),
        ("POST", "/rest/pushstatus/", 201, {"body": {"hostname": "barn"}}),
        ("POST", "/rest/bulk/", 201, {"body": [ROW]}),
        ("POST", "/rest/bulk/", 200, {"body": [ROW, {**ROW, "nodeId": 77}], "headers": RECEIPT}),
        ("POST", "/rest/bulk/", 422, {"body": [{**ROW, "nodeId": 77}]}),
        ("POST", "/rest/digests/", 200, {"body": DIGESTS}),
        ("POST", "/rest/heartbeat/", 201, {"body": {"waiting_rows": 3, "version": "1"}}),
        ("GET", "/rest/stations/", 200, {}),
        ("GET", "/stations", 200, {}),
        ("PUT", "/rest/node/{number}", 201, {"path_parameters": {"number": 9}, "body": {}}),
        ("DELETE", "/rest/node/{number}", 204, {"path_parameters": {"number": 3}}),
        ("DELETE", "/rest/node/{number}", 422, {"path_parameters": {"number": 1}}),
    ],
)
def test_ordinary_answers_are_as_documented(
    calm: Client, method: str, path: str, status: int, sent: dict[str, Any]
) -> None:
    operation: APIOperation[Any, Any, Any, Any] = contract[path][method]
    case = operation.Case(media_type="application/json" if "body" in sent else None, **sent)
    reply = case.call_and_validate(base_url=calm.root.removesuffix("/rest/"), headers=calm.headers)
    assert reply.status_code == status
    assert str(status) in operation.definition.raw["responses"]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    database = tmp_path_factory.mktemp("central") / "routes.db"
    app = create_app(CentralSettings(database_url=f"sqlite:///{database}"))
    yield app
    app.extensions["replicator"].engine.dispose()


def documented() -> list[tuple[str, str]]:
    """(method, path) of every operation."""
    paths = yaml.safe_load(DOCUMENT.read_text())["paths"]
    return [(method.upper(), path) for path, item in paths.items() for method in item]


def test_every_documented_operation_is_a_route_and_every_route_is_documented(app: Flask) -> None:
    routes = app.url_map.bind("localhost")
    seen = set()
    for method, path in documented():
        url = path.replace("{number}", "7").replace("{name}", "house")
        rule, _ = routes.match(url, method, return_rule=True)
        seen.add((method, rule.rule))
    automatic = {"HEAD", "OPTIONS"}
    rules = app.url_map.iter_rules()
    every = {(m, rule.rule) for rule in rules for m in (rule.methods or set()) - automatic}
    assert seen == every


def test_what_is_not_documented_is_404_or_405(app: Flask) -> None:
    known = set(documented())
    names = {path.split("/")[2] for _, path in known if path.count("/") == 3}
    client = app.test_client()
    for name in sorted(names):
        for path in (f"/rest/{name}/", f"/rest/{name}/{{number}}"):
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
                if (method, path) in known:
                    continue
                reply = client.open(path.replace("{number}", "7"), method=method, json={})
                assert reply.status_code in (404, 405), (method, path)
                if reply.status_code == 405 and any(path == other for _, other in known):
                    allowed = set(reply.headers["Allow"].split(", ")) - {"HEAD", "OPTIONS"}
                    assert allowed == {m for m, other in known if other == path}
