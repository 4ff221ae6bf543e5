"""Inside a child that is to die: what it makes durable and what it sends, counted and named.

A step is a commit in one of the outbox's files ("outbox.db: capture+entry", by the tables written)
or a request ("POST bulk", "sent POST bulk" when its bytes are out and the answer is not read).
Steps are seen from outside the program, by SQLite's own trace and by the socket, so the program has
no hook for its tests, and a step that nobody thought of is seen as well.

Dying *after* a step is dying before the next one: nothing durable happens in between.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WRITES = re.compile(
    r"\s*(?:INSERT(?: OR \w+)? INTO|REPLACE INTO|UPDATE|DELETE FROM|CREATE \w+(?: IF NOT EXISTS)?"
    r"|ALTER TABLE|DROP \w+(?: IF EXISTS)?)\s+[\"\[]?(\w+)",
    re.IGNORECASE,
)
_PRAGMAS = ("journal_mode = wal", "incremental_vacuum", "wal_checkpoint")
_REQUEST = re.compile(rb"(GET|POST|PUT|DELETE) \S*?/rest/(\w+)")


class Steps:
    """Writes each step to a file before it happens, and dies before the one that it was told.

    ``die``: the name of a step and which of that name, from 1 on.
    """

    def __init__(self, log: Path, die: tuple[str, int] | None) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._die = die
        self._seen: Counter[str] = Counter()

    def reached(self, name: str) -> None:
        """A step is about to happen."""
        self._seen[name] += 1
        os.write(self._log, f"{name}\n".encode())
        if self._die == (name, self._seen[name]):
            os.kill(os.getpid(), signal.SIGKILL)


class _Tracer:
    """One connection's statements, as SQLite tells them."""

    def __init__(self, steps: Steps, connection: sqlite3.Connection, file: str) -> None:
        self._steps = steps
        self._connection = connection
        self._file = file
        self._tables: set[str] = set()

    def __call__(self, sql: str) -> None:
        written = _WRITES.match(sql)
        word = sql.lstrip()[:8].upper()
        if written:
            self._tables.add(written[1])
        if word.startswith("ROLLBACK") and " TO " not in sql.upper():
            self._tables.clear()
        elif word.startswith("COMMIT") or (written and not self._connection.in_transaction):
            self._steps.reached(f"{self._file}: {'+'.join(sorted(self._tables))}")
            self._tables.clear()
        elif any(pragma in sql.lower() for pragma in _PRAGMAS):
            self._steps.reached(f"{self._file}: {sql.split('(')[0].strip()}")


def watch_commits(steps: Steps) -> None:
    """Trace every connection made from now on."""
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def traced(database: Any, *arguments: Any, **named: Any) -> sqlite3.Connection:
        made = connect(database, *arguments, **named)
        file = Path(str(database).split("?")[0]).name
        made.set_trace_callback(_Tracer(steps, made, file))
        return made

    sqlite3.connect = traced  # type: ignore[assignment]  # in this child alone


def watch_requests(steps: Steps) -> None:
    """See every HTTP request go out over a socket made from now on."""
    send_all, receive_into = socket.socket.sendall, socket.socket.recv_into
    waiting: dict[int, str] = {}

    def sendall(self: socket.socket, data: Any, *flags: int) -> None:
        request = _REQUEST.match(bytes(data[:200]))
        if request:
            name = f"{request[1].decode()} {request[2].decode()}"
            steps.reached(name)
            waiting[id(self)] = name
        send_all(self, data, *flags)

    def recv_into(self: socket.socket, *arguments: Any) -> int:
        name = waiting.pop(id(self), None)
        if name:
            steps.reached(f"sent {name}")
        return receive_into(self, *arguments)

    socket.socket.sendall = sendall  # type: ignore[method-assign,assignment]
    socket.socket.recv_into = recv_into  # type: ignore[method-assign,assignment]
