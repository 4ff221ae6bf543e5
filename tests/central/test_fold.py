"""A batch has the effect of its rows one after the other, however they are grouped."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replicator.central.bulk import store
from replicator.central.filters import Query
from replicator.central.listing import read_page
from replicator.central.schema import TABLES
from replicator.central.store import Database
from tests.central.conftest import Client, Row, reading

VALUES = st.sampled_from([None, 1.0, 2.5])


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Readings of few keys: upserts, deletes, some with columns left out."""
    body = []
    for _ in range(draw(st.integers(1, 12))):
        row = reading(f"2015-03-01T00:00:0{draw(st.integers(0, 2))}", value=draw(VALUES))
        row["locationId"] = None
        if draw(st.booleans()):
            del row[draw(st.sampled_from(["value", "locationId"]))]
        if draw(st.integers(0, 3)) == 0:
            row["__op__"] = "delete"
        body.append(row)
    return body


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=rows(), body=rows(), plain=st.booleans())
def test_a_batch_equals_its_rows_one_by_one(
    central: Client, first: list[Row], body: list[Row], plain: bool
) -> None:
    if not central.get("node/"):
        central.world()
    at_once = _after(central.database, first, [body], plain)
    one_by_one = _after(central.database, first, [[row] for row in body], plain)
    assert at_once == one_by_one
    twice = _after(central.database, first, [body, body], plain)
    if not any("__op__" in row for row in body) and not plain:
        assert twice == at_once


def _after(database: Database, first: list[Row], batches: list[list[Row]], plain: bool) -> Any:
    table = TABLES["Reading"].sql
    with database.engine.begin() as connection:
        connection.execute(sa.delete(table))
    for batch in ([*first], *batches):
        store(database, batch, "", plain=plain)
    return database.read(lambda c: read_page(c, TABLES["Reading"], Query(), 0, 100).rows)


def test_of_two_rows_with_one_key_the_last_wins(central: Client) -> None:
    central.world()
    central.bulk([reading(value=1.0), reading(value=2.0), reading(node=2), reading(value=3.0)])
    assert central.get("reading/?nodeId=1") == [reading(value=3.0)]
    house = {"__table__": "House", "address": "A"}
    central.bulk([{**house, "serverid": 1}, {**house, "serverid": 2}])
    assert [h["serverid"] for h in central.get("house/?address=A")] == [2]
