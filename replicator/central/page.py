"""The page that lists the stations: one table, worst first, for people with a browser."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timezone

from flask import Blueprint, Response, current_app, render_template_string, request

from replicator.central.auth import authenticate
from replicator.central.problems import Problem
from replicator.central.settings import CentralSettings
from replicator.central.stations import listed
from replicator.central.store import Database

page = Blueprint("page", __name__)

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Stations</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="60">
<style>
:root { color-scheme: light dark; --line: #8885; --silent: #c62828; --critical: #c62828;
  --warning: #b26a00; --never: #777; --fine: #2e7d32 }
@media (prefers-color-scheme: dark) { :root { --silent: #ff8a80; --critical: #ff8a80;
  --warning: #ffcc80; --fine: #a5d6a7; --never: #aaa } }
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .35rem .7rem; border-bottom: 1px solid var(--line) }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto } b.silent { color: var(--silent) } b.critical { color: var(--critical) }
b.warning { color: var(--warning) } b.never { color: var(--never) } b.fine { color: var(--fine) }
</style></head><body>
<h1>Stations</h1>
<p>{{ stations|length }} stations at {{ at }}; worst first.</p>
<div class="wide"><table><thead><tr><th>station</th><th>state</th><th>last seen</th>
<th class="n">waiting</th><th class="n">lag</th><th class="n">parked</th><th class="n">gaps</th>
<th>last commit</th><th class="n">disk left</th><th>version</th></tr></thead><tbody>
{% for each in stations %}<tr><td>{{ each.station }}</td>
<td><b class="{{ each.state }}">{{ each.state }}</b>{% if each.why %}: {{ each.why|join(", ") }}{% endif %}</td>
<td>{{ each.last_seen or "never" }}{% if each.seconds_ago is not none %} ({{ age(each.seconds_ago) }} ago){% endif %}</td>
<td class="n">{{ number(each.said.waiting_rows) }}</td>
<td class="n">{{ age(each.said.lag_seconds) if each.said.waiting_rows else "–" }}</td>
<td class="n">{{ number(each.said.parked_rows) }}</td><td class="n">{{ number(each.said.open_gaps) }}</td>
<td>{{ each.said.last_commit or "–" }}</td><td class="n">{{ size(each.said.disk_free) }}</td>
<td>{{ each.said.version or "–" }}</td></tr>
{% else %}<tr><td colspan="10">no station has a token, and none was heard of</td></tr>{% endfor %}
</tbody></table></div></body></html>
"""  # noqa: E501  # a cell a line


@page.get("/stations")
def stations() -> Response:
    """The page. A browser asks for the token: any name, and the token as password."""
    database: Database = current_app.extensions["replicator"]
    settings: CentralSettings = current_app.config["REPLICATOR"]
    try:
        authenticate(database, settings, _as_bearer(request.headers.get("Authorization", "")))
    except Problem as problem:
        if problem.status != 401:
            raise
        text = "A station's token is needed: any name, and the token as password.\n"
        challenge = {"WWW-Authenticate": 'Basic realm="replicator", charset="UTF-8"'}
        return Response(text, 401, challenge, mimetype="text/plain")
    at = datetime.now(timezone.utc)
    found = database.read(lambda connection: listed(connection, at))
    body = render_template_string(
        _PAGE, stations=found, at=f"{at:%Y-%m-%d %H:%M:%S} UTC", age=age, number=number, size=size
    )
    headers = {
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return Response(body, 200, headers, mimetype="text/html")


def _as_bearer(header: str) -> str:
    """A Basic header's password as a bearer token; any other header as it is."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "basic":
        return header
    try:
        pair = base64.b64decode(rest, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):  # no credentials then
        return ""
    return f"Bearer {pair.partition(':')[2]}"


def age(seconds: object) -> str:
    """ "50 s", "12 min", "3 h", "2 d"."""
    if not isinstance(seconds, int):
        return "–"
    for limit, unit, name in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds // unit} {name}"
    return f"{seconds // 86_400} d"


def number(value: object) -> str:
    """With thousands apart."""
    return f"{value:,}" if isinstance(value, int) else "–"


def size(value: object) -> str:
    """ "1.5 GiB"."""
    if not isinstance(value, int):
        return "–"
    return f"{value / (1 << 30):.1f} GiB" if value >= 1 << 30 else f"{value >> 20} MiB"
