"""A shipper that was superseded ends there, loudly: nothing is parked, nothing is tried again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import requests

from replicator.cli.pipelines import Delivering
from replicator.config import Config
from replicator.delivery import Holder
from replicator.errors import HoldingLost
from replicator.sink.judge import Reply, superseded
from replicator.sink.speaker import Speaker
from tests.cli.scene import Scene
from tests.faults.centres import Centre
from tests.faults.proxy import FaultProxy, say

NAME = "Zażółć 7"


def delivering(scene: Scene, epoch: int) -> Delivering:
    config = Config.load(scene.path, {})
    (destination,) = config.destinations
    return Delivering(config, destination, holder=Holder(NAME, epoch))


def taken_over(ours: Centre, epoch: int) -> None:
    headers = {"Replicator-Station": "Za%C5%BC%C3%B3%C5%82%C4%87%207"}
    headers["Replicator-Epoch"] = str(epoch)
    reply = requests.post(f"{ours.url}/rest/bulk/", json=[], headers=headers, timeout=30)
    assert reply.status_code == 201, reply.text


def drained(made: Delivering) -> None:
    while not made.ship().step().idle:
        pass


def test_changes_name_their_holder_and_look_ups_do_not(scene: Scene, before: FaultProxy) -> None:
    last = scene.readings(1, range(100))
    made = delivering(scene, 3)
    drained(made)
    made.close()
    named = {(r.method, r.headers.get("replicator-epoch")) for r in before.requests}
    assert named == {("GET", None), ("POST", "3")}
    bulk = [r.headers for r in before.requests if "bulk/" in r.path]
    assert {h["replicator-station"] for h in bulk} == {"Za%C5%BC%C3%B3%C5%82%C4%87%207"}
    assert bulk[-1]["replicator-seq"] == str(last)


@pytest.mark.parametrize("rows", [3, 200])
def test_a_superseded_one_ends_and_keeps_what_it_has(scene: Scene, ours: Centre, rows: int) -> None:
    scene.readings(1, range(5))
    made = delivering(scene, 3)
    drained(made)
    cursor = made.deliveries.cursor()
    scene.readings(1, range(10, 10 + rows))
    scene.put("House", 9, deploymentId=1, address="9 New St")
    taken_over(ours, 4)
    for _ in range(2):
        with pytest.raises(HoldingLost, match=rf"{NAME}.*epoch 4 by now"):
            made.ship().step()
    assert made.deliveries.cursor() == cursor
    assert list(made.deliveries.database["parked"].rows) == []
    made.close()
    assert len(ours.rows("Reading")) == 5
    newer = delivering(scene, 4)
    drained(newer)
    newer.close()
    assert len(ours.rows("Reading")) == 5 + rows
    assert len(ours.rows("House")) == 3


def test_a_reference_row_of_a_superseded_one_is_refused(scene: Scene, ours: Centre) -> None:
    made = delivering(scene, 3)
    taken_over(ours, 4)
    with pytest.raises(HoldingLost):
        made.ship().step()
    made.close()
    assert ours.rows("House") == []


def test_a_shipper_without_a_holder_says_nothing_of_one(
    scene: Scene, before: FaultProxy, ours: Centre
) -> None:
    taken_over(ours, 4)
    scene.readings(1, range(3))
    scene.ship()
    assert len(ours.rows("Reading")) == 3
    names = {name for r in before.requests for name in r.headers}
    assert not names & {"replicator-station", "replicator-epoch", "replicator-seq"}


def test_it_is_told_where_the_server_does_not_fence(
    scene: Scene, before: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    before.plan(
        say(200, b'{"server":"replicator-central","features":["receipts","delete","sensor-get",'
            b'"idempotent-create"]}'),
        path="capabilities/", times=None,
    )  # fmt: skip
    made = delivering(scene, 3)
    drained(made)
    for _ in range(3):
        made.watch.look()
    made.close()
    assert caplog.text.count("does not refuse a shipper") == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(409, {}, b'{"error": "conflict", "detail": "d"}'),
        Reply(409, {}, b"<html>superseded"),
        Reply(500, {}, b'{"error": "superseded", "detail": "d"}'),
        Reply(409, {}, b'["superseded"]'),
    ],
)
def test_other_answers_are_no_supersession(reply: Reply) -> None:
    assert superseded(reply) is None
    assert superseded(replace(reply, status=409, body=b'{"error": "superseded"}')) is not None


def test_a_name_in_any_script_goes_into_a_header() -> None:
    speaker = Speaker(Holder("a/b", 1))
    assert speaker.headers("POST") == {"Replicator-Station": "a%2Fb", "Replicator-Epoch": "1"}
    assert speaker.headers("GET") == {}
