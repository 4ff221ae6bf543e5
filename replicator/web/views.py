"""The pages: each reads what it shows, and acts only on a POST that the guard let through."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Response, abort, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from replicator.backlog.alarms import worst
from replicator.model import REFERENCE_TABLES
from replicator.outbox.parking import Wanted
from replicator.repair.advice import advice
from replicator.web import acts, reads
from replicator.web.guard import COOKIE, SESSION_SECONDS, Guard
from replicator.web.series import SPANS
from replicator.web.settings import PAGE_ROWS, WebSettings

_KINDS = ("blocked", "rejected", "superseded")
_STUCK = ("blocked", "rejected")
_DONE = ("again", "lanes", "superseded")
_MOST_WHY = 200


@dataclass(frozen=True, slots=True)
class Pages:
    """The handlers of one page's addresses."""

    settings: WebSettings
    guard: Guard
    certifying: threading.Lock

    def overview(self) -> str:
        """Alarms, capture, each destination with its plots."""
        found, alarms = reads.look(self.settings, "quick")
        span = request.args.get("span", "day")
        span = span if span in SPANS else "day"
        return self._page(
            "overview.html", found=found, alarms=alarms, level=worst(alarms), span=span
        )

    def series(self, name: str) -> Response:
        """The columns of one destination's plots, as JSON."""
        span = request.args.get("span", "day")
        if span not in SPANS:
            abort(404)
        return jsonify(reads.history(self.settings, self._known(name), span))

    def parked(self, name: str) -> str:
        """A page of parked rows of a destination."""
        wanted = self._wanted()
        rows, more = reads.parked_page(self.settings, self._known(name), wanted)
        helped = [(row, advice(row.reason, row.table)) for row in rows]
        found, _ = reads.look(self.settings)
        waiting = next(each for each in found.destinations if each.name == name)
        return self._page(
            "parked.html",
            name=name,
            rows=helped,
            waiting=waiting,
            wanted=wanted,
            kind=wanted.kinds[0] if len(wanted.kinds) == 1 else "",
            kinds=_KINDS,
            done={key: request.args.get(key, type=int) for key in _DONE},
            after=f"{rows[-1].seq}/{rows[-1].row_index}" if more else None,
        )

    def requeue(self, name: str) -> AnyResponse:
        """Send parked rows again: one, those of a reason, or all that are stuck."""
        row, reason = request.form.get("row"), request.form.get("reason") or None
        wanted = Wanted(reason=reason, kinds=_KINDS, row=_place(row) if row else None)
        done = acts.requeue(self.settings, self._known(name), wanted, self._who())
        again, lanes, superseded = done.again, done.lanes_tried, done.superseded
        back = url_for("parked", name=name, again=again, lanes=lanes, superseded=superseded)
        return redirect(back, 303)

    def pause(self, name: str) -> AnyResponse:
        """Send nothing there until resumed."""
        why = request.form.get("why", "").strip()[:_MOST_WHY]
        acts.pause(self.settings, self._known(name), self._who(), why)
        return redirect(url_for("overview"), 303)

    def resume(self, name: str) -> AnyResponse:
        """End the pause."""
        acts.resume(self.settings, self._known(name), self._who())
        return redirect(url_for("overview"), 303)

    def gaps(self) -> str:
        """Lost stretches of the source's log, newest first, a page at a time."""
        found, _ = reads.look(self.settings)
        first = max(0, request.args.get("first", 0, type=int))
        newest = list(reversed(found.gaps))
        more = first + PAGE_ROWS if len(newest) > first + PAGE_ROWS else None
        return self._page("gaps.html", gaps=newest[first : first + PAGE_ROWS], more=more)

    def mappings(self, name: str) -> str:
        """A page of mappings of a destination."""
        table = request.args.get("table") or None
        if table is not None and table not in REFERENCE_TABLES:
            abort(404)
        begin, _, number = request.args.get("after", "").rpartition(":")
        after = (begin, int(number)) if begin and number.lstrip("-").isdigit() else ("", 0)
        rows, more = reads.mappings(self.settings, self._known(name), table, after)
        last = f"{rows[-1].table}:{rows[-1].local_id}" if more else None
        tables = REFERENCE_TABLES
        return self._page(
            "mappings.html", name=name, rows=rows, table=table, tables=tables, after=last
        )

    def certificate(self) -> str:
        """The form for a certificate."""
        return self._page("certificate.html", houses=reads.houses(self.settings))

    def certify(self) -> AnyResponse:
        """Compare a house's month, and download the signed statement; one at a time."""
        house, month = request.form.get("house", "").strip(), request.form.get("month", "").strip()
        name = self._known(request.form.get("destination", ""))
        if not self.certifying.acquire(blocking=False):
            abort(503, "another certificate is being made: try again when it is done")
        try:
            made = self.settings.certify(name, house, month)
        finally:
            self.certifying.release()
        response = Response(made.content, mimetype="application/json")
        response.headers.set("Content-Disposition", "attachment", filename=made.name)
        return response

    def login(self) -> str:
        """The form for the token."""
        return self._page("login.html", wrong=False)

    def log_in(self) -> AnyResponse | tuple[str, int]:
        """Begin a session."""
        if not self.guard.is_token(request.form.get("token", "").strip()):
            return self._page("login.html", wrong=True), 403
        response = redirect(url_for("overview"), 303)
        response.set_cookie(
            COOKIE,
            self.guard.new_session(),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
        )
        return response

    def log_out(self) -> AnyResponse:
        """End the session in this browser."""
        response = redirect(url_for("overview"), 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="Strict")
        return response

    def _page(self, template: str, **said: object) -> str:
        shared: Mapping[str, object] = {
            "settings": self.settings,
            "names": [name for name, _ in self.settings.destinations],
            "can_act": self.guard.can_act,
            "proof": self.guard.proof(),
        }
        return render_template(template, **shared, **said)

    def _known(self, name: str) -> str:
        if name not in dict(self.settings.destinations):
            abort(404, "there is no such destination")
        return name

    def _wanted(self) -> Wanted:
        kind, after = request.args.get("kind"), request.args.get("after")
        return Wanted(
            reason=request.args.get("reason") or None,
            kinds=(kind,) if kind in _KINDS else _STUCK,
            after=_place(after) if after else None,
        )

    @staticmethod
    def _who() -> str:
        return f"the page, from {request.remote_addr}"


def _place(written: str) -> tuple[int, int]:
    seq, _, index = written.partition("/")
    if not (seq.isdecimal() and index.isdecimal() and len(written) < 40):
        abort(404, "a row is ENTRY/PLACE, such as 4711/3")
    return int(seq), int(index)
