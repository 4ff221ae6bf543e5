"""A small HTTP/1.1 server on loopback: keep-alive, one thread a connection, torn down completely.

Both the stand-in of the original server and the fault proxy are a ``Handler`` behind it.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """``path`` and ``query`` as sent (still percent-encoded); header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """``cut``: announce the whole body, send this many bytes of it, then drop the connection;

    ``reset``: drop it by RST. ``times``: say the whole answer so often, one after the other.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    cut: int | None = None
    reset: bool = False
    times: int = 1


# None: the connection is dropped without a word.
Handler = Callable[[Request], Reply | None]


class Httpd:
    """Serves a handler between ``start()`` and ``stop()``; the port stays the same."""

    def __init__(self, handle: Handler, port: int = 0) -> None:
        self._handle = handle
        self.port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen; connections are answered from now on."""
        self._server = _Server(("127.0.0.1", self.port), _Connection)
        self._server.handle_request_with = self._handle
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """Listen no more, cut every connection, wait for the threads."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.cut_all()
        self._server.server_close()
        self._thread.join()
        bugs = self._server.bugs
        self._server = self._thread = None
        if bugs:
            raise RuntimeError("the handler raised") from bugs[0]

    def __enter__(self) -> Httpd:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64
    handle_request_with: Handler

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.bugs: list[BaseException] = []
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut_all(self) -> None:
        with self._lock:
            for connection in self._open:
                cut(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what these tests are about; anything else is a bug in them."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.bugs.append(error)


def cut(connection: socket.socket) -> None:
    """End a connection in both directions now."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is down already


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, parts.path, parts.query, headers, body)
        reply = self.server.handle_request_with(request)
        if reply is None:
            self._drop()
            return
        for _ in range(reply.times):
            self._send(reply)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _serve

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body if reply.cut is None else reply.body[: reply.cut])
        if reply.cut is not None:
            self._reset() if reply.reset else self._drop()

    def _drop(self) -> None:
        self.close_connection = True
        cut(self.connection)

    def _reset(self) -> None:
        """RST instead of FIN: nothing may be left that closes it in an orderly way."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: Any) -> None:  # inherited name
        """Quiet."""
