"""Digests of what is stored: one request reads a bounded stretch, and says where to go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from replicator.audit.digest import LEVELS, Digester, Key, Places, Tally
from replicator.central.listing import cells
from replicator.central.problems import Problem
from replicator.central.schema import TABLES, CentralTable
from replicator.central.settings import DIGEST_GROUPS, DIGEST_PAGE, DIGEST_ROWS
from replicator.central.validate import parse_time
from replicator.change import Row
from replicator.model import STREAM_TABLES
from replicator.model import TABLES as MODEL

_MOST_IDS = 10_000
_MOST_TYPES = 500
_KEYS = frozenset({"table", "level", "from", "to", "nodes", "types", "places", "after"})


@dataclass(frozen=True, slots=True)
class Asked:
    """Rows of ``table`` of these nodes, ``since`` ≤ time < ``until``; ``after``: the last row seen.

    ``types``   of readings; None: all. ``places``  lists of location ids, None in one: no location.
    """

    table: CentralTable
    level: str
    nodes: Sequence[int]
    since: str | None
    until: str | None
    types: Sequence[int] | None
    places: Places | None
    after: tuple[int, str, int] | None


@dataclass(frozen=True, slots=True)
class Digests:
    """``after``: where the next request goes on; None: that was all."""

    groups: Mapping[Key, Tally]
    after: tuple[int, str, int] | None


def parse(body: object) -> Asked:
    """What is asked for. Raises Problem 400."""
    if not isinstance(body, dict) or not set(body) <= _KEYS:
        raise _bad(f"an object with some of {', '.join(sorted(_KEYS))}")
    if body.get("table") not in STREAM_TABLES or body.get("level") not in LEVELS:
        raise _bad(f"table: {' or '.join(STREAM_TABLES)}; level: {', '.join(LEVELS)}")
    types, places = body.get("types"), body.get("places")
    if places is not None and (not isinstance(places, list) or len(places) > _MOST_IDS):
        raise _bad(f"places: a list of at most {_MOST_IDS} lists of location ids")
    return Asked(
        TABLES[body["table"]],
        body["level"],
        sorted(set(_ids("nodes", body.get("nodes")))),
        _time("from", body.get("from")),
        _time("to", body.get("to")),
        None if types is None else _ids("types", types, most=_MOST_TYPES),
        None if places is None else [_ids("places", place, None) for place in places],
        _after(body.get("after")),
    )


def _ids(name: str, sent: object, *others: object, most: int = _MOST_IDS) -> list[Any]:
    if not isinstance(sent, list) or len(sent) > most:
        raise _bad(f"{name}: a list of at most {most} ids")
    if not all(_is_id(item) or item in others for item in sent):
        raise _bad(f"{name}: ids are whole numbers of 32 bits")
    return sent


def _is_id(item: object) -> bool:
    return type(item) is int and -(2**31) <= item < 2**31


def _time(name: str, sent: object) -> str | None:
    found = None if sent is None else parse_time(sent)
    if sent is not None and found is None:
        raise _bad(f"{name}: YYYY-MM-DDTHH:MM:SS")
    return found


def _after(sent: object) -> tuple[int, str, int] | None:
    if sent is None:
        return None
    match sent:
        case [int(node), str(time), int(last)] if _is_id(node) and _is_id(last):
            moment = parse_time(time)
            if moment is not None:
                return node, moment, last
    raise _bad("after: what the last answer gave")


def _bad(detail: str) -> Problem:
    return Problem(400, "bad-filter", detail)


def read_digests(connection: Connection, asked: Asked) -> Digests:
    """Read a page at a time in the order of the primary key, up to the bounds of one request."""
    digester = Digester(asked.table.name, asked.level, asked.places)
    read = 0
    for page in _pages(connection, asked):
        digester.add(page)
        read += len(page)
        if read >= DIGEST_ROWS or len(digester) >= DIGEST_GROUPS:
            return Digests(digester.tallies(), _place(asked.table, page[-1]))
    return Digests(digester.tallies(), None)


def _place(table: CentralTable, row: Row) -> tuple[int, str, int]:
    """The primary key of a row of the model's columns: node, time, type or sequence number."""
    columns = MODEL[table.name].columns
    node, time, last = (row[columns.index(name)] for name in table.primary_key)
    return cast("tuple[int, str, int]", (node, time, last))


def _pages(connection: Connection, asked: Asked) -> Iterator[list[Row]]:
    for node in asked.nodes:
        place: tuple[str, int] | None = None
        if asked.after is not None:
            if node < asked.after[0]:
                continue
            place = asked.after[1:] if node == asked.after[0] else None
        while True:
            found = connection.execute(_select(connection, asked, node, place))
            page: list[Row] = [tuple(row) for row in found]
            if page:
                yield page
            if len(page) < DIGEST_PAGE:
                break
            place = _place(asked.table, page[-1])[1:]


def _select(
    connection: Connection, asked: Asked, node: int, place: tuple[str, int] | None
) -> sa.Select[Any]:
    table = asked.table
    time, last = table.sql.c.time, table.sql.c[table.primary_key[2]]
    where = [table.sql.c.nodeId == node]
    since = place[0] if place is not None else asked.since
    if since is not None:
        where.append(time >= since)
    if asked.until is not None:
        where.append(time < asked.until)
    if place is not None:
        where.append(sa.or_(time > place[0], last > place[1]))
    if asked.types is not None and table.name == "Reading":
        where.append(table.sql.c.type.in_(asked.types))
    columns = cells(connection, table, MODEL[table.name].columns)
    return sa.select(*columns).where(*where).order_by(time, last).limit(DIGEST_PAGE)
