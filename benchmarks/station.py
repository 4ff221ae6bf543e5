"""A station's database on a private server, and the stretch of its log that a benchmark reads."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

from pymysql.constants.CLIENT import MULTI_STATEMENTS
from pymysql.cursors import Cursor

from benchmarks.workload import SEED
from demo.mariadbd import PrivateMariaDB
from demo.seed import create_schema, seed_station
from replicator.change import Position
from replicator.source.binlog import current_position
from replicator.source.endpoint import Endpoint

_GROUP = 50  # transactions in one round trip


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the log: ``count`` rows or transactions between two positions."""

    start: Position
    end: Position
    count: int


class StationDatabase:
    """A new database with the base station's schema and its reference rows, on a server."""

    def __init__(self, server: PrivateMariaDB, name: str) -> None:
        self.server = server
        self.name = name
        with closing(server.connect(autocommit=False)) as connection:
            create_schema(connection, name)
            seed_station(connection, SEED, 0)

    @property
    def endpoint(self) -> Endpoint:
        """How to reach it."""
        server = self.server
        return Endpoint("localhost", server.port, server.socket, server.user, "", self.name)

    def now(self) -> Position:
        """Where the log ends, by file and offset."""
        return current_position(self.endpoint, mode="file")

    def run(self, statements: Iterable[str]) -> None:
        """Statements, one round trip each, every one its own transaction."""
        with closing(self.server.connect(self.name)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def run_transactions(self, transactions: Iterable[str]) -> None:
        """Texts of several statements each, many in a round trip."""
        group: list[str] = []
        with (
            closing(self.server.connect(self.name, client_flag=MULTI_STATEMENTS)) as connection,
            connection.cursor() as cursor,
        ):
            for transaction in transactions:
                group.append(transaction)
                if len(group) == _GROUP:
                    _run_all(cursor, group)
                    group.clear()
            _run_all(cursor, group)

    def drop(self) -> None:
        """Drop it."""
        self.server.execute(f"DROP DATABASE {self.name}")


def _run_all(cursor: Cursor, texts: list[str]) -> None:
    if texts:
        cursor.execute(";".join(texts))
        while cursor.nextset():
            pass
