"""A proxy that lets requests through, and harms the ones it was told to.

    with FaultProxy(server.url) as proxy:
        proxy.plan(lose_reply(), path="bulk/")         # the next bulk request, once
        proxy.plan(say(503, retry_after=1), times=3)   # then any three requests
        proxy.plan(hang(30), times=None)               # every request until calm()

Plans are tried in order; the first that matches and is not used up strikes. Connections of the
client are kept alive; towards the server each request has its own.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from urllib.parse import urlsplit

from tests.faults.arrivals import Row, bulk_rows, stream_rows
from tests.faults.httpd import Httpd, Reply, Request

_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server")
_HTML = b"<!DOCTYPE html>\n<html><body>Log in to the guest network.</body></html>\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """``forward``: the server gets the request. ``instead``: what the client gets in place of the

    server's reply; with ``lost``, nothing: the connection is dropped. ``cut``: the server's reply
    with so many bytes of its body, ended by RST with ``reset``. ``wait``: seconds of silence, or
    until the proxy is calmed; ``late``: after the server has done its work, not before. ``asked``,
    ``answered``: so often the server gets the request, and the client the answer.
    """

    forward: bool = True
    lost: bool = False
    instead: Reply | None = None
    wait: float = 0.0
    late: bool = False
    cut: int | None = None
    reset: bool = False
    asked: int = 1
    answered: int = 1


def lose_request() -> Fault:
    """The connection is dropped; the server never hears of it."""
    return Fault(forward=False, lost=True)


def lose_reply() -> Fault:
    """The server does what it was asked; its reply never arrives."""
    return Fault(lost=True)


def say(
    status: int,
    body: bytes = b"",
    kind: str = "text/plain",
    *,
    after_store: bool = False,
    retry_after: int | None = None,
) -> Fault:
    """An answer of our own; the server hears of the request only with ``after_store``."""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", kind),)
    if retry_after is not None:
        headers = (*headers, ("Retry-After", str(retry_after)))
    return Fault(forward=after_store, instead=Reply(status, body, headers))


def html(status: int = 200, *, after_store: bool = False) -> Fault:
    """A page, as captive portals and wrong paths give it."""
    return say(status, _HTML, "text/html; charset=UTF-8", after_store=after_store)


def garbage(*, after_store: bool = False) -> Fault:
    """A success that says it is JSON and is not."""
    return say(201, b'\x00\xff[{"half":', "application/json", after_store=after_store)


def truncate(keep: int = 1) -> Fault:
    """The server's reply, cut within its body."""
    return Fault(cut=keep)


def reset(keep: int = 1) -> Fault:
    """The server's reply, cut within its body by RST."""
    return Fault(cut=keep, reset=True)


def ask_twice() -> Fault:
    """Something on the way repeats the request; the client hears the second answer."""
    return Fault(asked=2)


def answer_twice() -> Fault:
    """The answer comes twice on the same connection."""
    return Fault(answered=2)


def swallow(seconds: float) -> Fault:
    """A black hole: the connection stays open for so long, nobody hears of the request."""
    return Fault(forward=False, lost=True, wait=seconds)


def hang(seconds: float) -> Fault:
    """Silence for so long, or until the proxy is calmed; then as if nothing had been."""
    return Fault(wait=seconds)


def stall(seconds: float) -> Fault:
    """The server does what it was asked; its reply comes so much later."""
    return Fault(wait=seconds, late=True)


@dataclass(slots=True)
class _Plan:
    fault: Fault
    path: str
    method: str
    left: int | None
    skip: int


@dataclass(frozen=True, slots=True)
class Passed:
    """A request that came by. ``status``: what the client got, None for nothing."""

    method: str
    path: str
    query: str
    status: int | None
    forwarded: bool
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)  # names in lower case


class FaultProxy:
    """``requests``: what came by. ``arrivals``: stream rows in the order the server took them.

    ``after_each``: called when the server has done a request, before the client hears of it.
    """

    def __init__(self, upstream_url: str) -> None:
        self._upstream = upstream_url
        self._http = Httpd(self._answer)
        self._plans: list[_Plan] = []
        self._lock = threading.Lock()
        self._storm = threading.Event()
        self._ending = False
        self.requests: list[Passed] = []
        self.arrivals: list[Row] = []
        self.after_each: Callable[[Request], None] = lambda request: None
        self.struck = 0
        self._struck_before = 0

    def __enter__(self) -> FaultProxy:
        self._http.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending = True
        self.calm()
        self._http.stop()

    @property
    def url(self) -> str:
        """Where clients connect, without a slash at its end."""
        return self._http.url

    @property
    def port(self) -> int:
        """Where clients connect, on loopback."""
        return self._http.port

    def plan(
        self,
        fault: Fault,
        *,
        path: str = "",
        method: str = "",
        times: int | None = 1,
        skip: int = 0,
    ) -> None:
        """Strike ``times`` requests (None: all) whose path contains ``path``, after ``skip``."""
        with self._lock:
            self._plans.append(_Plan(fault, path, method, times, skip))

    def calm(self) -> None:
        """Forget every plan, and go on with what was held back."""
        with self._lock:
            self._plans.clear()
            self._struck_before = self.struck
            self._storm.set()
            self._storm = threading.Event()

    def has_struck_since_calm(self) -> bool:
        """Whether any fault has struck since the last ``calm()``."""
        return self.struck > self._struck_before

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Within the block nobody listens, and open connections are cut."""
        self._http.stop()
        yield
        self._http.start()

    def _strike(self, request: Request) -> tuple[Fault, threading.Event]:
        with self._lock:
            for plan in self._plans:
                if plan.left == 0 or plan.path not in request.path:
                    continue
                if plan.method not in ("", request.method):
                    continue
                if plan.skip:
                    plan.skip -= 1
                    continue
                plan.left = None if plan.left is None else plan.left - 1
                self.struck += 1
                return plan.fault, self._storm
            return Fault(), self._storm

    def _answer(self, request: Request) -> Reply | None:
        fault, storm = self._strike(request)
        if not fault.late:
            storm.wait(fault.wait)
        reply = None
        for _ in range(fault.asked if fault.forward and not self._ending else 0):
            reply = self._forward(request)
        if fault.late:
            storm.wait(fault.wait)
        if fault.lost:
            reply = None
        elif fault.instead is not None:
            reply = fault.instead
        elif reply is not None:
            reply = replace(reply, cut=fault.cut, reset=fault.reset, times=fault.answered)
        status = None if reply is None else reply.status
        passed = (request.method, request.path, request.query, status, fault.forward, request.body)
        with self._lock:
            self.requests.append(Passed(*passed, request.headers))
        return reply

    def _forward(self, request: Request) -> Reply | None:
        place = urlsplit(self._upstream)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
        target = request.path + (f"?{request.query}" if request.query else "")
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        try:
            connection.request(request.method, target, request.body or None, headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            return None  # the server is down: so are we
        finally:
            connection.close()
        if "/bulk/" in request.path and answer.status in (200, 201):
            with self._lock:
                self.arrivals += _taken(request, body)
        self.after_each(request)
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
        return Reply(answer.status, body, tuple(kept))


def _taken(request: Request, answer: bytes) -> list[Row]:
    """The stream rows of a bulk request that the server accepted, without the rejected ones."""
    rows = bulk_rows(request.body)
    said = bulk_rows(answer) if answer[:1] == b"{" else []
    rejected = {row["index"] for receipt in said for row in receipt.get("rejected", [])}
    return stream_rows([row for index, row in enumerate(rows) if index not in rejected])
