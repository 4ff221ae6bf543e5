"""The page of a fleet: all of it by what the shippers say, and each station held here below it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flask import Flask, Response, jsonify, render_template, request

from replicator.errors import ReplicatorError
from replicator.fleet.overview import Overview
from replicator.naming import name_of, token
from replicator.web.app import METRICS_TYPE, bare_app, create_app
from replicator.web.fleet_metrics import exposition
from replicator.web.guard import Guard
from replicator.web.settings import WebSettings
from replicator.web.views import Pages

log = logging.getLogger(__name__)

_STATIONS = "/station/"
_PAGE = 200  # stations listed at a time
_KEPT = 64  # stations' pages held ready

Environ = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """``own``      of the fleet's page: address, token, names; there is no outbox in its folder
    ``look``     the fleet now. Raises ReplicatorError
    ``here``     some names of stations with a folder on this machine: (after, at most) → in order
    ``station``  the settings of one of them; None: it is not here
    """

    own: WebSettings
    look: Callable[[], Overview]
    here: Callable[[str, int], Sequence[str]]
    station: Callable[[str], WebSettings | None]


class FleetApp:
    """A WSGI application: the fleet at /, a station at /station/TOKEN/ as if it were alone."""

    def __init__(self, settings: FleetSettings) -> None:
        self._settings = settings
        self._app = _fleet_app(settings)
        self._making = threading.Lock()
        self._made = lru_cache(maxsize=_KEPT)(self._make)  # a failure is not kept

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        path: str = environ.get("PATH_INFO", "")
        if not path.startswith(_STATIONS):
            return self._app(environ, start_response)
        written, slash, rest = path.removeprefix(_STATIONS).partition("/")
        app = self._app_of(written) if slash else None
        if app is None:
            return self._app(environ, start_response)
        root = environ.get("SCRIPT_NAME", "") + _STATIONS + written
        return app({**environ, "SCRIPT_NAME": root, "PATH_INFO": f"/{rest}"}, start_response)

    def _app_of(self, written: str) -> Flask | None:
        try:
            with self._making:
                return self._made(written)
        except LookupError:  # no such station here: the fleet's own 404
            return None

    def _make(self, written: str) -> Flask:
        try:
            settings = self._settings.station(name_of(written))
        except ValueError as error:
            raise LookupError(written) from error
        if settings is None:
            raise LookupError(written)
        return create_app(settings)


def _fleet_app(settings: FleetSettings) -> Flask:
    app = bare_app()
    app.jinja_env.globals["fleet"] = True
    guard = Guard(settings.own)
    guard.attach(app)
    pages = Pages(settings.own, guard, threading.Lock())
    app.add_url_rule("/", "overview", _page(settings, pages))
    app.add_url_rule("/healthz", "healthz", _healthz(settings))
    app.add_url_rule("/metrics", "metrics", _metrics(settings))
    app.add_url_rule("/login", "login", pages.login)
    app.add_url_rule("/login", "log_in", pages.log_in, methods=["POST"])
    app.add_url_rule("/logout", "log_out", pages.log_out, methods=["POST"])
    return app


def _page(settings: FleetSettings, pages: Pages) -> Callable[[], str]:
    def overview() -> str:
        found = settings.look()
        after = request.args.get("after", "")
        names = settings.here(after, _PAGE + 1)
        worst = [each.station for each in found.total.worst]
        links = {name: link_to(name) for name in worst if settings.station(name) is not None}
        return render_template(
            "fleet.html",
            settings=settings.own,
            can_act=pages.guard.can_act,
            proof=pages.guard.proof(),
            found=found,
            links=links,
            here=[(name, link_to(name)) for name in names[:_PAGE]],
            after=names[_PAGE - 1] if len(names) > _PAGE else "",
        )

    return overview


def link_to(station: str) -> str:
    """Where its page is."""
    return f"{_STATIONS}{token(station)}/"


def _healthz(settings: FleetSettings) -> Callable[[], tuple[Response, int]]:
    def healthz() -> tuple[Response, int]:
        try:
            found = settings.look()
        except ReplicatorError as error:
            return jsonify({"healthy": False, "why": str(error)}), 503
        live = sum(shipper.live for shipper in found.shippers)
        healthy = bool(live or not found.most)
        said = {"healthy": healthy, "at": found.at, "shippers": live, "unheld": found.unheld}
        return jsonify(said), 200 if healthy else 503

    return healthz


def _metrics(settings: FleetSettings) -> Callable[[], Response]:
    def metrics() -> Response:
        try:
            found = settings.look()
        except ReplicatorError as error:
            log.warning("metrics: %s", error)
            found = None
        return Response(exposition(found), content_type=METRICS_TYPE)

    return metrics
