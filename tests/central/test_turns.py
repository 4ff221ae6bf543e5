"""A request that its sender has given up changes nothing, whenever it arrives."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replicator.central import fence
from replicator.central.engine import open_engine
from replicator.central.marks import Claim, Marks, guard
from replicator.central.problems import Problem
from replicator.central.schema import TURN
from replicator.central.store import Database
from replicator.delivery import Turn
from tests.central.conftest import RECEIPT, Client, reading
from tests.central.test_fence import CHANGES, held, tables

ONE, OTHER = "0123456789abcdef" * 2, "f" * 32


def turn(number: int, sender: str = ONE) -> dict[str, str]:
    return {"Replicator-Turn": f"{sender}/{number}"}


def send(client: Client, headers: dict[str, str], value: float = 1.0) -> int:
    headers = {**RECEIPT, **headers}
    rows = [reading(value=value)]
    return client.request("POST", "bulk/", json=rows, headers=headers).status_code


def test_every_change_of_an_older_turn_is_refused_and_changes_nothing(central: Client) -> None:
    central.world()
    assert send(central, turn(5), value=7.0) == 200
    before = tables(central)
    for name, (method, path, more) in CHANGES.items():
        headers = {**more.get("headers", {}), **turn(4)}
        reply = central.request(method, path, **{**more, "headers": headers})
        assert (reply.status_code, reply.json()["error"]) == (409, "late"), name
        assert reply.json()["turn"] == 5
        assert ONE not in reply.text, "nobody else needs to know it"
    assert tables(central) == before
    for name, (method, path, more) in CHANGES.items():
        headers = {**more.get("headers", {}), **held(1), **turn(5)}
        reply = central.request(method, path, **{**more, "headers": headers})
        assert reply.status_code < 300, (name, reply.text)
    assert tables(central) != before


def test_senders_are_fenced_each_for_itself(central: Client) -> None:
    central.world()
    assert send(central, turn(5)) == 200
    assert send(central, turn(1, OTHER)) == 200
    assert send(central, {}) == 200, "whoever says nothing of turns has none"
    assert send(central, turn(4)) == 409


@pytest.mark.parametrize(
    "more",
    [{"json": [{"__table__": "Reading"}]}, {"data": b"no JSON"}, {"json": {}}],
    ids=["a bad row", "no JSON", "no list"],
)
def test_a_newer_turn_counts_although_nothing_is_stored(
    central: Client, more: dict[str, Any]
) -> None:
    central.world()
    assert send(central, turn(5)) == 200
    assert central.request("POST", "bulk/", headers=turn(6), **more).status_code in (400, 422)
    assert send(central, turn(5)) == 409
    assert central.get("capabilities/", headers=turn(1))["features"], "look-ups are free"


def test_a_holder_has_turns_too(central: Client) -> None:
    central.world()
    assert send(central, {**held(3), **turn(8)}) == 200
    assert send(central, {**held(3), **turn(7)}) == 409
    assert send(central, {**held(2), **turn(9)}) == 409
    assert send(central, {**held(3), **turn(8)}) == 200, "the refused one did not count"
    assert send(central, {**held(4), **turn(1, OTHER)}) == 200


@pytest.mark.parametrize(
    "header",
    [
        ONE,
        f"{ONE}/",
        f"{ONE}/0",
        f"{ONE}/-1",
        f"{ONE}/1.0",
        f"{ONE}/{2**63}",
        f"{ONE[1:]}/1",
        f"{ONE}0/1",
        f"{ONE.upper()}/1",
        f"{ONE} 1",
    ],
)
def test_a_header_that_is_none_is_refused(central: Client, header: str) -> None:
    reply = central.request("POST", "bulk/", json=[], headers={"Replicator-Turn": header})
    assert (reply.status_code, reply.json()["error"]) == (400, "bad-holder")


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.sampled_from([ONE, OTHER]), st.integers(1, 4), st.booleans()), max_size=15
    )
)
def test_a_turn_never_goes_back(database_url: str, requests: list[tuple[str, int, bool]]) -> None:
    """Through one server or several (they forget what they have raised)."""
    database = Database(open_engine(database_url))
    with database.engine.begin() as connection:
        connection.execute(sa.delete(TURN))
    marks, newest = Marks(), {ONE: 0, OTHER: 0}
    for sender, number, another in requests:
        marks = Marks() if another else marks
        claims: list[Claim] = fence.claims(fence.Said(None, None, Turn(sender, number)))
        if number < newest[sender]:
            with pytest.raises(Problem, match="late") as refused:
                marks.reach(database, claims)
            assert refused.value.turn == newest[sender]
            with pytest.raises(Problem, match="late"):
                database.guarded(guard(claims)).write(_forbidden, references=False)
            continue
        marks.reach(database, claims)
        assert database.guarded(guard(claims)).write(lambda _c: "stored", references=False)
        newest[sender] = number
    database.engine.dispose()


def _forbidden(_connection: object) -> None:
    raise AssertionError("a late request came to the rows")
