"""The REST contract as an OpenAPI document, from the same tables that the server runs on. Pure.

``python -m replicator.cli.reference`` writes it to docs/openapi.yaml.
"""

from __future__ import annotations

from typing import Any

from replicator import __version__
from replicator.central import fence, shapes
from replicator.central.operation import (
    JSON,
    MEANINGS,
    OF_BODIES,
    OF_HOLDERS,
    answer,
    failure,
    header,
    operation,
    server,
)
from replicator.central.packed import CONTENT_TYPE
from replicator.central.routes import DELETE, GET, LISTS, NUMBERED, OPEN, POST, PUT
from replicator.central.schema import BY_PATH, CentralTable
from replicator.central.shapes import reference

Json = dict[str, Any]

_NODE = {
    "name": "number",
    "in": "path",
    "required": True,
    "schema": {"$ref": "#/components/schemas/Id"},
}
_HEADERS = (fence.STATION_HEADER, fence.EPOCH_HEADER, fence.SEQ_HEADER)
_HELD: list[Json] = [{"$ref": f"#/components/parameters/{name}"} for name in _HEADERS]
_CHANGE = (*OF_BODIES, 403, 409)  # what may be wrong with a body and its sender
_SUMMARIES = {
    GET: "The row with this id in a list, or an empty list.",
    PUT: "Give the row with this id exactly these values; it is made where there is none.",
    DELETE: "Delete the row with this id.",
}


def document() -> Json:
    """The whole document."""
    names = [name for name in {**LISTS, **NUMBERED} if name in BY_PATH]
    paths = {**_own(), **{path: item for name in names for path, item in _typed(name).items()}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "replicator central",
            "version": __version__,
            "description": "The REST contract of the central server; docs/rest.md says it in words."
            " A request body may be compressed: one zlib stream, or Zstandard with"
            " Content-Encoding: zstd. Names of types ignore case.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:8080"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "Any name, and the token as password.",
                },
            },
            "parameters": {"Range": _range(), **_holder()},
            "headers": {"Server": header("The server's version.", ".+")},
            "responses": {str(status): failure(status) for status in MEANINGS},
            "schemas": {
                "Id": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
                **shapes.schemas(),
            },
        },
    }


def _typed(name: str) -> dict[str, Json]:
    """The paths of one type."""
    table = BY_PATH[name]
    made = {
        GET: _list(table),
        POST: _create(table),
        PUT: _put(table, [{**_NODE, "name": "id", "in": "query"}]),
    }
    item = {method.lower(): made[method] for method in LISTS[name]}
    paths = {f"/rest/{name}/": item}
    if name in NUMBERED:
        made = {GET: _one(table), PUT: _put(table, [_NODE]), DELETE: _delete()}
        item = {method.lower(): made[method] for method in NUMBERED[name]}
        paths[f"/rest/{name}/{{number}}"] = item
    return paths


def _list(table: CentralTable) -> Json:
    query: Json = {
        "name": "filters",
        "in": "query",
        "style": "form",
        "explode": True,
        "description": "Joined by AND: col=, ge_col=, gt_col=, le_col=, lt_col=; sort(+a,-b).",
        "schema": shapes.filters(table),
    }
    asked: list[Json] = [query, {"$ref": "#/components/parameters/Range"}]
    page = answer(
        "A page of the matching rows.",
        {"type": "array", "items": reference(table.name)},
        {"Content-Range": header("items FIRST-LAST/TOTAL", r"^items \d+-\d+/\d+$")},
    )
    return operation(f"A page of {table.name} rows.", {200: page}, (400,), parameters=asked)


def _create(table: CentralTable) -> Json:
    row = reference(table.name)
    where = {} if table.stream else {"Location": header("Where the row is.", r"/-?\d+$")}
    done = {
        200: answer("It was there already; a reading or node state is overwritten.", row, where),
        201: answer("It is new.", row, where),
    }
    if table.name == "Pushstatus":
        del done[200]
    say = f"Create a {table.name} row, or answer the one with its identity."
    body = _one_row(shapes.made(table))
    return operation(say, done, (*_CHANGE, 422), body=body, parameters=_HELD)


def _one(table: CentralTable) -> Json:
    rows = {"type": "array", "items": reference(table.name), "maxItems": 1}
    done = {200: answer("The row, or nothing.", rows)}
    return operation(_SUMMARIES[GET], done, (404, 405), parameters=[_NODE])


def _put(table: CentralTable, parameters: list[Json]) -> Json:
    done = {201: answer("The row as it is now.", reference(table.name))}
    failing = (*_CHANGE, 404, 405, 422)
    body = _one_row(reference(f"{table.name}Sent"))
    return operation(_SUMMARIES[PUT], done, failing, body=body, parameters=[*parameters, *_HELD])


def _delete() -> Json:
    done = {204: {"description": "It is gone.", "headers": server()}}
    failing = (*OF_HOLDERS, 404, 405, 422)
    return operation(_SUMMARIES[DELETE], done, failing, parameters=[_NODE, *_HELD])


def _own() -> dict[str, Json]:
    """The paths that are not about one type."""
    last = answer("A time, or null.", reference("LastTime"))
    house = {"name": "house", "in": "query", "schema": {"type": "string"}}
    node = {**_NODE, "name": "node", "in": "query", "schema": _number()}
    kind = {"name": "typeid", "in": "query", "schema": _number()}
    stations = answer("Their last heartbeats.", _many("Station"))
    counts = answer("Day and number of readings.", reference("Counts"))
    told = answer("What this server can do.", reference("Capabilities"))
    fine = answer("The database answers.", {"const": {"status": "ok"}})
    found: dict[str, Json] = {
        "/healthz": {"get": operation("Is it well?", {200: fine}, (), token=False)},
        "/rest/{name}": _no_slash(),
        "/rest/capabilities/": {
            "get": operation("Which server is this?", {200: told}, (), token=False)
        },
        "/rest/bulk/": {"post": _bulk()},
        "/rest/digests/": {"post": _digests()},
        "/rest/heartbeat/": {"post": _heartbeat()},
        "/rest/stations/": {"get": operation("All stations, worst first.", {200: stations}, ())},
        "/stations": {"get": _page()},
        "/rest/lastsync/": {
            "get": operation("Newest reading of a house.", {200: last}, (400,), parameters=[house])
        },
        "/rest/lastnodesync/": {
            "get": operation("Newest reading of a node.", {200: last}, (400,), parameters=[node])
        },
        "/rest/lastnodesync/{number}": {
            "get": operation(
                "Newest reading of a node.", {200: last}, (400, 404), parameters=[_NODE]
            )
        },
        "/rest/counts/{number}": {
            "get": operation(
                "Readings per day.", {200: counts}, (400, 404), parameters=[_NODE, kind]
            )
        },
    }
    assert {"capabilities"} == OPEN, "the only one above that needs no token"
    return found


def _bulk() -> Json:
    receipt = {
        "name": "X-Replicator-Receipt",
        "in": "header",
        "description": "1: good rows are stored although others are bad, and these are named.",
        "schema": {"type": "string", "enum": ["1"]},
    }
    columns = {"schema": {"type": "string", "format": "binary"}}
    body = {JSON: {"schema": reference("BulkRows")}, CONTENT_TYPE: columns}
    done = {
        200: answer("With a receipt: the rest is stored.", reference("Receipt")),
        201: answer("Without: all are stored.", {"type": "array", "maxItems": 0}),
    }
    say = "Store or delete many rows of any types."
    return operation(say, done, (*_CHANGE, 422), body=body, parameters=[receipt, *_HELD])


def _digests() -> Json:
    done = {200: answer("Digests by group.", reference("Digests"))}
    body = {JSON: {"schema": reference("DigestsAsked")}}
    return operation("Counts and digests of what is stored.", done, OF_BODIES, body=body)


def _many(name: str) -> Json:
    return {"type": "array", "items": reference(name)}


def _heartbeat() -> Json:
    done = {201: answer("It is kept in place of the last one.", reference("Kept"))}
    body = _one_row(reference("Heartbeat"))
    say = "What a station says of itself."
    return operation(say, done, (*_CHANGE, 422), body=body, parameters=_HELD)


def _page() -> Json:
    page = operation("The page that lists the stations, for browsers.", {}, ())
    text = {"schema": {"type": "string"}}
    page["security"] = [{"token": []}, {"password": []}]
    page["responses"]["200"] = {"description": "HTML.", "content": {"text/html": text}}
    page["responses"]["401"] = {"description": MEANINGS[401], "content": {"text/plain": text}}
    return page


def _no_slash() -> Json:
    name = {"name": "name", "in": "path", "required": True}
    say = "A forgotten slash: never a redirect, which would lose a body."
    parameter = {**name, "schema": {"type": "string", "enum": list(LISTS)}}
    return {
        method.lower(): operation(say, {}, (404,), parameters=[parameter])
        for method in (GET, POST, PUT, DELETE)
    }


def _one_row(row: Json) -> Json:
    lonely = {"type": "array", "items": row, "minItems": 1, "maxItems": 1}
    return {JSON: {"schema": {"anyOf": [row, lonely]}}}


def _range() -> Json:
    return {
        "name": "Range",
        "in": "header",
        "description": "Rows a to b, both included: items=a-b.",
        "schema": {"type": "string", "pattern": r"^items=\d{1,12}-\d{1,12}$"},
    }


def _holder() -> Json:
    """Headers of a change: who delivers a station, where several may take turns."""
    said = {
        fence.STATION_HEADER: (
            "The station that is delivered, percent-encoded UTF-8; with its epoch.",
            {"type": "string", "pattern": "^[A-Za-z0-9._~-]{1,255}$"},
        ),
        fence.EPOCH_HEADER: (
            "The holding. Smaller than one that was seen of this station: 409.",
            {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
        ),
        fence.TURN_HEADER: (
            "The sender, and its turn. Smaller than one that was seen of this sender: 409.",
            {"type": "string", "pattern": "^[0-9a-f]{32}/[0-9]{1,19}$"},
        ),
        fence.SEQ_HEADER: (
            "The outbox's last entry in the request.",
            {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
        ),
    }
    return {
        name: {"name": name, "in": "header", "description": text, "schema": schema}
        for name, (text, schema) in said.items()
    }


def _number() -> Json:
    return {"type": "integer", "minimum": -(10**18) + 1, "maximum": 10**18 - 1}
