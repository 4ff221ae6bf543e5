"""The centre's side, over REST: digests of ours, counts of the original's, rows of both.

Every method raises DestinationUnavailable and DestinationRefused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from replicator.audit.digest import NOTHING, Key, Tally
from replicator.audit.places import Chart
from replicator.audit.station import RowKey, Stretch, row_key
from replicator.change import Row
from replicator.errors import DestinationRefused
from replicator.model import TABLES
from replicator.sink.judge import Denied, Reply, Wait, failure, rows_of, words
from replicator.sink.link import Link
from replicator.source.ranges import Window

_PAGE_ROWS = 2_000
_JSON = {"Content-Type": "application/json"}
_TOTAL = re.compile(r"items \d+-(\d+)/\d+", re.ASCII)


class Centre:
    """``link``: kept alive, and metered by the caller. ``chart``: as the station's side has it."""

    def __init__(self, link: Link, chart: Chart) -> None:
        self.link = link
        self._chart = chart

    # --- ours ----------------------------------------------------------------------------------

    def tallies(self, asked: Stretch, nodes: Sequence[int]) -> dict[Key, Tally]:
        """What is stored, in groups; as many requests as it takes."""
        body: dict[str, object] = {"table": asked.table, "level": asked.level, "nodes": list(nodes)}
        body |= {"from": asked.since} if asked.since else {}
        body |= {"to": asked.until} if asked.until else {}
        if asked.types is not None:
            body["types"] = list(asked.types)
        if asked.table == "Reading":
            body["places"] = [self._chart.places[index].there for index in asked.places]
        found: dict[Key, Tally] = {}
        after: object = None
        while True:
            content = orjson.dumps(body if after is None else {**body, "after": after})
            said = self._digests(self.link.rest.call("POST", "digests/", content, _JSON))
            for key, tally in said[0]:
                place = self._key(asked, key)
                found[place] = found.get(place, NOTHING) + tally
            after = said[1]
            if after is None:
                return found

    def _digests(self, reply: Reply) -> tuple[list[tuple[Key, Tally]], object]:
        failed = failure(reply)
        if isinstance(failed, Denied) and reply.status == 404:
            raise DestinationRefused(
                "the central server gives no digests",
                f"{self.link.rest.address.url}: {words(reply)}",
                "it is older than this replicator: update it",
            )
        if failed is not None:
            raise self.link.error(failed)
        said = reply.json()
        try:
            groups = [(tuple(key), Tally.parse(n, text)) for *key, n, text in said["groups"]]
            return groups, said["after"]
        except (TypeError, ValueError, KeyError):
            raise self._not_understood(reply) from None

    @staticmethod
    def _key(asked: Stretch, key: Key) -> Key:
        """Places by their index in the chart, as the station's."""
        if asked.table != "Reading" or asked.level not in ("month", "day", "node"):
            return key
        return (asked.places[int(key[0])], *key[1:])

    # --- both ----------------------------------------------------------------------------------

    def rows(self, table: str, window: Window, kind: int | None = None) -> dict[RowKey, Row]:
        """The rows of one node by natural key, of one type where it is said."""
        found = {}
        for page in self._pages(table, self._query(table, window, kind)):
            for row in page:
                key = row_key(table, row)
                if _is_asked_for(table, key, window, kind):  # a filter is never trusted
                    found[key] = row
        return found

    def _query(self, table: str, window: Window, kind: int | None) -> str:
        assert window.nodes is not None
        filters = [f"nodeId={window.nodes[0]}"]
        filters += [] if kind is None or table != "Reading" else [f"type={kind}"]
        filters += [] if window.since is None else [f"time=ge_{window.since}"]
        filters += [] if window.until is None else [f"time=lt_{window.until}"]
        last = "type" if table == "Reading" else "seq_num"
        return f"{table.lower()}/?{'&'.join(filters)}&sort(%2Btime,%2B{last})="

    def _pages(self, table: str, query: str) -> Iterator[list[Row]]:
        columns = TABLES[table].columns
        first = 0
        while True:
            # The original leaves the last row of a range out, ours does not.
            pages = {"Range": f"items={first}-{first + _PAGE_ROWS}"}
            reply = self.link.rest.call("GET", query, headers=pages)
            found = rows_of(reply, table)
            if not isinstance(found, list):
                raise self.link.error(found)
            try:
                yield [tuple([row[column] for column in columns]) for row in found]
            except KeyError:
                raise self._not_understood(reply) from None
            if len(found) < _PAGE_ROWS:
                return
            first += len(found)

    def _not_understood(self, reply: Reply) -> Exception:
        return self.link.error(
            Wait(f"the central server's answer is not understood: {words(reply)}")
        )

    # --- the original --------------------------------------------------------------------------

    def placed_per_day(self, node: int) -> Mapping[str, int]:
        """Day → readings of a node that have a location; the original does not count the others."""
        reply = self.link.rest.call("GET", f"counts/{node}")
        failed = failure(reply)
        if failed is not None:
            raise self.link.error(failed)
        found: dict[str, int] = {}
        said: Any = reply.json()
        for item in said if isinstance(said, list) else [None]:
            match item:
                case [str(day), int(count)]:
                    found[day] = count
                case _:
                    raise self._not_understood(reply)
        return found

    def count(self, table: str, window: Window) -> int:
        """Rows of a node in a window: an empty page tells how many match, on the original."""
        query = self._query(table, window, None)
        reply = self.link.rest.call("GET", query, headers={"Range": "items=0-0"})
        rows = rows_of(reply, table)
        if not isinstance(rows, list):
            raise self.link.error(rows)
        said = _TOTAL.fullmatch(reply.headers.get("content-range", ""))
        if said is None:  # of an empty table the original says nothing
            return sum(len(page) for page in self._pages(table, query))
        return int(said[1])


def _is_asked_for(table: str, key: RowKey, window: Window, kind: int | None) -> bool:
    time, node, last = key
    return (
        (window.nodes is None or node in window.nodes)
        and (window.since is None or str(time) >= window.since)
        and (window.until is None or str(time) < window.until)
        and (kind is None or table != "Reading" or last == kind)
    )
