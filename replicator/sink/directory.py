"""The reference rows of a central server: found, created, updated, one request at a time.

The rules this file keeps:
  * a filter only narrows what is fetched; whether a row is the one is compared here, field by
    field, over all pages. Filters use numbers alone: the original cuts texts at "_" and "*";
  * a refused write is blamed on the row only after the server has shown that it is well, and has
    refused it twice: the original says 500 for a moment's trouble as for a bad row;
  * of rows that are there twice the one with the lowest id counts, for every station alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from replicator.change import Value
from replicator.model import Table
from replicator.sink.judge import Bad, Failure, TooLarge, Wait, row_of, rows_of
from replicator.sink.link import Link

_PAGE_ROWS = 500
_LOWEST = "-3.5e38"  # below every number that a column can hold
_CONTENT_RANGE = re.compile(r"items 0-(?P<last>[0-9]+)/(?P<total>[0-9]+)", re.ASCII)
_JSON = {"Content-Type": "application/json"}

RemoteRow = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """The server is well and does not take this row. ``words``: its own."""

    words: str


class Directory:
    """Raises DestinationUnavailable and DestinationRefused from every method."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def get(self, model: Table, remote_id: int) -> RemoteRow | None:
        """The row with an id."""
        rows = self._rows(model, _one(remote_id), 0)
        return next((row for row in rows if row.get("id") == remote_id), None)

    def find(self, model: Table, key: Mapping[str, Value]) -> RemoteRow | None:
        """The row with a natural key, in the destination's ids."""
        return min(self.matches(model, key), key=lambda row: row.get("id", 0), default=None)

    def matches(self, model: Table, key: Mapping[str, Value]) -> Iterator[RemoteRow]:
        """Every row with a natural key: there may be several on the original."""
        columns = [c for c in model.references if isinstance(key.get(c), int)]
        return (row for row in self._pages(model, key, columns) if matches_key(row, key))

    def with_value(
        self, model: Table, node: int, times: tuple[str, str], column: str
    ) -> Iterator[RemoteRow]:
        """A node's stream rows in a stretch of time, both ends included, with a number in a column.

        A filter of the server does it: it may give more rows.
        """
        stretch = f"time=ge_{times[0]}&time=le_{times[1]}"
        yield from self._all(model, f"?nodeId={node}&{stretch}&{column}=ge_{_LOWEST}")

    def first(self, model: Table) -> RemoteRow | None:
        """Any row of a table, the same one every time; None where it is empty."""
        rows = self._rows(model, "?sort(%2Bid)=", 0, 1)
        return rows[0] if rows else None

    def referring(self, model: Table, column: str, remote_id: int) -> int | None:
        """How many rows have this id in a column; None where the server does not say."""
        where = f"{_path(model)}/?{column}={remote_id}"
        reply = self._link.rest.call("GET", where, headers={"Range": "items=0-1"})
        rows = rows_of(reply, model.name)
        if not isinstance(rows, list):
            raise self._link.error(rows)
        numbers = _CONTENT_RANGE.fullmatch(reply.headers.get("content-range", ""))
        if numbers is None:
            return 0 if not rows else None
        return int(numbers["total" if self._link.dialect.receipts else "last"])

    def create(self, model: Table, body: Mapping[str, Value]) -> tuple[RemoteRow, bool] | Refused:
        """A new row, and whether it is new: a server that finds by key may have had it."""
        reply = self._link.rest.call("POST", f"{_path(model)}/", _encoded(body), _JSON)
        row = row_of(reply, model.name)
        if isinstance(row, Mapping):
            return row, reply.status == 201
        return self._refused(row)

    def update(self, model: Table, remote_id: int, body: Mapping[str, Value]) -> Refused | None:
        """Make a row like this; the body must be complete. Refused: twice."""
        first = self._put(model, remote_id, body)
        return None if first is None else self._put(model, remote_id, body)

    def _put(self, model: Table, remote_id: int, body: Mapping[str, Value]) -> Refused | None:
        where = f"{_path(model)}/{_one(remote_id)}"
        row = row_of(self._link.rest.call("PUT", where, _encoded(body), _JSON), model.name)
        if not isinstance(row, Mapping):
            return self._refused(row)
        if row["id"] != remote_id:
            raise self._link.error(Wait(f"the central server answered with row {row['id']}"))
        return None

    def _refused(self, failed: Failure) -> Refused:
        if isinstance(failed, Bad | TooLarge):
            self._link.ensure_well()
            return Refused(failed.words if isinstance(failed, Bad) else "413: too large")
        raise self._link.error(failed)

    def _pages(
        self, model: Table, key: Mapping[str, Value], columns: Sequence[str]
    ) -> Iterator[RemoteRow]:
        order = "" if model.stream else "&sort(%2Bid)="
        filters = "&".join(f"{column}={key[column]}" for column in columns)
        if "time" in model.natural_key:
            filters += f"&time={key['time']}"
        yield from self._all(model, f"?{filters}{order}".replace("?&", "?"))

    def _all(self, model: Table, rest: str) -> Iterator[RemoteRow]:
        first = 0
        while True:
            page = self._rows(model, rest, first)
            yield from page
            if len(page) < _PAGE_ROWS:
                return
            first += len(page)

    def _rows(
        self, model: Table, rest: str, first: int, count: int = _PAGE_ROWS
    ) -> Sequence[RemoteRow]:
        # The original leaves the last row of a range out, ours does not: both give a whole page.
        pages = {"Range": f"items={first}-{first + count}"}
        reply = self._link.rest.call("GET", f"{_path(model)}/{rest}", headers=pages)
        rows = rows_of(reply, model.name)
        if isinstance(rows, list):
            return rows
        raise self._link.error(rows)


def matches_key(row: RemoteRow, key: Mapping[str, Value]) -> bool:
    """Every field of the key is there and the same, letter by letter."""
    return all(column in row and row[column] == value for column, value in key.items())


def _one(remote_id: int) -> str:
    return f"{remote_id}" if remote_id >= 0 else f"?id={remote_id}"  # "-1" is no number in a path


def _path(model: Table) -> str:
    return model.name.lower()


def _encoded(body: Mapping[str, Value]) -> bytes:
    return orjson.dumps(dict(body))
