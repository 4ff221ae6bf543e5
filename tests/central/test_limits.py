"""Bounds on what a client may send: bombs, sizes, row counts, encodings, damaged bodies."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import orjson
import pytest

from replicator.central.body import decode, inflate
from replicator.central.problems import Problem
from replicator.central.settings import DEFAULT_PAGE, MAX_ROWS
from tests.central.conftest import RECEIPT, Client, reading

Start = Callable[..., Client]
KIB = 1024


def test_a_zlib_bomb_is_refused(start: Start) -> None:
    client = start(max_inflated=64 * KIB)
    bomb = zlib.compress(b"[" + b" " * 50_000_000 + b"]", 9)
    reply = client.request("POST", "bulk/", data=bomb)
    assert (reply.status_code, reply.json()["error"]) == (413, "too-large")


def test_inflating_never_holds_more_than_the_limit() -> None:
    bomb = zlib.compress(b"\0" * 10_000_000, 9)
    with pytest.raises(Problem) as caught:
        inflate(bomb, 1000)
    assert caught.value.status == 413
    assert inflate(zlib.compress(b"x" * 1000), 1000) == b"x" * 1000


@pytest.mark.parametrize("headers", [{}, RECEIPT])
def test_a_body_over_the_limit_is_refused(start: Start, headers: dict[str, str]) -> None:
    client = start(max_body=10 * KIB)
    reply = client.request("POST", "bulk/", data=b"[" + b" " * 20 * KIB + b"]", headers=headers)
    assert (reply.status_code, reply.json()["error"]) == (413, "too-large")
    assert client.plain_bulk([]).status_code == 201


def test_a_chunked_body_over_the_limit_is_refused(start: Start) -> None:
    client = start(max_body=10 * KIB)

    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * KIB

    reply = client.request("POST", "bulk/", data=chunks())
    assert (reply.status_code, reply.json()["error"]) == (413, "too-large")


def test_a_chunked_body_within_the_limit_is_stored(start: Start) -> None:
    client = start()
    client.world()
    reply = client.request("POST", "bulk/", data=iter([b"[", orjson.dumps(reading()), b"]"]))
    assert reply.status_code == 201
    assert len(client.get("reading/")) == 1


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b",".join([b"{}"] * (MAX_ROWS + 1)) + b"]",
        b"[" + b"[]," * (5 * MAX_ROWS) + b"[]]",
        b"[" + b"1," * (40 * MAX_ROWS) + b"1]",
        b"[" * 500_000,
    ],
)
def test_too_many_rows_are_refused(start: Start, text: bytes) -> None:
    reply = start().request("POST", "bulk/", data=zlib.compress(text))
    assert (reply.status_code, reply.json()["error"]) == (413, "too-large")


def test_deep_nesting_is_bad_json(start: Start) -> None:
    text = b"[" * 100_000 + b"]" * 100_000
    assert start().request("POST", "bulk/", data=text).status_code == 400


@pytest.mark.parametrize(
    ("raw", "encoding", "status", "code"),
    [
        (b"\x1f\x8b\x08\x00", "gzip", 415, "unsupported-encoding"),
        (b"[]", "br", 415, "unsupported-encoding"),
        (zlib.compress(b"[]")[:-2], "", 400, "bad-zlib"),
        (zlib.compress(b"[]") + b"x", "", 400, "bad-zlib"),
        (b"\x78\x9c damaged", "deflate", 400, "bad-zlib"),
        (zlib.compress(b"[1"), "", 400, "bad-json"),
        (b"[NaN]", "", 400, "bad-json"),
        (b'["\\ud800"]', "", 400, "bad-json"),
    ],
)
def test_bodies_that_cannot_be_read(raw: bytes, encoding: str, status: int, code: str) -> None:
    with pytest.raises(Problem) as caught:
        decode(raw, encoding, 1000, 1000)
    assert (caught.value.status, caught.value.code) == (status, code)


def test_lists_come_in_pages(start: Start) -> None:
    client = start()
    rows = [{"__table__": "Node", "id": i} for i in range(DEFAULT_PAGE + 5)]
    assert client.plain_bulk(rows).status_code == 201
    reply = client.request("GET", "node/")
    assert len(reply.json()) == DEFAULT_PAGE
    assert reply.headers["Content-Range"] == f"items 0-{DEFAULT_PAGE - 1}/{DEFAULT_PAGE + 5}"
    rest = client.get("node/", headers={"Range": f"items={DEFAULT_PAGE}-999999999"})
    assert [row["id"] for row in rest] == list(range(DEFAULT_PAGE, DEFAULT_PAGE + 5))


@pytest.mark.parametrize(
    "request_text",
    [
        b"NONSENSE\r\n\r\n",
        b"POST /rest/bulk/ HTTP/1.1\r\nHost: x\r\nContent-Length: minus\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_in_json(start: Start, request_text: bytes) -> None:
    address = urlsplit(start().root)
    with socket.create_connection((address.hostname or "", address.port or 0), 30) as link:
        link.sendall(request_text)
        answer = b""
        while part := link.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    assert set(orjson.loads(body)) == {"error", "detail"}
