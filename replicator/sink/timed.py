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
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter


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
    response_class = _Response
    exchange: Exchange

    def request(self, *arguments: Any, **named: Any) -> None:
        if self.sock is None:
            self.connect()
        self.timeout = self.exchange.sending
        super().request(*arguments, **named)

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


class _Adapter(HTTPAdapter):
    def __init__(self, exchange: Exchange) -> None:
        self._pools = {"http": partial(_Pool, exchange), "https": partial(_SecurePool, exchange)}
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *arguments: Any, **named: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **named)
        manager.pool_classes_by_scheme = self._pools
        return manager


class TimedSession(requests.Session):
    """A session with that transport, for which a redirect is an answer like any other.

    (Told not to follow one, requests still reads its whole body, and parses where it leads.)
    """

    def __init__(self) -> None:
        super().__init__()
        self.exchange = Exchange()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(self.exchange))

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002  # its name
        return None
