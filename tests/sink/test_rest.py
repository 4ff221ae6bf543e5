"""HTTP as the wild has it, on real sockets: every failure is ours, bounded, and says why."""

from __future__ import annotations

import gzip
import http.client
import logging
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from replicator.errors import DestinationRefused, DestinationUnavailable
from replicator.sink import rest as rest_module
from replicator.sink.rest import Address, Rest
from tests.faults.httpd import Httpd, Reply, Request
from tests.sink.raw import Peer, RawServer

TOKEN = "n0t-for-anybody-elses-eyes-0123456789"  # of no server
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def client(url: str, timeout: float = 0.3, token: str = "") -> Iterator[Rest]:
    made = Rest(Address(url, token=token, timeout=timeout, connect_timeout=2.0))
    yield made
    made.close()


def failure_at(
    script: Callable[[Peer], None], *, timeout: float = 0.3, token: str = ""
) -> DestinationUnavailable:
    with RawServer(script) as server, client(server.url, timeout, token) as rest:
        with pytest.raises(DestinationUnavailable) as caught:
            rest.call("GET", "sensortype/")
        assert server.url in str(caught.value)
        assert "object at 0x" not in str(caught.value)
        assert "urllib3" not in str(caught.value)
        return caught.value


def answered(reply: Reply, token: str = "") -> tuple[int, bytes, dict[str, str]]:
    with Httpd(lambda request: reply) as server, client(f"{server.url}/", 5.0, token) as rest:
        got = rest.call("GET", "sensortype/")
        return got.status, got.body, dict(got.headers)


def silent(peer: Peer) -> None:
    peer.ending.wait(60)


def dripping_status(peer: Peer) -> None:
    peer.drip(b"HTTP/1.1 200 " + b"O" * 60_000, 0.02)


def dripping_headers(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\n")
    peer.drip(b"X-A: b\r\n", 0.02)


def dripping_body(peer: Peer) -> None:
    peer.say(HEAD + b"Content-Length: 100000\r\n\r\n")
    peer.drip(b" ", 0.02)


def dripping_chunks(peer: Peer) -> None:
    peer.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    peer.drip(b"1\r\n \r\n", 0.02)


def dripping_chunk_size(peer: Peer) -> None:
    peer.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    peer.drip(b"0", 0.02)


def dripping_empty_blocks(peer: Peer) -> None:
    peer.say(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 100000\r\n\r\n")
    peer.say(bytes.fromhex("1f8b0800000000000003"))
    peer.drip(b"\x00\x00\x00\xff\xff", 0.02)


def dripping_redirect(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 100000\r\n\r\n")
    peer.drip(b" ", 0.02)


@pytest.mark.parametrize(
    "script",
    [
        silent,
        dripping_status,
        dripping_headers,
        dripping_body,
        dripping_chunks,
        dripping_chunk_size,
        dripping_empty_blocks,
        dripping_redirect,
    ],
)
def test_a_server_that_never_comes_to_an_end_is_left(script: Callable[[Peer], None]) -> None:
    assert "timed out" in failure_at(script).detail.lower()


def reset(peer: Peer) -> None:
    peer.reset()


def closed(peer: Peer) -> None:
    """Says nothing."""


def no_http(peer: Peer) -> None:
    peer.say(b"220 mail.example.org ESMTP\r\n")


def half_a_header(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\nContent-Le")


def half_a_body(peer: Peer) -> None:
    peer.say(HEAD + b"Content-Length: 100\r\n\r\n[]")


def half_the_chunks(peer: Peer) -> None:
    peer.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n")


def bad_chunks(peer: Peer) -> None:
    peer.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n")


def half_a_gzip(peer: Peer) -> None:
    body = gzip.compress(b"[]" * 1000)[:-9]
    peer.say(HEAD + b"Content-Encoding: gzip\r\n")
    peer.say(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)


def no_gzip(peer: Peer) -> None:
    peer.say(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]")


def unknown_encoding(peer: Peer) -> None:
    peer.say(HEAD + b"Content-Encoding: rot13\r\nContent-Length: 2\r\n\r\n[]")


def two_lengths(peer: Peer) -> None:
    peer.say(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]]")


def endless_header(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n")


def many_headers(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\n" + b"X-A: a\r\n" * 1000 + b"\r\n")


def reset_in_the_body(peer: Peer) -> None:
    peer.say(HEAD + b"Content-Length: 100\r\n\r\n[]")
    peer.reset()


@pytest.mark.parametrize(
    "script",
    [
        reset,
        closed,
        no_http,
        half_a_body,
        half_the_chunks,
        bad_chunks,
        half_a_gzip,
        no_gzip,
        unknown_encoding,
        two_lengths,
        endless_header,
        many_headers,
        reset_in_the_body,
    ],
)
def test_an_answer_that_is_none_is_unavailable(script: Callable[[Peer], None]) -> None:
    assert failure_at(script, timeout=5.0, token=TOKEN).detail


def test_half_a_header_is_an_answer_without_a_body() -> None:
    with RawServer(half_a_header) as server, client(server.url, 5.0) as rest:
        assert rest.call("GET", "sensortype/").body == b""


def large(peer: Peer) -> None:
    peer.say(HEAD + b"Content-Length: 100000000\r\n\r\n")
    while not peer.ending.is_set():
        peer.say(b" " * 65536)


def large_for_ever(peer: Peer) -> None:
    peer.say(HEAD + b"\r\n")
    while not peer.ending.is_set():
        peer.say(b" " * 65536)


def large_once_unpacked(peer: Peer) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = packer.compress(bytes(1 << 22)) + packer.flush()
    peer.say(HEAD + b"Content-Encoding: gzip\r\n")
    peer.say(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)


def large_redirect(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n")
    while not peer.ending.is_set():
        peer.say(b" " * 65536)


@pytest.mark.parametrize("script", [large, large_for_ever, large_once_unpacked, large_redirect])
def test_an_answer_too_large_is_not_read_to_its_end(
    script: Callable[[Peer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_module, "MOST_BYTES", 1 << 20)
    assert "too large" in failure_at(script, timeout=30.0).message


def test_nobody_listens() -> None:
    with RawServer(closed) as server:
        url = server.url
    with client(url) as rest, pytest.raises(DestinationUnavailable) as caught:
        rest.call("GET", "sensortype/")
    assert str(caught.value) == (
        f"the central server cannot be reached · {url}: Failed to establish a new connection: "
        "[Errno 111] Connection refused · nothing is lost; it is tried again"
    )


@pytest.mark.parametrize("url", ["http://no-such-host.invalid/", f"http://{'a' * 70}.invalid/"])
def test_a_host_that_does_not_exist(url: str) -> None:
    with client(url) as rest, pytest.raises(DestinationUnavailable):
        rest.call("GET", "sensortype/")


def test_plain_http_where_tls_was_expected() -> None:
    with Httpd(lambda request: Reply(200)) as server:
        url = server.url.replace("http:", "https:") + "/"
        with client(url, 5.0) as rest, pytest.raises(DestinationUnavailable, match="TLS"):
            rest.call("GET", "sensortype/")


def test_a_ca_file_that_does_not_exist(tmp_path: Path) -> None:
    rest = Rest(Address("https://127.0.0.1:9/", ca_file=tmp_path / "none.pem"))
    with pytest.raises(DestinationUnavailable):
        rest.call("GET", "sensortype/")
    rest.close()


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:9/", "http://[::1", "\xff\xfe", "http://a b/", "//", ""]
)
def test_a_redirect_is_an_answer_and_is_not_followed(location: str) -> None:
    status, body, headers = answered(Reply(302, b"moved", (("Location", location),)))
    assert (status, body) == (302, b"moved")
    assert "location" in headers


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate"])
def test_a_compressed_answer_is_read(encoding: str) -> None:
    plain = b'[{"id": 1}]' * 10_000
    packed = zlib.compress(plain) if encoding == "deflate" else gzip.compress(plain)
    assert answered(Reply(200, packed, (("Content-Encoding", encoding),)))[1] == plain


def test_an_empty_answer_said_to_be_compressed_is_empty() -> None:
    assert answered(Reply(200, b"", (("Content-Encoding", "gzip"),)))[1] == b""


def test_header_names_are_in_lower_case() -> None:
    assert answered(Reply(503, b"", (("Retry-After", "3"),)))[2]["retry-after"] == "3"


def seen_by_server(token: str) -> Request:
    seen: list[Request] = []

    def handle(request: Request) -> Reply:
        seen.append(request)
        return Reply(200, b"[]")

    with Httpd(handle) as server, client(f"{server.url}/", 5.0, token) as rest:
        rest.call("POST", "bulk/", b"body", {"X-One": "1"})
        assert (rest.requests, rest.bytes_sent) == (1, 4)
    return seen[0]


def test_the_token_is_sent() -> None:
    request = seen_by_server(TOKEN)
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert (request.method, request.path) == ("POST", "/rest/bulk/")
    assert (request.headers["x-one"], request.body) == ("1", b"body")


def test_netrc_is_not_asked_for_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    assert "authorization" not in seen_by_server("").headers
    assert seen_by_server(TOKEN).headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("token", ["two\nlines", "two\r\nHost: elsewhere", "schlüssel", "\x7f"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(token: str) -> None:
    with RawServer(closed) as server, client(server.url, token=token) as rest:
        with pytest.raises(DestinationRefused) as caught:
            rest.call("GET", "sensortype/")
        assert token not in str(caught.value)
        assert token not in repr(rest.address)


def test_a_token_that_the_server_repeats_is_taken_out_of_its_answer() -> None:
    said = f'{{"detail": "no such token: {TOKEN}"}}'.encode()
    status, body, headers = answered(Reply(401, said, (("Location", f"/{TOKEN}"),)), TOKEN)
    assert status == 401
    assert TOKEN.encode() not in body
    assert TOKEN not in headers["location"]


@pytest.mark.parametrize("script", [reset, silent, half_a_body, large_once_unpacked])
def test_the_token_is_in_no_error_and_no_log(
    script: Callable[[Peer], None],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rest_module, "MOST_BYTES", 1 << 20)
    caplog.set_level(logging.DEBUG)
    error: BaseException | None = failure_at(script, token=TOKEN)
    while error is not None:
        assert TOKEN not in repr(error)
        assert TOKEN not in str(error)
        error = error.__cause__
    assert TOKEN not in caplog.text


def test_a_connection_is_kept_and_made_anew_when_the_server_closed_it() -> None:
    connections: list[int] = []
    lock = threading.Lock()

    def script(peer: Peer) -> None:
        with lock:
            connections.append(1)
        peer.say(HEAD + b"Content-Length: 2\r\n\r\n[]")
        peer.connection.recv(65536)
        peer.say(HEAD + b"Content-Length: 2\r\n\r\n[]")

    with RawServer(script) as server, client(server.url, 5.0) as rest:
        for expected in (1, 1, 2):
            if expected == 2:  # the server has closed it, and not only said its last word
                server._threads[0].join(30)
            assert rest.call("GET", "sensortype/").body == b"[]"
            assert len(connections) == expected


def test_a_body_may_take_as_long_as_an_answer_not_only_as_long_as_connecting() -> None:
    body = bytes(16 << 20)  # more than the buffers on the way hold

    def take(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            for _ in range(2):  # on a fresh connection, and on a kept one
                time.sleep(0.6)
                left = len(body)
                head, _, rest = connection.recv(1 << 16).partition(b"\r\n\r\n")
                left -= len(rest) if head else 0
                while left > 0:
                    left -= len(connection.recv(1 << 20))
                connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n[]")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        taking = threading.Thread(target=take, args=(listener,), daemon=True)
        taking.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        made = Rest(Address(url, timeout=30.0, connect_timeout=0.2))
        for _ in range(2):
            assert made.call("POST", "bulk/", body).body == b"[]"
        made.close()
        taking.join()


def test_work_is_done_while_an_answer_is_awaited() -> None:
    order: list[str] = []

    def script(peer: Peer) -> None:
        order.append("asked")
        while "worked" not in order:
            time.sleep(0.005)
        peer.say(HEAD + b"Content-Length: 2\r\n\r\n[]")

    with (
        RawServer(script) as server,
        client(server.url, 5.0) as rest,
        rest.meanwhile(lambda: order.append("worked")),
    ):
        assert rest.call("GET", "sensortype/").body == b"[]"
    assert "worked" in order


@pytest.mark.parametrize(("size", "writes"), [(100, 1), (50_000, 2)])
def test_a_small_request_is_one_write(
    size: int, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    usual = http.client.HTTPConnection.send

    def send(self: http.client.HTTPConnection, data: bytes) -> None:
        written.append(bytes(data))
        usual(self, data)

    monkeypatch.setattr(http.client.HTTPConnection, "send", send)
    with (
        Httpd(lambda request: Reply(200, request.body)) as server,
        client(f"{server.url}/", 5.0) as rest,
    ):
        for _ in range(2):
            assert rest.call("POST", "bulk/", b"x" * size).body == b"x" * size
    assert len(written) == 2 * writes
