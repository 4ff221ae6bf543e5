"""Whatever a server does: what is called delivered is there, what is called bad is bad."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Op
from replicator.delivery import Delivered, Delivery, Parcel, Rejected, Retry
from replicator.errors import DestinationRefused, DestinationUnavailable
from replicator.sink.bulk import BulkSender
from replicator.sink.dialect import SIGNATURE_HEADER
from replicator.sink.directory import Directory
from replicator.sink.judge import Reply
from replicator.sink.link import Link
from replicator.sink.rest import Address, Rest
from tests.sink.kit import queued, times

BAD = -1.0
NODE = {"__table__": "Node", "id": 69, "locationId": 1, "nodeTypeId": 1}
CAPABILITIES = {
    "server": "replicator-central",
    "features": ["receipts", "delete", "sensor-get", "idempotent-create"],
}
# What becomes of one request; "well" once the script has come to its end.
HARMLESS = ["well", "well", "503", "lost", "lost reply", "page", "garbled", "half", "miscounted"]
HARMFUL = [*HARMLESS, "500", "413", "401", "404"]


class Scripted(Rest):
    """A central server in memory that does as the script says, request by request."""

    def __init__(self, script: Sequence[str], *, ours: bool) -> None:
        super().__init__(Address("http://127.0.0.1:9/"))
        self._script = iter(script)
        self._ours = ours
        self.rows: dict[tuple[Any, ...], Any] = {}

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        self.requests += 1
        what = next(self._script, "well")
        if what == "lost":
            raise DestinationUnavailable("lost")
        if what in ("500", "413", "401", "404", "503"):
            return Reply(int(what), {}, b"no")
        reply = self._bulk(body or b"") if path == "bulk/" else self._look_up(path)
        if what == "lost reply":
            raise DestinationUnavailable("lost")
        signed = {SIGNATURE_HEADER: "1"} if self._ours else {}
        return Reply(reply.status, signed, _spoilt(reply.body, what))

    def _look_up(self, path: str) -> Reply:
        if path == "capabilities/":
            said = orjson.dumps(CAPABILITIES) if self._ours else b"KeyError"
            return Reply(200 if self._ours else 500, {}, said)
        if path.startswith("node/69"):
            return Reply(200, {}, orjson.dumps([NODE]))
        return Reply(200, {}, b"[]")

    def _bulk(self, body: bytes) -> Reply:
        rows = orjson.loads(zlib.decompress(body))
        bad = [n for n, row in enumerate(rows) if row.get("value") == BAD]
        if bad and not self._ours:
            return Reply(500, {}, b"Internal Server Error")
        for row in (row for n, row in enumerate(rows) if n not in bad):
            if row["__table__"] == "Reading" and row.get("__op__") != "delete":
                key = (row["time"], row["nodeId"], row["type"])
                self.rows[key] = row.get("value", self.rows.get(key))
            elif row.get("__op__") == "delete":
                self.rows.pop((row["time"], row["nodeId"], row["type"]), None)
        if not self._ours:
            return Reply(201, {}, b"[]")
        rejected = [{"index": n, "reason": "bad-number", "detail": "no"} for n in bad]
        said = {"receipt": "r", "stored": len(rows) - len(bad), "rejected": rejected}
        return Reply(200, {}, orjson.dumps(said))


def _spoilt(body: bytes, what: str) -> bytes:
    match what:
        case "page":
            return b"<html>Log in</html>"
        case "garbled":
            return b"\xff" + body
        case "half":
            return body[:-1]
        case "miscounted" if b'"stored"' in body:
            return body.replace(b'"stored":', b'"stored":1')
    return body


def senders(script: Sequence[str], *, ours: bool) -> tuple[Scripted, Iterator[BulkSender]]:
    rest = Scripted(script, ours=ours)

    def anew() -> Iterator[BulkSender]:
        while True:
            link = Link(rest)
            yield BulkSender(link, Directory(link))

    return rest, anew()


def parcel(place: int, value: float, op: Op) -> Parcel:
    row = queued("Reading", op, time=times(60)[place], nodeId=69, type=0, value=value)
    body: dict[str, Any] = {"__table__": "Reading", **row.values}
    if op is Op.DELETE:
        key = ("time", "nodeId", "type")
        body = {"__table__": "Reading", "__op__": "delete", **{c: row.values[c] for c in key}}
    return Parcel(row, body)


def check(delivery: Delivery, parcels: Sequence[Parcel], rest: Scripted, harmful: bool) -> int:
    """How many have a result."""
    assert len(delivery.outcomes) == len(parcels)
    settled = 0
    retried = False
    for each, outcome in zip(parcels, delivery.outcomes, strict=True):
        retried = retried or isinstance(outcome, Retry)
        assert isinstance(outcome, Retry) is retried, "all behind the first Retry are"
        settled += not retried
        if isinstance(outcome, Delivered):
            wanted = None if each.row.op is Op.DELETE else each.row.values["value"]
            assert rest.rows.get(each.row.key) == wanted
        if isinstance(outcome, Rejected) and not harmful:
            assert each.row.values["value"] == BAD
            assert each.row.op is not Op.DELETE
    return settled


cells = st.tuples(st.sampled_from([1.0, 2.0, BAD]), st.booleans())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(cells, min_size=1, max_size=20),
    st.lists(st.sampled_from(HARMLESS), max_size=25),
    st.booleans(),
    st.booleans(),
)
def test_only_bad_rows_are_rejected_and_all_come_to_an_end(
    plan: list[tuple[float, bool]], script: list[str], ours: bool, anew: bool
) -> None:
    """``anew``: each try on a new connection, as the command does it; else on the same."""
    rest, made = senders(script, ours=ours)
    waiting = [
        parcel(place, value, Op.DELETE if delete and ours else Op.INSERT)
        for place, (value, delete) in enumerate(plan)
    ]
    sender = next(made)
    for _ in range(len(script) + 2):
        try:
            settled = check(sender.deliver(waiting), waiting, rest, harmful=False)
        except DestinationRefused:
            settled = 0
        waiting = waiting[settled:]
        sender = next(made) if anew else sender
    assert not waiting
    good = {
        times(60)[place]: value
        for place, (value, delete) in enumerate(plan)
        if value != BAD and not (delete and ours)
    }
    assert {key[0]: value for key, value in rest.rows.items()} == good


@settings(max_examples=150, deadline=None)
@given(
    st.lists(cells, min_size=1, max_size=20),
    st.lists(st.sampled_from(HARMFUL), max_size=40),
    st.booleans(),
)
def test_nothing_is_called_delivered_that_is_not_there(
    plan: list[tuple[float, bool]], script: list[str], ours: bool
) -> None:
    rest, made = senders(script, ours=ours)
    waiting = [parcel(place, value, Op.INSERT) for place, (value, _) in enumerate(plan)]
    sender = next(made)
    for _ in range(len(script) + 2):
        try:
            settled = check(sender.deliver(waiting), waiting, rest, harmful=True)
        except DestinationRefused:
            settled = 0
        waiting = waiting[settled:]
    assert not waiting
