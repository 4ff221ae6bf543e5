"""The central server as a Flask application."""

from __future__ import annotations

import logging
from collections.abc import Callable

import sqlalchemy as sa
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from replicator.central.auth import is_loopback
from replicator.central.engine import open_engine
from replicator.central.marks import Marks
from replicator.central.page import page
from replicator.central.problems import Problem
from replicator.central.rest import answer, rest
from replicator.central.routes import allow, methods_at
from replicator.central.settings import CentralSettings
from replicator.central.store import Database
from replicator.central.tokens import any_token

log = logging.getLogger(__name__)

_SHOWN_SQL = 300  # characters of a failed statement in the log


def create_app(settings: CentralSettings) -> Flask:
    """A WSGI application on an opened database (``app.extensions["replicator"]``).

    Raises ConfigError and DestinationUnavailable, see engine.open_engine.
    """
    app = Flask("replicator.central", static_folder=None)
    database = Database(open_engine(settings.database_url))
    app.extensions["replicator"] = database
    app.extensions["replicator-marks"] = Marks()
    app.config["REPLICATOR"] = settings
    app.url_map.merge_slashes = False  # it would redirect, and lose a POST's body
    app.register_blueprint(rest)
    app.register_blueprint(page)
    app.add_url_rule("/healthz", view_func=_healthz(database))
    app.register_error_handler(Problem, _problem)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _bug)
    _warn_if_open(settings, database)
    return app


def _healthz(database: Database) -> Callable[[], Response]:
    def healthz() -> Response:
        database.read(lambda connection: connection.execute(sa.text("SELECT 1")).scalar())
        return answer({"status": "ok"})

    return healthz


def _problem(problem: Problem) -> Response:
    said: dict[str, object] = {"error": problem.code, "detail": problem.detail}
    headers = {}
    if problem.rejected is not None:
        said["rejected"] = problem.rejected
    if problem.turn is not None:
        said["turn"] = problem.turn
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
        log.warning("answered %s: %s", problem.status, _cause(problem))
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="replicator"'
    return answer(said, problem.status, headers)


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    code = (error.name or "error").lower().replace(" ", "-")
    kept = {k: v for k, v in error.get_headers() if k in ("Allow", "Retry-After")}
    if taken := methods_at(request.path) if status == 405 else ():
        kept["Allow"] = ", ".join(allow(taken))
    return answer({"error": code, "detail": error.description or ""}, status, kept)


def _cause(problem: Problem) -> object:
    # Without SQLAlchemy's text of the statement: it may hold thousands of rows.
    cause = problem.__cause__
    return getattr(cause, "orig", None) or cause or problem.detail


def _bug(error: Exception) -> Response:
    origin = getattr(error, "orig", None)
    statement = str(getattr(error, "statement", ""))[:_SHOWN_SQL]
    log.error("a request failed in a way not foreseen %s", statement, exc_info=origin or error)
    return answer({"error": "internal", "detail": "see the central server's log"}, 500)


def _warn_if_open(settings: CentralSettings, database: Database) -> None:
    if settings.authentication == "off" and not is_loopback(settings.host):
        log.warning("authentication is off: whoever reaches %s can write", settings.host)
    elif settings.authentication == "required" and not database.read(any_token):
        log.warning("no station has a token yet: replicator central --create-token STATION")
