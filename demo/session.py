"""The logger's connection: whole transactions, written once each even when the server goes away."""

from __future__ import annotations

import socket
import time as clock
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar

import pymysql

Answer = TypeVar("Answer")
Statement = tuple[str, Sequence[Any]]

_TIMEOUT = 10.0
_LOST = (pymysql.err.OperationalError, pymysql.err.InterfaceError)


def open_connection(path: str, database: str) -> pymysql.connections.Connection:
    """Log in as root over a server's socket, autocommit off. Raises OperationalError."""
    line = socket.socket(socket.AF_UNIX)
    try:
        line.settimeout(_TIMEOUT)
        line.connect(path)
    except OSError as error:
        line.close()
        raise pymysql.err.OperationalError(2002, f"no server at {path}: {error}") from error
    connection = pymysql.connect(
        unix_socket=path, user="root", database=database, charset="utf8mb4", defer_connect=True
    )
    connection.connect(line)  # PyMySQL's own socket would stay open where nobody listens
    return connection


class Session:
    """A context manager. ``connect`` gives a connection with autocommit off."""

    def __init__(
        self, connect: Callable[[], pymysql.connections.Connection], patience: float
    ) -> None:
        self._connect = connect
        self._patience = patience
        self._connection: pymysql.connections.Connection | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._drop()

    def select(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""

        def run(connection: pymysql.connections.Connection) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(sql, values)
                rows = list(cursor.fetchall())
            connection.commit()
            return rows

        return self._patiently(run)

    def transaction(self, statements: Sequence[Statement], proof: Statement | None = None) -> None:
        """Run statements, one by one, and commit.

        After a lost connection nobody knows whether the commit happened: then ``proof`` is asked
        (rows mean it did); without one the statements must be harmless to run twice.
        """
        first = True

        def run(connection: pymysql.connections.Connection) -> None:
            nonlocal first
            with connection.cursor() as cursor:
                again, first = not first, False
                if again and proof is not None and cursor.execute(*proof):
                    return
                for sql, values in statements:
                    cursor.execute(sql, values)
            connection.commit()

        self._patiently(run)

    def _patiently(self, run: Callable[[pymysql.connections.Connection], Answer]) -> Answer:
        deadline = clock.monotonic() + self._patience
        while True:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                return run(self._connection)
            except _LOST:
                self._drop()
                if clock.monotonic() > deadline:
                    raise
                clock.sleep(0.1)

    def _drop(self) -> None:
        if self._connection is not None and self._connection.open:
            self._connection.close()
        self._connection = None
