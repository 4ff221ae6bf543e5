"""HTTP transport whose answers have one deadline, from the first byte of the status to the last.

A socket's own timeout starts anew with every byte, so a server that drips its headers could hold
a request for days. Here each read gets only what is left of the read timeout.

A body is sent under the same timeout as the answer is read: urllib3 sends it under the one for
connecting, in which a large body does not get through a slow link.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

_SMALL_BYTES = 16 << 10  # a request up to that is one write


def _nothing() -> None:
    """What is done while an answer is awaited, unless a call says otherwise."""


@dataclass(slots=True)
class Exchange:
    """What the connections of one session are told.

    ``sending``    seconds that sending a request may take
    ``meanwhile``  called once a request is sent, before its answer is awaited
    """

    sending: float = 60.0
    meanwhile: Callable[[], None] = _nothing


class _Reader(io.RawIOBase):
    """Reads a socket until its timeout, counted from now, is used up. Raises TimeoutError."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        timeout = sock.gettimeout()
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp.close()
        self.fp = io.BufferedReader(_Reader(sock))


class _HTTPConnection(urllib3.connection.HTTPConnection):
    """``held``: a request's bytes so far: a small one goes out whole, and wakes the server once."""

    response_class = _Response
    exchange: Exchange
    held: bytearray | None = None

    def request(self, *arguments: Any, **named: Any) -> None:
        if self.sock is None:
            self.connect()
        self.timeout = self.exchange.sending
        self.held = bytearray()
        try:
            super().request(*arguments, **named)
            self._let_go()
        finally:
            self.held = None

    def send(self, data: Any) -> None:  # as the base has it
        if self.held is not None and len(self.held) + len(data) <= _SMALL_BYTES:
            self.held += data
            return
        self._let_go()
        super().send(data)

    def _let_go(self) -> None:
        if self.held:
            whole, self.held = self.held, bytearray()
            super().send(whole)

    def getresponse(self) -> Any:  # as both bases have it
        self.exchange.meanwhile()
        return super().getresponse()


class _HTTPSConnection(_HTTPConnection, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection

    def __init__(self, exchange: Exchange, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._exchange = exchange

    def _new_conn(self) -> Any:
        made: Any = super()._new_conn()
        made.exchange = self._exchange
        return made


class _SecurePool(_Pool, urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


def _trusted() -> str | bool:
    """The system's own CA certificates; those that requests brings where the system has none."""
    system = ssl.get_default_verify_paths()
    if system.cafile:
        return system.cafile
    filled = system.capath and any(Path(system.capath).iterdir())
    return system.capath if filled else True


class Line:
    """What all requests to one server have in common. ``target``: path, or URL for a proxy."""

    def __init__(self, pool: Any, target: str, headers: Mapping[str, str]) -> None:
        self._pool = pool
        self._target = target
        self._headers = headers

    def close(self) -> None:
        """Close its connections; a pool that is only forgotten keeps them until it is collected."""
        self._pool.close()

    @contextmanager
    def asked(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        timeout: tuple[float, float],
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """One request below the target; its answer, of which only status and headers are read.

        ``timeout``: to connect, and to answer, in seconds. A redirect is an answer like any other.
        Raises urllib3's HTTPError, OSError.
        """
        answer: urllib3.BaseHTTPResponse = self._pool.urlopen(
            method,
            self._target + path,
            body=body,
            headers={**self._headers, **headers},
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=urllib3.Timeout(connect=timeout[0], read=timeout[1]),
            preload_content=False,
            decode_content=False,
        )
        try:
            yield answer
        finally:
            answer.close()  # its connection, too, where the body was not read to its end


class _Adapter(HTTPAdapter):
    def __init__(self, exchange: Exchange) -> None:
        self._pools = {"http": partial(_Pool, exchange), "https": partial(_SecurePool, exchange)}
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def line(
        self, prepared: requests.PreparedRequest, proxies: Any, verify: bool | str | None
    ) -> Line:
        """As ``send`` does it, but once: the connections to a host, and how they are asked."""
        pool = self.get_connection_with_tls_context(prepared, verify, proxies)
        self.cert_verify(pool, prepared.url, verify, None)  # type: ignore[no-untyped-call]  # requests'
        return Line(pool, self.request_url(prepared, proxies), dict(prepared.headers))

    def proxy_manager_for(self, *arguments: Any, **named: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **named)
        manager.pool_classes_by_scheme = self._pools
        return manager


class TimedSession(requests.Session):
    """A session whose requests go by that transport.

    requests finds out once what holds for all of them (proxies, certificates, headers); each one
    then goes to its connections directly, which takes half the time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.exchange = Exchange()
        self._adapter = _Adapter(self.exchange)
        for scheme in ("http://", "https://"):
            self.mount(scheme, self._adapter)

    def line(self, url: str, verify: bool | str) -> Line:
        """To everything below a URL, by the proxies of the environment.

        Raises requests.RequestException, OSError: a proxy's URL or a CA file that is none.
        """
        found = self.merge_environment_settings(url, {}, None, verify, None)
        prepared = self.prepare_request(requests.Request("GET", url))
        trust = found["verify"]
        return self._adapter.line(
            prepared, found["proxies"], _trusted() if trust is True else trust
        )
