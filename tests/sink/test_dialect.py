"""Which kind of server it is: never guessed, never taken for the other one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from replicator.errors import DestinationRefused, DestinationUnavailable
from replicator.sink.dialect import (
    ORIGINAL,
    OURS,
    SIGNATURE_HEADER,
    Dialect,
    probed,
    recognised,
)
from replicator.sink.judge import Denied, Reply, Wait
from replicator.sink.link import Link
from replicator.sink.rest import Address, Rest
from tests.faults.centres import KINDS, Kind, centre_of
from tests.faults.httpd import Httpd, Request
from tests.faults.httpd import Reply as HttpReply
from tests.faults.proxy import Fault, FaultProxy, garbage, html, lose_reply, say, truncate

HTML = b"\n<!DOCTYPE html><html><body>hello</body></html>"
FEATURES = ["receipts", "delete", "sensor-get", "idempotent-create", "columns", "more"]
TYPE = {"__table__": "SensorType", "id": 0, "name": "t"}


def reply(status: int, body: object, **headers: str) -> Reply:
    return Reply(status, headers, body if isinstance(body, bytes) else orjson.dumps(body))


def ours(features: object) -> dict[str, object]:
    return {"server": "replicator-central", "version": "9", "features": features}


def test_ours_is_recognised_by_its_capabilities() -> None:
    assert recognised(reply(200, ours(FEATURES))) == replace(OURS, columns=True)
    assert recognised(reply(200, ours([*FEATURES, "zstd"]))) == replace(
        OURS, columns=True, zstd=True
    )
    older = [feature for feature in FEATURES if feature != "columns"]
    assert recognised(reply(200, ours(older))) == OURS


@pytest.mark.parametrize(
    ("features", "lacks"),
    [
        (FEATURES[1:], "receipts"),
        (["receipts"], "delete, idempotent-create, sensor-get"),
        ([], "delete, idempotent-create, receipts, sensor-get"),
        (None, "delete, idempotent-create, receipts, sensor-get"),
        ("receipts delete sensor-get idempotent-create", "delete"),
        ([["receipts"], {"delete": 1}, *FEATURES[1:]], "receipts"),
    ],
)
def test_one_of_ours_that_is_too_old_is_refused_and_told_why(features: object, lacks: str) -> None:
    found = recognised(reply(200, ours(features)))
    assert isinstance(found, Denied)
    assert found.message == "the central server is too old"
    assert found.detail.startswith(f"it lacks {lacks}")


@pytest.mark.parametrize("server", ["nginx", None, 7, ["replicator-central"]])
def test_another_kind_of_server_is_refused(server: object) -> None:
    found = recognised(reply(200, {"server": server, "features": FEATURES}))
    assert isinstance(found, Denied)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, HTML, Denied),
        (200, b"[]", Wait),
        (200, b"", Wait),
        (200, b'{"server": "replicator-cent', Wait),
        (204, b"", Wait),
        (302, b"", Denied),
        (401, {"error": "unauthorized", "detail": "no"}, Denied),
        (403, b"", Denied),
        (405, b"", Denied),
        (429, b"", Wait),
        (500, {"error": "internal", "detail": "see the log"}, Wait),
        (502, HTML, Wait),
        (503, {"error": "database-unavailable", "detail": "no"}, Wait),
        (500, b"Internal Server Error", type(None)),
        (404, b"", type(None)),
        (404, HTML, type(None)),
    ],
)
def test_what_other_answers_to_capabilities_mean(
    status: int, body: object, kind: type[object]
) -> None:
    assert isinstance(recognised(reply(status, body)), kind)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, [], Dialect),
        (200, [TYPE], Dialect),
        (200, HTML, Denied),
        (200, [{"id": 0}], Wait),
        (200, {"rows": []}, Wait),
        (201, [], Wait),
        (302, b"", Denied),
        (401, b"", Denied),
        (404, HTML, Denied),
        (413, b"", Wait),
        (500, b"Internal Server Error", Wait),
        (503, b"", Wait),
    ],
)
def test_what_the_probe_shows(status: int, body: object, kind: type[object]) -> None:
    found = probed(reply(status, body))
    assert isinstance(found, kind)
    if kind is Dialect:
        assert found == ORIGINAL


def test_a_probe_signed_by_ours_is_never_the_original() -> None:
    signed = Reply(200, {SIGNATURE_HEADER: "1"}, b"[]")
    assert isinstance(probed(signed), Wait)


@contextmanager
def link_to(url: str, token: str = "") -> Iterator[Link]:
    link = Link(Rest(Address(f"{url}/", token=token, timeout=5.0, connect_timeout=5.0)))
    yield link
    link.close()


@pytest.mark.parametrize("kind", KINDS)
def test_real_servers_are_told_apart_and_asked_once(kind: Kind, tmp_path: Path) -> None:
    with centre_of(kind, tmp_path) as centre, link_to(centre.url) as link:
        for _ in range(2):
            assert link.dialect.name == (OURS.name if kind == "ours" else ORIGINAL.name)
            assert link.dialect.columns is link.dialect.zstd is (kind == "ours")
        assert link.rest.requests == (1 if kind == "ours" else 2)
        link.ensure_well()


@pytest.mark.parametrize(
    "fault", [say(500), say(500, HTML), say(404), say(503), html(), garbage(), lose_reply()]
)
def test_ours_that_fails_once_at_capabilities_is_not_the_original(
    fault: Fault, tmp_path: Path
) -> None:
    with centre_of("ours", tmp_path) as centre, FaultProxy(centre.url) as proxy:
        proxy.plan(fault, path="capabilities")
        with link_to(proxy.url) as link:
            with pytest.raises((DestinationUnavailable, DestinationRefused)):
                _ = link.dialect
            assert link.dialect.name == OURS.name, "it is asked again"


@pytest.mark.parametrize("fault", [html(), say(302), say(401), say(404), say(405)])
def test_what_is_no_central_server_everywhere_is_refused(fault: Fault, tmp_path: Path) -> None:
    with centre_of("original", tmp_path) as centre, FaultProxy(centre.url) as proxy:
        proxy.plan(fault, times=None)
        with link_to(proxy.url) as link, pytest.raises(DestinationRefused) as caught:
            _ = link.dialect
        assert proxy.url in caught.value.detail


@pytest.mark.parametrize("fault", [say(500), say(503), garbage(), truncate(), lose_reply()])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_ill_everywhere_is_waited_for(fault: Fault, kind: Kind, tmp_path: Path) -> None:
    with centre_of(kind, tmp_path) as centre, FaultProxy(centre.url) as proxy:
        proxy.plan(fault, times=None)
        with link_to(proxy.url) as link, pytest.raises(DestinationUnavailable):
            _ = link.dialect


def test_the_wait_that_a_server_asks_for_arrives() -> None:
    def handle(request: Request) -> HttpReply:
        return HttpReply(503, b"", (("Retry-After", "17"),))

    with Httpd(handle) as server, link_to(server.url) as link:
        with pytest.raises(DestinationUnavailable) as caught:
            _ = link.dialect
        assert caught.value.after == 17.0


def test_a_server_that_wants_credentials_is_refused_with_a_hint() -> None:
    said = orjson.dumps({"error": "unauthorized", "detail": "no such token"})
    with Httpd(lambda request: HttpReply(401, said)) as server, link_to(server.url) as link:
        with pytest.raises(DestinationRefused) as caught:
            _ = link.dialect
        assert "no such token" in caught.value.detail
        assert "--create-token" in caught.value.hint
