"""Who may look and who may act: the rules of every request, before any page.

  * The Host header must be localhost, an address, or a configured name: a page elsewhere that lets
    its own name point here (DNS rebinding) gets nothing.
  * Acting needs the token: as a Bearer header, or by the session cookie of /login, which is
    bound to the site (SameSite=Strict), together with the form's own proof.
  * Reading needs it, too, unless the page listens on a loopback address and has no other name.

There is no state: cookie and proof are signed with the token, so a new token ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from replicator.web.settings import WebSettings

COOKIE = "replicator_session"
SESSION_SECONDS = 12 * 3600
_FREE = ("static", "login", "log_in")
_MACHINES = ("healthz", "metrics", "series")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """The rules for one page."""

    def __init__(self, settings: WebSettings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._key = settings.token.encode()
        self._clock = clock

    def attach(self, app: Flask) -> None:
        """Let every request of an application go through here."""
        app.before_request(self._admit)
        app.after_request(_harden)

    @property
    def can_act(self) -> bool:
        """Whether there is a token at all."""
        return bool(self._key)

    def is_token(self, said: str) -> bool:
        """Whether that is the token; takes as long for a wrong one."""
        return self.can_act and hmac.compare_digest(said.encode(), self._key)

    def new_session(self) -> str:
        """A cookie's value."""
        expires = str(int(self._clock()) + SESSION_SECONDS)
        return f"{expires}.{self._sign('session', expires)}"

    def known(self) -> bool:
        """Whether the request at hand shows the token, or a session that began with it."""
        return self._bears_token() or self._session() is not None

    def proof(self) -> str:
        """What a form of this session carries; "" without a session."""
        session = self._session()
        return self._sign("form", session) if session else ""

    def _admit(self) -> AnyResponse | None:
        if not is_our_host(request.host, self._settings.hosts):
            return _plain(f"this page is not {request.host}: [web] hosts names its names\n", 421)
        if request.endpoint == "static":
            return None
        if request.method not in ("GET", "HEAD") and not self._from_here():
            return _plain("this form comes from elsewhere\n", 403)
        if request.endpoint in _FREE:
            return None
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            return None if self._may_act() else self._ask()
        return None if self._settings.open_reading or self.known() else self._ask()

    def _ask(self) -> AnyResponse:
        if not self.can_act:
            return _plain("acting needs a token, and [web] has none: set token_file\n", 403)
        if request.endpoint in _MACHINES or request.method not in ("GET", "HEAD"):
            refused = _plain("this needs the token of [web]\n", 401)
            refused.headers["WWW-Authenticate"] = 'Bearer realm="replicator"'
            return refused
        return redirect(url_for("login"), 303)

    def _may_act(self) -> bool:
        if self._bears_token():
            return True
        proof = self.proof()
        said = request.form.get("proof", "")
        return bool(proof) and hmac.compare_digest(said.encode(), proof.encode())

    def _bears_token(self) -> bool:
        scheme, _, said = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.is_token(said.strip())

    def _session(self) -> str | None:
        value = request.cookies.get(COOKIE, "")
        expires, _, signature = value.partition(".")
        wanted = self._sign("session", expires)
        if not self.can_act or not hmac.compare_digest(signature.encode(), wanted.encode()):
            return None
        return value if int(expires) > self._clock() else None

    def _from_here(self) -> bool:
        origin = request.headers.get("Origin")
        return origin is None or urlsplit(origin).netloc == request.host

    def _sign(self, use: str, text: str) -> str:
        return hmac.new(self._key, f"{use}:{text}".encode(), hashlib.sha256).hexdigest()


def is_our_host(host: str, names: Sequence[str]) -> bool:
    """Whether a Host header is an address, localhost or one of our names; the port is free."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name in names:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _plain(text: str, status: int) -> Response:
    return Response(text, status, mimetype="text/plain")


def _harden(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint == "static":
        response.headers["Cache-Control"] = "no-cache"
    return response
