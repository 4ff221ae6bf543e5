"""What servers of ours share: a socket that listens, the line that says where, an orderly end."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from replicator.errors import ConfigError
from replicator.notify import Service

log = logging.getLogger(__name__)

_HOUSEKEEPING_SECONDS = 10


def announce(url: str) -> None:
    """Tell whoever started us where we listen: one line on stdout, and the log."""
    log.info("listening on %s", url)
    sys.stdout.write(f"listening on {url}\n")
    sys.stdout.flush()


def listen(section: str, host: str, port: int) -> socket.socket:
    """A socket that listens; ``section``: of the configuration. Raises ConfigError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = min(found, key=lambda entry: entry[0])  # IPv4 first
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise ConfigError(
            "Cannot listen",
            f"{host}:{port}: {error}",
            f"change [{section}] listen, or stop what already listens there",
        ) from error


def server_url(server: Any) -> str:
    """``http://HOST:PORT/`` of a server that listens."""
    host, port = server.effective_host, server.effective_port
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def run(server: Any, listening: Callable[[str], None], served: Served) -> None:
    """Serve until SIGTERM or SIGINT, then finish running requests and return.

    ``server`` is waitress's, and listens. The service manager is told that we go on from the very
    loop that takes requests, and only while requests that wait are being answered.
    """
    service = Service(["server"])
    duty = service.duty("server")
    keep_house, before = server.maintenance, served.count

    def maintenance(now: float) -> None:
        nonlocal before
        keep_house(now)
        if goes_on(len(server.task_dispatcher.queue), before, served.count):
            before = served.count
            duty.alive()

    server.maintenance = maintenance
    server.adj.cleanup_interval = _HOUSEKEEPING_SECONDS
    with Signals(service.stopping):
        url = server_url(server)
        listening(url)
        duty.say(f"listening on {url}")
        server.run()  # returns on SystemExit and KeyboardInterrupt, after the running requests
    server.close()
    log.info("stopped")


def goes_on(waiting: int, before: int, served: int) -> bool:
    """Whether a server goes on: nothing waits, or something was answered since it last did."""
    return not waiting or served > before


class Served:
    """A WSGI application that counts what it has answered."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.count = 0

    def __call__(self, environ: Any, start: Any) -> Any:
        try:
            return self._app(environ, start)
        finally:
            self.count += 1


class Signals:
    """SIGTERM and SIGINT end the loop; what was set before comes back. ``told``: that it ends."""

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told

    def __enter__(self) -> None:
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._end)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._told()
        raise SystemExit(0)
