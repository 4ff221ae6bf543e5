"""Running the central server under waitress until SIGTERM or SIGINT."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

import orjson
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

from replicator.central.app import create_app
from replicator.central.settings import CentralSettings
from replicator.serving import Served, announce, listen, run

_IDLE_SECONDS = 120  # a connection without traffic is closed
_MOST_CONNECTIONS = 10_000
_OTHER_FILES = 128  # descriptors left for the database and the rest


def serve(settings: CentralSettings, listening: Callable[[str], None] = announce) -> None:
    """Serve until SIGTERM or SIGINT, then finish running requests and return.

    ``listening`` is called once with the URL, the real port in it (``port = 0`` takes a free one).
    Raises ConfigError (also for an address that cannot be listened on), DestinationUnavailable.
    """
    app = create_app(settings)
    try:
        served = Served(app)
        run(build_server(served, settings), listening, served)
    finally:
        app.extensions["replicator"].engine.dispose()


def build_server(app: Any, settings: CentralSettings) -> Any:
    """A waitress server that already listens; ``run()`` serves. Raises ConfigError."""
    server = create_server(
        app,
        sockets=[listen("central", settings.host, settings.port)],
        threads=settings.threads,
        max_request_body_size=settings.max_body,
        channel_timeout=_IDLE_SECONDS,
        connection_limit=_connections(),
        ident="replicator",
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=True,
    )
    server.channel_class = _Channel
    return server


def _connections() -> int:
    """As many as there are descriptors for: each station of a fleet has one, mostly idle."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_CONNECTIONS if allowed == resource.RLIM_INFINITY else allowed - _OTHER_FILES
    return max(100, min(_MOST_CONNECTIONS, most))


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
