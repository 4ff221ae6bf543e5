"""A stand-in of the original central server, for tests: in this process, or one to be killed.

``python -m tests.original.server --db FILE --port P`` serves until it is killed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.faults.arrivals import Row, bulk_rows, stream_rows
from tests.faults.httpd import Httpd, Reply, Request
from tests.original.rest import answer
from tests.original.store import Json, Store
from tests.original.values import Cell


@dataclass(frozen=True, slots=True)
class Logged:
    """One request: ``size`` of its body in bytes, ``query`` still encoded."""

    method: str
    path: str
    query: str
    status: int
    size: int


class OriginalServer:
    """``with OriginalServer() as server:`` serves at ``server.url`` until the end of the block.

    ``requests``  what was asked, in order
    ``arrivals``  stream rows of the accepted bulk requests, in the order they were stored
    """

    def __init__(
        self, database: Path | None = None, port: int = 0, *, slow_merge: bool = False
    ) -> None:
        self._database = ":memory:" if database is None else str(database)
        self._slow_merge = slow_merge
        self._http = Httpd(self._answer, port)
        self.requests: list[Logged] = []
        self.arrivals: list[Row] = []

    def __enter__(self) -> OriginalServer:
        self._store = Store(self._database, self._slow_merge)
        self._http.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._http.stop()
        finally:
            self._store.close()

    @property
    def url(self) -> str:
        """Without a slash at its end; REST is below ``/rest/``."""
        return self._http.url

    @property
    def merges(self) -> int:
        """Rows that a duplicate key sent through the slow way."""
        return self._store.merges

    def rows(self, table: str) -> list[Json]:
        """Every row of a table by primary key; FLOATs as the shortest decimal of their 32 bits."""
        return self._store.rows(table)

    def execute(self, sql: str, parameters: Sequence[Cell] = ()) -> list[Json]:
        """One SQL statement on the tables, to prepare other stations' rows or to look."""
        return self._store.execute(sql, parameters)

    def _answer(self, request: Request) -> Reply:
        reply = answer(self._store, request)
        size = len(request.body)
        logged = Logged(request.method, request.path, request.query, reply.status, size)
        self.requests.append(logged)
        if reply.status == 201 and request.path.lower() == "/rest/bulk/":
            self.arrivals += stream_rows(bulk_rows(request.body))
        return reply


def main(arguments: Sequence[str]) -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args(arguments)
    with OriginalServer(options.db, options.port) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main(sys.argv[1:])
