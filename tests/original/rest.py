"""The REST interface of the original central server: ``answer(store, request)``.

Faithful to a fault. Every failure is a 500 in text/plain, a path that is no route is 200 with a
page of HTML, a range's end is not part of it, and nothing asks who is calling.
"""

from __future__ import annotations

import json
import re
import sqlite3
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.faults.httpd import Reply, Request
from tests.original.filters import Filter, parse
from tests.original.schema import Table, table_named
from tests.original.store import Json, Store, cells
from tests.original.values import Cell, leading_number, said

_ROUTE = re.compile(r"/rest/([^/]+)/(.*)", re.DOTALL)
_NOT_SERVED = ("sensor",)
_NOT_IN_BULK = ("pushstatus",)
PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Page not found</title></head><body>Oops.</body></html>\n"
)
ILL = b"Internal Server Error\n\nThe server encountered an unexpected internal server error\n"


class Ill(Exception):
    """Something the original did not think of."""


def answer(store: Store, request: Request) -> Reply:
    """Never raises: an exception there is a 500 with a text."""
    route = _ROUTE.fullmatch(unquote(request.path))
    if route is None:
        return Reply(200, PAGE, (("Content-Type", "text/html; charset=UTF-8"),))
    kind, number = route[1], route[2]
    try:
        with store.transaction():
            return _dispatch(store, request, kind, number)
    except (Ill, sqlite3.Error, ValueError, KeyError, AttributeError, TypeError, OverflowError):
        return Reply(500, ILL, (("Content-Type", "text/plain; charset=UTF-8"),))


def _dispatch(store: Store, request: Request, kind: str, number: str) -> Reply:
    special = {"bulk": _bulk, "lastsync": _lastsync, "lastnodesync": _lastnodesync}
    special["counts"] = _counts
    if kind.lower() in special:
        return special[kind.lower()](store, request, number)
    if kind.lower() in _NOT_SERVED:
        raise Ill(f"KeyError: {kind!r}")
    table = table_named(kind)
    if request.method == "GET":
        return _get(store, request, table, number)
    if request.method == "POST":
        return _post(store, request, table, kind)
    if request.method == "PUT":
        return _put(store, request, table, kind, number)
    if request.method == "DELETE":
        return _delete(store, table, number)
    return _json(None)


def _json(body: object, status: int = 200, *headers: tuple[str, str]) -> Reply:
    kind = ("Content-Type", "application/json; charset=UTF-8")
    return Reply(status, json.dumps(body).encode(), (kind, *headers))


def _row(table: Table, row: Mapping[str, Cell]) -> Json:
    shown = {name: said(kind, row[name]) for name, kind in table.kinds.items()}
    return {"__table__": table.name, **shown}


def _by_id(table: Table, number: str) -> Filter:
    if "id" not in table.kinds:
        raise Ill(f"Entity '{table.name}' has no property 'id'")
    return Filter(" WHERE id = ?", (int(leading_number(number)),), "")


def _both(first: Filter, second: Filter) -> Filter:
    where = first.where + second.where.replace(" WHERE ", " AND ", 1 if first.where else 0)
    return Filter(where, first.values + second.values, second.order)


def _get(store: Store, request: Request, table: Table, number: str) -> Reply:
    wanted = _by_id(table, number) if number else Filter("", (), "")
    total = store.count(table, wanted)  # before the filters
    if total == 0:
        return _json([])
    if request.query:
        wanted = _both(wanted, parse(table, request.query))
    first_last = _range(request.headers.get("range"))
    if first_last is None:
        return _json([_row(table, row) for row in store.select(table, wanted)])
    first, last = first_last
    behind = max(0, store.count(table, wanted) - first)
    rows = store.select(table, wanted, last - first, first)
    content_range = ("Content-Range", f"items {first}-{first + behind}/{total}")
    return _json([_row(table, row) for row in rows], 200, content_range)


def _range(header: str | None) -> tuple[int, int] | None:
    """``items=a-b``: rows a to b - 1. What does not parse is no range; a > b is an error."""
    try:
        numbers = [int(part) for part in (header or "").split("=")[-1].split("-")]
    except ValueError:
        return None
    if len(numbers) < 2 or numbers[0] > numbers[1]:
        raise Ill("list index out of range, or a negative LIMIT")
    return numbers[0], numbers[1]


def _body(request: Request) -> Any:
    return json.loads(request.body)


def _first(sent: Any) -> Mapping[str, object]:
    row = sent[0] if isinstance(sent, list) else sent
    if not isinstance(row, dict):
        raise Ill(f"{type(row)} has no attribute 'get'")
    return row


def _post(store: Store, request: Request, table: Table, kind: str) -> Reply:
    sent = _body(request)
    if table.name == "Reading" and isinstance(sent, list):
        raise Ill("'list' object has no attribute 'get'")
    if table.name == "NodeState":
        raise Ill("'NodeState' object has no attribute 'id'")
    row = cells(table, _first(sent))
    number = store.insert(table, row)
    if table.name == "Reading":
        return _json(_row(table, {name: row.get(name) for name in table.kinds}), 201)
    where = _location(request, kind, number)
    return _json(_row(table, store.select(table, _by_id(table, str(number)))[0]), 201, where)


def _location(request: Request, kind: str, number: object) -> tuple[str, str]:
    return ("Location", f"http://{request.headers.get('host', 'localhost')}/rest/{kind}/{number}")


def _put(store: Store, request: Request, table: Table, kind: str, number: str) -> Reply:
    if number:
        wanted = _by_id(table, number)
    elif request.query:
        wanted = parse(table, request.query)
    else:
        raise Ill("nothing to look for")
    found = store.select(table, wanted)
    if len(found) > 1:
        return _json([])
    if not found:
        if not table.generated:
            raise Ill("Column 'id' cannot be null")
        found = [{"id": store.insert(table, dict.fromkeys(table.columns))}]
    row = cells(table, _first(_body(request)))
    if "id" in table.kinds and row["id"] is None:
        raise Ill("can't blank-out primary key column")
    key = {name: found[0][name] for name in table.key}
    store.update(table, key, row)
    now = {**found[0], **row}
    where = _location(request, kind, now.get("id"))
    return _json(_row(table, now), 201, where)


def _delete(store: Store, table: Table, number: str) -> Reply:
    if table.name in ("Reading", "NodeState"):
        return Reply(404, b"null", (("Content-Type", "application/json; charset=UTF-8"),))
    if number and store.delete(table, number):
        return Reply(204)
    return _json(None)


def _bulk(store: Store, request: Request, _number: str) -> Reply:
    try:
        text = zlib.decompress(request.body)
    except zlib.error:
        text = request.body
    sent = json.loads(text)
    batch = []
    for item in sent if isinstance(sent, list) else [sent]:
        row = json.loads(item) if isinstance(item, str) else item
        if row["__table__"].lower() in _NOT_IN_BULK:
            raise Ill(f"KeyError: {row['__table__']!r}")
        table = table_named(row["__table__"])
        batch.append((table, cells(table, row)))
    store.store_all(batch)
    return _json([], 201)


def _lastsync(store: Store, request: Request, _number: str) -> Reply:
    addresses = parse_qs(request.query).get("house", [])
    if not addresses:
        return _json(None)
    house = "SELECT id FROM House WHERE address = ? ORDER BY id LIMIT 1"
    sql = f"""SELECT max(time) AS last FROM Reading WHERE locationId IN
        (SELECT id FROM Location WHERE houseId = ({house}))"""
    return _json(store.execute(sql, (addresses[0],))[0]["last"])


def _node(request: Request, number: str, name: str) -> tuple[int] | None:
    text = number or (parse_qs(request.query).get(name) or [""])[0]
    return (int(leading_number(text)),) if text else None


def _lastnodesync(store: Store, request: Request, number: str) -> Reply:
    node = _node(request, number, "node")
    if node is None:
        return _json(None)
    sql = "SELECT max(time) AS last FROM Reading WHERE nodeId = ?"
    return _json(store.execute(sql, node)[0]["last"])


def _counts(store: Store, request: Request, number: str) -> Reply:
    kinds = parse_qs(request.query).get("typeid", [])
    sql = f"""SELECT substr(time, 1, 10) AS day, count(*) AS n FROM Reading
        WHERE nodeId = ? AND locationId IS NOT NULL {"AND type = ?" if kinds else ""}
        GROUP BY day ORDER BY day"""
    wanted = [number, *kinds[:1]]
    found = store.execute(sql, [int(leading_number(text)) for text in wanted])
    return _json([[row["day"], row["n"]] for row in found])
