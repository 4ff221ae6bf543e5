"""What servers of ours share: a socket that listens, the line that says where, an orderly end."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any

from replicator.errors import ConfigError

log = logging.getLogger(__name__)


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


class Signals:
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
