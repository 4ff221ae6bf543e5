"""The REST contract as a Flask blueprint (docs/rest.md). Every answer is JSON."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import TypeVar

import orjson
from flask import Blueprint, Response, current_app, g, request
from werkzeug.exceptions import MethodNotAllowed, NotFound

from replicator import __version__
from replicator.central import bulk, digests, fence, listing, marks, resources, stations, summaries
from replicator.central.auth import authenticate
from replicator.central.body import decode, too_large, unwrapped
from replicator.central.filters import parse_query
from replicator.central.packed import CONTENT_TYPE, unpack
from replicator.central.problems import Problem
from replicator.central.routes import OPEN, allow, methods_at
from replicator.central.schema import BY_PATH, CentralTable
from replicator.central.settings import DEFAULT_PAGE, MAX_PAGE, MAX_ROWS, CentralSettings
from replicator.central.store import Database
from replicator.central.tokens import Caller
from replicator.sink.codec import ZSTD, zstandard

FEATURES = (
    "receipts",
    "delete",
    "sensor-get",
    "nodestate-post",
    "idempotent-create",
    "null-filter",
    "digests",
    "columns",
    "heartbeats",
    "holders",
    "turns",
)
RECEIPT_HEADER = "X-Replicator-Receipt"
SIGNATURE_HEADER = "X-Replicator-Central"  # a client tells this server from the original by it
_CHANGING = frozenset({"POST", "PUT", "DELETE"})
_UNCHANGING = frozenset({"digests"})
_ID = "int(signed=True, max=2147483647):number"  # the rule's grammar has no negative bound

T = TypeVar("T")

log = logging.getLogger(__name__)
rest = Blueprint("rest", __name__, url_prefix="/rest")


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    body = orjson.dumps(value)
    named = {SIGNATURE_HEADER: __version__, **(headers or {})}
    return Response(body, status, named, content_type="application/json")


def _database() -> Database:
    """What the request reads, and writes under its holder's fence where it names one."""
    found: Database = g.get("database") or current_app.extensions["replicator"]
    return found


def _settings() -> CentralSettings:
    found: CentralSettings = current_app.config["REPLICATOR"]
    return found


def _sent(of: Callable[[bytes, str, int, int], T]) -> T:
    """The request's body as ``decode`` or ``unwrapped`` gives it."""
    limit = _settings().max_body
    if request.content_length is not None and request.content_length > limit:
        raise too_large(f"the body has {request.content_length} bytes, at most {limit}")
    raw = request.stream.read(limit + 1)
    return of(raw, request.headers.get("Content-Encoding", ""), limit, _settings().max_inflated)


def _one_row() -> dict[str, object]:
    body = _sent(decode)
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if not isinstance(body, dict):
        raise Problem(400, "bad-body", "one row: a JSON object, or a list of one")
    return body


def _table(name: str) -> CentralTable:
    table = BY_PATH.get(name.lower())
    if table is None:
        raise Problem(404, "unknown-type", f"there is no type {name[:60]!r}")
    return table


def _numbered(name: str) -> CentralTable:
    table = _table(name)
    if table.stream:
        raise Problem(404, "no-id", f"{table.name} rows have no id; use filters, or bulk/")
    return table


@rest.before_request
def _who() -> Response | None:
    asked = request.view_args or {}
    name = asked.get("name", "").lower()
    open_to_all = request.endpoint == "rest.get_list" and name in OPEN
    header = request.headers.get("Authorization")
    g.caller = Caller("") if open_to_all else authenticate(_database(), _settings(), header)
    g.station = g.caller.name
    if request.method in _CHANGING and name not in _UNCHANGING:
        _fence()
    if asked.get("number", 0) < -(2**31):
        raise NotFound
    if request.endpoint == "rest.no_slash":
        return None
    return _method(methods_at(request.path))


def _fence() -> None:
    said = fence.said(dict(request.headers))
    if said.holder is not None:
        fence.check_speaker(g.caller, said.holder)
        g.station = said.holder.station
        g.caller = Caller(g.station)
    claims = fence.claims(said)
    if claims:
        known: marks.Marks = current_app.extensions["replicator-marks"]
        known.reach(_database(), claims)
        g.database = _database().guarded(marks.guard(claims))


def _method(taken: tuple[str, ...]) -> Response | None:
    """The rules are for all names, of which each takes only some methods."""
    if not taken or request.method in taken or request.method == "HEAD":
        return None
    if request.method == "OPTIONS":
        return Response(status=204, headers={"Allow": ", ".join(allow(taken))})
    raise MethodNotAllowed(allow(taken))


def _capabilities() -> Response:
    """What this server can do; open to all, so that a client finds out whom it talks to."""
    limits = {
        "max_body": _settings().max_body,
        "max_inflated": _settings().max_inflated,
        "max_rows": MAX_ROWS,
        "default_page": DEFAULT_PAGE,
        "max_page": MAX_PAGE,
    }
    features = [*FEATURES, *([ZSTD] if zstandard() else [])]
    server = "replicator-central"
    return answer(
        {"server": server, "version": __version__, "features": features, "limits": limits}
    )


def _post_bulk() -> Response:
    """Many rows of any tables."""
    wants_receipt = request.headers.get(RECEIPT_HEADER) == "1"
    if request.mimetype == CONTENT_TYPE:
        if not wants_receipt:
            raise Problem(400, "bad-columns", f"columns come with {RECEIPT_HEADER}: 1")
        packed = unpack(_sent(unwrapped))
        return _receipt(bulk.store_packed(_database(), packed, g.station))
    body = _sent(decode)
    if not isinstance(body, list):
        raise Problem(400, "bad-body", "bulk/ takes a JSON list of rows")
    if len(body) > MAX_ROWS:
        raise too_large(f"{len(body)} rows, at most {MAX_ROWS}")
    if not wants_receipt:
        bulk.store(_database(), body, g.station, plain=True)
        return answer([], 201)
    return _receipt(bulk.store(_database(), body, g.station, plain=False))


def _receipt(receipt: bulk.Receipt) -> Response:
    if receipt.rejected:
        log.info(
            "%s: %d of %d rows rejected, the first: %s",
            g.station or "a station",
            len(receipt.rejected),
            receipt.stored + len(receipt.rejected),
            receipt.rejected[min(receipt.rejected)],
        )
    rejected = [
        {"index": index, "reason": refusal.reason, "detail": refusal.detail}
        for index, refusal in sorted(receipt.rejected.items())
    ]
    return answer({"receipt": receipt.id, "stored": receipt.stored, "rejected": rejected})


def _post_digests() -> Response:
    """Counts and digests of readings or node states, by group; changes nothing."""
    asked = digests.parse(_sent(decode))
    found = _database().read(lambda c: digests.read_digests(c, asked))
    groups = [[*key, tally.count, tally.to_text()] for key, tally in found.groups.items()]
    return answer({"groups": groups, "after": found.after})


def _post_heartbeat() -> Response:
    """What a station says of itself, kept in place of its last heartbeat."""
    station = stations.keep(_database(), g.caller.station, _one_row())
    return answer({"station": station}, 201)


def _stations() -> Response:
    """All stations, worst first."""
    at = datetime.now(timezone.utc)
    found = _database().read(lambda c: stations.listed(c, at))
    return answer([stations.as_json(each) for each in found])


def _last_sync() -> Response:
    """Time of the newest reading of the houses with this address, or null."""
    _refuse_parameters_but("house")
    house = request.args.get("house")
    return answer(_database().read(lambda c: summaries.last_reading(c, house)))


def _last_node_sync() -> Response:
    """``?node=69``: time of the newest reading of that node, or null."""
    return _last_of_node(_number(request.args.get("node", "")))


def _last_of_node(node: int) -> Response:
    _refuse_parameters_but("node")
    return answer(_database().read(lambda c: summaries.last_of_node(c, node)))


def _counts(node: int) -> Response:
    """Readings of a node per day, of one type where ``?typeid=`` says so."""
    _refuse_parameters_but("typeid")
    kind = request.args.get("typeid")
    wanted = None if kind is None else _number(kind)
    return answer(_database().read(lambda c: summaries.readings_per_day(c, node, wanted)))


def _refuse_parameters_but(known: str) -> None:
    unknown = [name for name in request.args if name != known]
    if unknown:
        raise Problem(400, "bad-filter", f"there is no parameter {unknown[0][:60]!r}, only {known}")


def _number(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise Problem(400, "bad-filter", f"{text[:60]!r} is not a number")
    return int(text)


_NOT_TABLES: Mapping[str, Callable[[], Response]] = MappingProxyType(
    {
        "capabilities": _capabilities,
        "lastsync": _last_sync,
        "lastnodesync": _last_node_sync,
        "stations": _stations,
    }
)


_POSTED: Mapping[str, Callable[[], Response]] = MappingProxyType(
    {"bulk": _post_bulk, "digests": _post_digests, "heartbeat": _post_heartbeat}
)


_PER_NODE: Mapping[str, Callable[[int], Response]] = MappingProxyType(
    {"counts": _counts, "lastnodesync": _last_of_node}
)


@rest.get("/<name>/")
def get_list(name: str) -> Response:
    """A page of the matching rows; or one of the few answers that are not about one table."""
    other = _NOT_TABLES.get(name.lower())
    if other is not None:
        return other()
    table = _table(name)
    query = parse_query(table.kinds, request.query_string.decode("utf-8", "replace"))
    offset, limit = listing.parse_range(request.headers.get("Range"))
    page = _database().read(lambda c: listing.read_page(c, table, query, offset, limit))
    return answer(page.rows, headers={"Content-Range": page.content_range})


@rest.get(f"/<name>/<{_ID}>")
def get_one(name: str, number: int) -> Response:
    """A list of the row with this id, or an empty list; or what is asked about one node."""
    per_node = _PER_NODE.get(name.lower())
    if per_node is not None:
        return per_node(number)
    table = _numbered(name)
    found = _database().read(lambda c: listing.read_row(c, table, {"id": number}))
    return answer([] if found is None else [found])


@rest.post("/<name>/")
def post_one(name: str) -> Response:
    """Create a row, or answer the one with its natural key; bulk/ takes many."""
    other = _POSTED.get(name.lower())
    if other is not None:
        return other()
    table = _table(name)
    make = resources.log_push if table.name == "Pushstatus" else resources.create
    stored = make(_database(), table, _one_row())
    headers = {}
    if not table.stream:
        headers["Location"] = f"{request.path}{stored.row['id']}"
    return answer(stored.row, 201 if stored.created else 200, headers)


@rest.put(f"/<name>/<{_ID}>")
def put_one(name: str, number: int) -> Response:
    """Give the row with this id exactly these values."""
    stored = resources.replace(_database(), _numbered(name), number, _one_row())
    return answer(stored.row, 201)


@rest.put("/<name>/")
def put_by_query(name: str) -> Response:
    """``PUT type/?id=7``."""
    _table(name)
    if list(request.args) != ["id"]:
        raise Problem(400, "bad-filter", f"PUT {name.lower()[:60]}/7 or ?id=7")
    return put_one(name, _number(request.args["id"]))


@rest.delete(f"/<name>/<{_ID}>")
def delete_one(name: str, number: int) -> Response:
    """Delete the row with this id."""
    table = _numbered(name)
    if not resources.remove(_database(), table, number):
        raise Problem(404, "no-such-row", f"there is no {table.name} {number}")
    return Response(status=204, headers={SIGNATURE_HEADER: __version__})


@rest.route("/<name>", methods=["GET", "POST", "PUT", "DELETE"])
def no_slash(name: str) -> Response:
    """A redirect would lose the body of a POST, so a forgotten slash is an error."""
    raise Problem(404, "no-slash", f"use {name[:60]}/ with the trailing slash")
