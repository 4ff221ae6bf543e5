"""Transactions on the central database: read, write, try again, or say that it is ill."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from copy import copy
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from replicator.central.engine import BUSY_SECONDS, WRITES
from replicator.central.problems import Problem
from replicator.central.schema import CENTRAL_SCHEMA

T = TypeVar("T")

ATTEMPTS = 5
_MYSQL_AGAIN = frozenset({1205, 1213})  # lock wait timeout, deadlock
# Too many connections, shutdown, disk or table full, killed, unreachable, gone, lost, read-only.
_MYSQL_DOWN = frozenset(
    {1020, 1021, 1040, 1053, 1114, 1152, 1203, 1205, 1213, 1290, 1836, 1927}
    | {2002, 2003, 2006, 2013, 2055, 4031}
)
_SQLITE_DOWN = ("locked", "busy", "is full", "disk i/o", "unable to open", "readonly")
_POSTGRESQL_AGAIN = frozenset({"40001", "40P01"})


def wants_another_try(error: DBAPIError) -> bool:
    """Whether the same transaction may succeed if it is simply run again."""
    code = _code(error)
    return code in _MYSQL_AGAIN or code in _POSTGRESQL_AGAIN


def is_unavailable(error: DBAPIError) -> bool:
    """Whether the database, not the request, is to blame, and waiting may help."""
    if error.connection_invalidated:
        return True
    code = _code(error)
    if isinstance(code, int):
        return code in _MYSQL_DOWN or code == 0  # 0: PyMySQL's "connection is closed"
    if isinstance(code, str):
        return code[:2] in ("08", "40", "53", "55", "57")
    text = str(error.orig).lower()
    return any(sign in text for sign in _SQLITE_DOWN)


def _code(error: DBAPIError) -> object:
    original = error.orig
    state = getattr(original, "sqlstate", None)
    if state is not None:
        return state
    arguments = getattr(original, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def unavailable(detail: str) -> Problem:
    """The 503 of a database that is down or busy."""
    return Problem(503, "database-unavailable", detail, retry_after=5)


class Database:
    """The central database for one process; safe to use from several threads."""

    def __init__(self, engine: Engine, sleep: Callable[[float], None] = time.sleep) -> None:
        self.engine = engine
        self._sleep = sleep
        self._guard: Callable[[Connection], None] | None = None
        # SQLite has one writer; waiting here is fair, its busy handler only polls.
        self._writer = threading.Lock() if engine.dialect.name == "sqlite" else None

    def guarded(self, guard: Callable[[Connection], None]) -> Database:
        """The same database; each writing transaction begins with ``guard``, which may refuse."""
        other = copy(self)
        other._guard = guard
        return other

    def read(self, work: Callable[[Connection], T]) -> T:
        """``work`` in a transaction that is rolled back. Raises Problem 503."""
        return self._again(lambda: self._run(work, writes=False, references=False))

    def write(self, work: Callable[[Connection], T], *, references: bool) -> T:
        """``work`` in a transaction, durable when this returns; may be run several times.

        ``references``: it also writes reference tables; such writers take turns, so that a look-up
        inside ``work`` stays true until its end. Raises Problem 503.
        """
        if self._writer is None:
            return self._again(lambda: self._run(work, writes=True, references=references))
        if not self._writer.acquire(timeout=BUSY_SECONDS):
            raise unavailable("other writers keep the database busy")
        try:
            return self._again(lambda: self._run(work, writes=True, references=False))
        finally:
            self._writer.release()

    def _run(self, work: Callable[[Connection], T], *, writes: bool, references: bool) -> T:
        with self.engine.connect().execution_options(**{WRITES: writes}) as connection:
            if references:
                connection.execute(sa.select(CENTRAL_SCHEMA.c.version).with_for_update())
            if writes and self._guard is not None:
                self._guard(connection)
            result = work(connection)
            if writes:
                connection.commit()
            return result

    def _again(self, run: Callable[[], T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return run()
            except PoolTimeout as error:
                raise unavailable("all connections to the database are in use") from error
            except DBAPIError as error:
                if wants_another_try(error) and attempt < ATTEMPTS:
                    self._sleep(0.02 * attempt)
                    continue
                if is_unavailable(error):
                    raise unavailable("the central database does not take requests now") from error
                raise
        raise AssertionError("unreachable")
