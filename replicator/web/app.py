"""The page as a Flask application: addresses, filters, errors."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Mapping

from flask import Flask, Response, jsonify, render_template
from flask.typing import RouteCallable
from markupsafe import Markup, escape
from werkzeug.exceptions import HTTPException

from replicator.backlog.words import age_text, size_text, span_text
from replicator.errors import ConfigError, OutboxError, ReplicatorError
from replicator.outbox import clock
from replicator.web import reads
from replicator.web.guard import Guard
from replicator.web.health import Health, Part, health_of
from replicator.web.metrics import Picture, exposition
from replicator.web.settings import WebSettings
from replicator.web.views import Pages

log = logging.getLogger(__name__)

_MOST_BYTES = 16 << 10
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def create_app(settings: WebSettings, wall: Callable[[], float] = time.time) -> Flask:
    """A WSGI application. ``wall``: Unix seconds, for sessions."""
    app = bare_app()
    guard = Guard(settings, wall)
    guard.attach(app)
    _add_pages(app, Pages(settings, guard, threading.Lock()))
    app.add_url_rule("/healthz", "healthz", _healthz(settings))
    app.add_url_rule("/metrics", "metrics", _metrics(settings))
    return app


def bare_app() -> Flask:
    """Without pages: filters, and how errors are shown."""
    app = Flask("replicator.web")
    app.config["MAX_CONTENT_LENGTH"] = _MOST_BYTES
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {"age": age_text, "span": span_text, "size": size_text}
    app.jinja_env.filters |= {"number": "{:,}".format, "rate": rate_text, "moment": moment_text}
    app.jinja_env.filters |= {"code": code_markup, "ago": ago_text}
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(ReplicatorError, _told)
    app.register_error_handler(Exception, _bug)
    return app


def _add_pages(app: Flask, pages: Pages) -> None:
    shown: Mapping[str, RouteCallable] = {
        "/": pages.overview,
        "/series/<name>": pages.series,
        "/parked/<name>": pages.parked,
        "/gaps": pages.gaps,
        "/mappings/<name>": pages.mappings,
        "/certificate": pages.certificate,
        "/login": pages.login,
    }
    acting: Mapping[str, RouteCallable] = {
        "/parked/<name>/requeue": pages.requeue,
        "/pause/<name>": pages.pause,
        "/resume/<name>": pages.resume,
        "/certificate": pages.certify,
        "/login": pages.log_in,
        "/logout": pages.log_out,
    }
    for method, rules in (("GET", shown), ("POST", acting)):
        for rule, handler in rules.items():
            app.add_url_rule(rule, handler.__name__, handler, methods=[method])


def _healthz(settings: WebSettings) -> Callable[[], tuple[Response, int]]:
    def healthz() -> tuple[Response, int]:
        try:
            found, _ = reads.look(settings)
            health = health_of(found, settings.patience)
        except OutboxError as error:
            part = Part("outbox", False, f"{error}")
            health = Health(False, clock.text(clock.now()), [part])
        return jsonify(dataclasses.asdict(health)), 200 if health.healthy else 503

    return healthz


def _metrics(settings: WebSettings) -> Callable[[], Response]:
    def metrics() -> Response:
        try:
            found, alarms = reads.look(settings)
        except OutboxError as error:
            log.warning("metrics: %s", error)
            picture = Picture(settings.version, settings.station, None)
        else:
            health = health_of(found, settings.patience)
            picture = Picture(settings.version, settings.station, found, health, tuple(alarms))
        return Response(exposition(picture), content_type=METRICS_TYPE)

    return metrics


def _http_error(error: HTTPException) -> tuple[str, int]:
    return _error_page(error.name, error.description or "", ""), error.code or 500


def _told(error: ReplicatorError) -> tuple[str, int]:
    status = 400 if isinstance(error, ConfigError) else 503
    return _error_page(error.message, error.detail, error.hint), status


def _bug(error: Exception) -> tuple[str, int]:
    log.error("a request failed in a way not foreseen", exc_info=error)
    return _error_page("A bug in replicator", "the log has it; please report it", ""), 500


def _error_page(message: str, detail: str, hint: str) -> str:
    return render_template("error.html", message=message, detail=detail, hint=hint)


def rate_text(rate: float | None) -> str:
    """Rows a second with few digits; "?" where not known."""
    if rate is None:
        return "?"
    return f"{rate:,.0f}" if rate >= 100 or rate == 0 else f"{rate:.2g}"


def moment_text(time: str | None) -> str:
    """ "2026-03-01 12:00:03", UTC; "never" for None."""
    return time[:19].replace("T", " ") if time else "never"


def ago_text(time: str, at: str) -> str:
    """How long before ``at`` (both ISO 8601, UTC) something was."""
    return age_text(max(0.0, (clock.parse(at) - clock.parse(time)).total_seconds()))


def code_markup(text: str) -> Markup:
    """A text in which `this` is code."""
    parts = [escape(part) for part in text.split("`")]
    marked = (Markup("<code>{}</code>").format(p) if n % 2 else p for n, p in enumerate(parts))
    return Markup("").join(marked)
