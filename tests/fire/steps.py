"""Inside a child that is to die: what it makes durable and what it sends, counted and named.

A step is what changes something that lasts: a commit in one of the outbox's files ("settle", by
the tables written), a request ("POST bulk"), or a message to NATS ("NATS end"). Steps are seen from
outside the program, by SQLite's own trace, by the socket and by NATS' client library, so it has no
hook for its tests, and a step that nobody thought of is seen as well.

Dying *after* a step, say after the reply and before it is settled, is dying before the next one:
nothing that lasts happens in between. A look-up (GET) is no step, for the same reason.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

_WRITES = re.compile(
    r"\s*(?:INSERT(?: OR \w+)? INTO|REPLACE INTO|UPDATE|DELETE FROM|CREATE \w+(?: IF NOT EXISTS)?"
    r"|ALTER TABLE|DROP \w+(?: IF EXISTS)?)\s+[\"\[]?(\w+)",
    re.IGNORECASE,
)
_PRAGMAS = ("journal_mode = wal", "incremental_vacuum", "wal_checkpoint")
_REQUEST = re.compile(rb"(POST|PUT|PATCH|DELETE) \S*?/rest/(\w+)")
_MESSAGES: Sequence[tuple[str, str]] = (
    (r"\$KV\..*_state\.settled\.", "settled"),
    (r"\$KV\..*_state\.reference\.", "reference"),
    (r"\$JS\.API\.STREAM\.CREATE\.KV_", "create bucket"),
    (r"\$JS\.API\.STREAM\.CREATE\..*_desks$", "create desks"),
    (r"\$JS\.API\.STREAM\.CREATE\.", "create stream"),
    (r"[^$_].*_desks\.", "desk"),
    (r"\$JS\.API\.STREAM\.PURGE\.", "purge"),
    (r"[^$_].*\.part$", "part"),
    (r"[^$_].*\.end$", "end"),
)
# Questions, and readers that the servers forget by themselves: nothing that lasts.
_QUESTIONS = re.compile(
    r"\$JS\.API\.(INFO|STREAM\.(INFO|NAMES|MSG\.GET)\.|CONSUMER\.|DIRECT\.)|\$JS\.(ACK|FC)\.|_INBOX"
)


# What a commit is called: the first whose tables were all written, and none of the others.
_COMMITS: Sequence[tuple[str, Collection[str], Collection[str]]] = (
    ("schema", {"_sqlite_migrations"}, ()),
    ("append", {"entry", "capture"}, ()),
    ("position", {"capture"}, ()),
    ("expire", {"entry"}, ()),
    ("forget reference", {"reference"}, ()),
    ("settle", {"cursor", "receipt"}, ()),
    ("rewind", {"cursor"}, ()),
    ("settle drained", {"receipt", "parked"}, ()),
    ("mapping", {"mapping"}, ()),
    ("hold lane", {"lane"}, {"parked"}),
    ("status", {"status"}, ()),
    ("forecast", {"forecast"}, ()),
    ("fold", {"folded"}, ()),
    ("mark", {"mark"}, ()),
    ("history", {"history"}, ()),
    ("attempt", {"attempt"}, ()),
    ("turn", {"turn"}, ()),
)


def commit_name(file: str, tables: Collection[str]) -> str:
    """A name for a commit; the tables themselves for one that has none."""
    for name, written, others in _COMMITS:
        if set(written) <= set(tables) and not set(others) & set(tables):
            return f"{file} {name}"
    return f"{file} {'+'.join(sorted(tables))}"


class Steps:
    """Writes each step to a file before it happens, and dies before the one that it was told.

    ``die``: the name of a step and which of that name, from 1 on. ``victim``: who dies in its
    place, another process. ``listener`` hears of each one.
    """

    def __init__(self, log: Path, die: tuple[str, int] | None, victim: int = 0) -> None:
        self._victim = victim or os.getpid()
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._die = die
        self._seen: Counter[str] = Counter()
        self.listener: Callable[[str], None] = lambda name: None

    def reached(self, name: str) -> None:
        """A step is about to happen."""
        self._seen[name] += 1
        self.note(name)
        self.listener(name)
        if self._die == (name, self._seen[name]):
            os.kill(self._victim, signal.SIGKILL)

    def note(self, what: str) -> None:
        """Something that is no step, for the file alone."""
        os.write(self._log, f"{what}\n".encode())


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
            self._steps.reached(commit_name(self._file, self._tables))
            self._tables.clear()
        elif any(pragma in sql.lower() for pragma in _PRAGMAS):
            self._steps.reached(f"{self._file} {sql.split('(', maxsplit=1)[0].split()[1]}")


def watch_commits(steps: Steps, checkpoint: int = 0) -> None:
    """Trace every connection made from now on. ``checkpoint``: pages after which there is one."""
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    class Restless(sqlite3.Connection):
        """Checkpoints more often than it was told."""

        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if checkpoint and "wal_autocheckpoint" in sql:
                sql = f"PRAGMA wal_autocheckpoint = {checkpoint}"
            return super().execute(sql, *parameters)

    def traced(database: Any, *arguments: Any, **named: Any) -> sqlite3.Connection:
        made = connect(database, *arguments, factory=Restless, **named)
        file = Path(str(database).split("?")[0]).name
        made.set_trace_callback(_Tracer(steps, made, file))
        return made

    sqlite3.connect = traced  # type: ignore[assignment]  # in this child alone


def watch_requests(steps: Steps) -> None:
    """See every request that changes something go out over a socket made from now on."""
    send_all = socket.socket.sendall

    def sendall(self: socket.socket, data: Any, *flags: int) -> None:
        request = _REQUEST.match(bytes(data[:200]))
        if request:
            steps.reached(f"{request[1].decode()} {request[2].decode()}")
        send_all(self, data, *flags)

    socket.socket.sendall = sendall  # type: ignore[method-assign,assignment]


def watch_messages(steps: Steps) -> None:
    """See every message to NATS that changes something, from any client made from now on."""
    from nats.aio.client import Client  # noqa: PLC0415  # needs the extra jetstream

    send = Client.publish

    async def publish(self: Client, subject: str, *arguments: Any, **named: Any) -> None:
        if not _QUESTIONS.match(subject):
            known = (name for pattern, name in _MESSAGES if re.match(pattern, subject))
            steps.reached(f"NATS {next(known, subject)}")
        await send(self, subject, *arguments, **named)

    Client.publish = publish  # type: ignore[method-assign]  # in this child alone
