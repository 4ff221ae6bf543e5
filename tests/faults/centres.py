"""The two kinds of destination, behind one face for the tests."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import requests

from replicator.central.settings import CentralSettings
from tests.central.conftest import running
from tests.original.server import OriginalServer

Row = Mapping[str, Any]
Kind = Literal["original", "ours"]
KINDS: tuple[Kind, ...] = ("original", "ours")


class Centre(Protocol):
    """``url`` without ``rest/``, no slash at its end."""

    @property
    def kind(self) -> Kind: ...
    @property
    def url(self) -> str: ...

    def rows(self, table: str) -> Sequence[Row]:
        """Every row of a table, from its database."""

    def execute(self, sql: str, *values: Any) -> None:
        """One SQL statement on its database, behind its back."""


class Original:
    """The stand-in of the original server."""

    kind: Kind = "original"

    def __init__(self, server: OriginalServer) -> None:
        self._server = server
        self.url = server.url

    def rows(self, table: str) -> Sequence[Row]:
        """From its database."""
        return self._server.rows(table)

    def execute(self, sql: str, *values: Any) -> None:
        """On its database."""
        self._server.execute(sql, values)


class Ours:
    """This project's central server, on SQLite."""

    kind: Kind = "ours"

    def __init__(self, root: str, database: Path) -> None:
        self._database = database
        self.url = root.removesuffix("/rest/")

    def rows(self, table: str) -> Sequence[Row]:
        """From its database."""
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]

    def execute(self, sql: str, *values: Any) -> None:
        """On its database."""
        with closing(sqlite3.connect(self._database)) as connection, connection:
            connection.execute(sql, values)


@contextmanager
def centre_of(kind: Kind, folder: Path) -> Iterator[Centre]:
    """An empty central server of one kind."""
    if kind == "original":
        with OriginalServer() as server:
            yield Original(server)
    else:
        database = folder / "central.db"
        with running(CentralSettings(database_url=f"sqlite:///{database}")) as client:
            yield Ours(client.root, database)


def post(centre: Centre, kind: str, **row: Any) -> int:
    """Create a row there as another station's pusher would; its id."""
    reply = requests.post(f"{centre.url}/rest/{kind}/", data=json.dumps(row), timeout=10)
    assert reply.status_code == 201, reply.text
    number: int = reply.json()["id"]
    return number


def bulk(centre: Centre, *rows: Row) -> None:
    """Store rows there as another station's pusher would."""
    reply = requests.post(f"{centre.url}/rest/bulk/", data=json.dumps(rows), timeout=10)
    assert reply.status_code == 201, reply.text
