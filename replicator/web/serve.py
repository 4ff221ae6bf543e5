"""Running the page under waitress until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from waitress.server import create_server

from replicator.serving import Served, announce, listen, run
from replicator.web.app import create_app
from replicator.web.fleet import FleetApp, FleetSettings
from replicator.web.settings import WebSettings

_THREADS = 4
_IDLE_SECONDS = 60  # a connection without traffic is closed
_MOST_BYTES = 64 << 10


def serve(settings: WebSettings, listening: Callable[[str], None] = announce) -> None:
    """Serve until SIGTERM or SIGINT, then finish running requests and return.

    ``listening`` is called once with the URL, the real port in it. Raises ConfigError for an
    address that cannot be listened on.
    """
    _serve(create_app(settings), settings, listening)


def serve_fleet(settings: FleetSettings, listening: Callable[[str], None] = announce) -> None:
    """As ``serve``, the page of a fleet and of its stations here."""
    _serve(FleetApp(settings), settings.own, listening)


def _serve(app: Any, settings: WebSettings, listening: Callable[[str], None]) -> None:
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a browser asks for much at once
    served = Served(app)
    run(build_server(served, settings), listening, served)


def build_server(app: Any, settings: WebSettings) -> Any:
    """A waitress server that already listens; ``run()`` serves. Raises ConfigError."""
    return create_server(
        app,
        sockets=[listen("web", settings.host, settings.port)],
        threads=_THREADS,
        max_request_body_size=_MOST_BYTES,
        channel_timeout=_IDLE_SECONDS,
        ident="replicator",
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=True,
    )
