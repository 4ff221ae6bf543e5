"""What the documents say of metrics and queries, held against the code and a real outbox."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from replicator.web.fleet_metrics import FLEET_METRICS
from replicator.web.metrics import METRICS, PREFIX

DOCS = Path(__file__).parents[2] / "docs"
NAMES = {PREFIX + name for name in METRICS}
FLEET_NAMES = {PREFIX + name for name in FLEET_METRICS}
_NAME = re.compile(r"\breplicator_\w+")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
_QUERIES = json.loads((DOCS / "datasette.json").read_text())["databases"]
_PARAMETERS = {"node": "7", "seq": "3", "reason": "ref", "table": "House"}


def expressions(said: Any) -> Iterator[str]:
    """All of a dashboard, at whatever depth."""
    if isinstance(said, dict):
        yield from (said[key] for key in ("expr", "query") if isinstance(said.get(key), str))
        for value in said.values():
            yield from expressions(value)
    elif isinstance(said, list):
        for value in said:
            yield from expressions(value)


def rules() -> list[str]:
    """The expressions of the alert rules; in that file each stands on its own line."""
    lines = (DOCS / "alerts.yml").read_text().splitlines()
    return [line.split("expr: ", 1)[1] for line in lines if line.lstrip().startswith("expr:")]


def test_every_metric_is_documented_with_its_type_and_labels() -> None:
    text = (DOCS / "metrics.md").read_text()
    table = re.findall(r"^\| `(replicator_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", text, re.MULTILINE)
    kinds = {True: "counter", False: "gauge"}
    assert table == [
        (
            PREFIX + each.name,
            kinds[each.counter],
            ", ".join(f"`{label}`" for label in each.labels) or "–",
            each.help,
        )
        for each in (*METRICS.values(), *FLEET_METRICS.values())
    ]


def test_the_dashboard_uses_documented_metrics() -> None:
    dashboard = json.loads((DOCS / "grafana.json").read_text())
    used = set(_NAME.findall(" ".join(expressions(dashboard))))
    assert used - NAMES == set()
    assert len(used) > 10
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)


def test_the_alert_rules_use_documented_metrics_and_labels() -> None:
    found = rules()
    assert len(found) >= 10
    used = set(_NAME.findall(" ".join(found)))
    assert used - NAMES - FLEET_NAMES == set()
    assert used & FLEET_NAMES
    metrics = (*METRICS.values(), *FLEET_METRICS.values())
    known = {label for each in metrics for label in each.labels} | {"job", "instance"}
    assert set(_LABEL.findall(" ".join(found))) - known == set()
    said = set(re.findall(r"\$labels\.(\w+)", (DOCS / "alerts.yml").read_text()))
    assert said - known == set()


@pytest.mark.parametrize(
    ("database", "name"), [(d, n) for d in _QUERIES for n in _QUERIES[d]["queries"]]
)
def test_a_canned_query_runs(outbox: Path, database: str, name: str) -> None:
    sql = _QUERIES[database]["queries"][name]["sql"]
    path = outbox / ("outbox.db" if database == "outbox" else "home.db")
    given = {word: _PARAMETERS[word] for word in re.findall(r":([a-z]+)", sql)}
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute(sql, given).fetchall()
    empty = {
        "states_of_a_node",
        "failed_attempts",
        "operations",
        "dropped",
    }  # of these the outbox at hand has none
    assert bool(rows) is (name not in empty)


def test_the_described_tables_are_there(outbox: Path) -> None:
    for database, file in (("outbox", "outbox.db"), ("central", "home.db")):
        with closing(sqlite3.connect(outbox / file)) as connection:
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        assert set(_QUERIES[database]["tables"]) - there == set()
