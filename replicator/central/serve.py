"""Running the central server under waitress until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from waitress.server import create_server

from replicator.central.app import create_app
from replicator.central.settings import CentralSettings
from replicator.errors import ConfigError

log = logging.getLogger(__name__)


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
        server = create_server(
            app,
            host=settings.host,
            port=settings.port,
            threads=settings.threads,
            max_request_body_size=settings.max_body,
            channel_timeout=120,
            ident="replicator",
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=True,
        )
    except (OSError, ValueError) as error:
        app.extensions["replicator"].engine.dispose()
        raise ConfigError(
            "Cannot listen",
            f"{settings.host}:{settings.port}: {error}",
            "change [central] listen, or stop what already listens there",
        ) from error
    with _Signals():
        listening(_url(server))
        server.run()  # returns on SystemExit and KeyboardInterrupt, after the running requests
    server.close()
    app.extensions["replicator"].engine.dispose()
    log.info("stopped")


def _url(server: object) -> str:
    several = getattr(server, "effective_listen", None)
    host, port = several[0] if several else (server.effective_host, server.effective_port)  # type: ignore[attr-defined]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


class _Signals:
    """SIGTERM and SIGINT end the loop; what was set before comes back."""

    def __enter__(self) -> None:
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._end)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @staticmethod
    def _end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)
