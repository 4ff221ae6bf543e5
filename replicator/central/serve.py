"""Running the central server under waitress until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import orjson
from flask import Flask
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

from replicator.central.app import create_app
from replicator.central.settings import CentralSettings
from replicator.errors import ConfigError

log = logging.getLogger(__name__)

_IDLE_SECONDS = 120  # a connection without traffic is closed


def announce(url: str) -> None:
    """Tell whoever started us where we listen: one line on stdout, and the log."""
    log.info("listening on %s", url)
    sys.stdout.write(f"listening on {url}\n")
    sys.stdout.flush()


def serve(settings: CentralSettings, listening: Callable[[str], None] = announce) -> None:
    """Serve until SIGTERM or SIGINT, then finish running requests and return.

    ``listening`` is called once with the URL, the real port in it (``port = 0`` takes a free one).
    Raises ConfigError (also for an address that cannot be listened on), DestinationUnavailable.
    """
    app = create_app(settings)
    try:
        server = build_server(app, settings)
        with _Signals():
            listening(server_url(server))
            server.run()  # returns on SystemExit and KeyboardInterrupt, after the running requests
        server.close()
        log.info("stopped")
    finally:
        app.extensions["replicator"].engine.dispose()


def build_server(app: Flask, settings: CentralSettings) -> Any:
    """A waitress server that already listens; ``run()`` serves. Raises ConfigError."""
    server = create_server(
        app,
        sockets=[_listen(settings.host, settings.port)],
        threads=settings.threads,
        max_request_body_size=settings.max_body,
        channel_timeout=_IDLE_SECONDS,
        ident="replicator",
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=True,
    )
    server.channel_class = _Channel
    return server


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = min(found, key=lambda entry: entry[0])  # IPv4 first
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise ConfigError(
            "Cannot listen",
            f"{host}:{port}: {error}",
            "change [central] listen, or stop what already listens there",
        ) from error


def server_url(server: Any) -> str:
    """``http://HOST:PORT/`` of a server that listens."""
    host, port = server.effective_host, server.effective_port
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


class _JsonErrorTask(ErrorTask):  # type: ignore[misc]  # waitress has no types
    """What waitress refuses by itself (too large, not HTTP), in the shape of all our errors."""

    def execute(self) -> None:
        error = self.request.error
        code = {413: "too-large", 431: "headers-too-large"}.get(error.code, "bad-request")
        body = orjson.dumps({"error": code, "detail": f"{error.reason}: {error.body}"})
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    error_task_class = _JsonErrorTask


class _Signals:
    """SIGTERM and SIGINT end the loop; what was set before comes back."""

    def __enter__(self) -> None:
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._end)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @staticmethod
    def _end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)
