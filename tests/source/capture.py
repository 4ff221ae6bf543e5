"""Reading a real server's log in tests: endpoints, whole stretches, refusals, raw events."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.cursors import Cursor

from demo.mariadbd import PrivateMariaDB
from replicator.change import Change, Commit, Event, Position, Rollback, Row
from replicator.errors import ReplicatorError
from replicator.source.binlog import BinlogStream, current_position
from replicator.source.endpoint import Endpoint
from replicator.source.place import Mode
from tests.faults.world import until

_FIRST_EVENTS = 200
_SERVER_IDS = itertools.count(4001)


def endpoint(server: PrivateMariaDB, database: str, **more: Any) -> Endpoint:
    """The server's, as root over the socket unless ``more`` says otherwise."""
    settings: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "unix_socket": server.socket,
        "user": "root",
        "password": "",
        "database": database,
        **more,
    }
    return Endpoint(**settings)


def at(server: PrivateMariaDB, database: str, mode: Mode = "file") -> Position:
    """Where the server's log ends, when all is in it."""
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        until(lambda: _has_its_checkpoint(cursor), "the log file's checkpoint event")
    return current_position(endpoint(server, database), mode=mode)


def _has_its_checkpoint(cursor: Cursor) -> bool:
    """MariaDB says in a new file, some time after it has begun it, that it needs none before."""
    cursor.execute("SHOW MASTER STATUS")
    found = cursor.fetchone()
    if found is None:  # it keeps no log
        return True
    file = found[0]
    cursor.execute(f"SHOW BINLOG EVENTS IN '{file}' LIMIT {_FIRST_EVENTS}")
    first = cursor.fetchall()
    said = any((kind, info) == ("Binlog_checkpoint", file) for _, _, kind, _, _, info in first)
    return said or len(first) == _FIRST_EVENTS


def stream(
    server: PrivateMariaDB, database: str, start: Position, heartbeat: float = 5.0
) -> BinlogStream:
    """A stream with a server_id that no other test uses."""
    return BinlogStream(
        endpoint(server, database), server_id=next(_SERVER_IDS), start=start, heartbeat=heartbeat
    )


def read_to(reader: BinlogStream, end: Position, max_rows: int = 10_000) -> list[Event]:
    """All events up to the first position that has reached ``end``."""
    found: list[Event] = []
    while not any(isinstance(e, Commit) and e.position.has_reached(end) for e in found):
        found += reader.poll(0.5, max_rows)
    return found


def captured(
    server: PrivateMariaDB, database: str, start: Position, end: Position | None = None
) -> list[Event]:
    """Events from a position to the log's present end."""
    end = end or at(server, database)
    if start.has_reached(end):
        return []
    with stream(server, database, start) as reader:
        return read_to(reader, end)


def changes(events: Sequence[Event]) -> list[tuple[str, str, list[Row]]]:
    """Table, operation and rows of each change."""
    return [(e.table, e.op.value, list(e.rows)) for e in events if isinstance(e, Change)]


def transactions(events: Sequence[Event]) -> list[list[tuple[str, str, list[Row]]]]:
    """Changes by source transaction; those without any are left out."""
    found = []
    held: list[Event] = []
    for event in events:
        if isinstance(event, Change):
            held.append(event)
        elif isinstance(event, Rollback):
            held = []
        elif held:
            found.append(changes(held))
            held = []
    assert not held, "changes without an end"
    return found


@contextmanager
def refused(kind: type[ReplicatorError], words: str) -> Iterator[None]:
    """What is inside raises this error, all three parts of it filled, ``words`` in one of them."""
    with pytest.raises(kind) as caught:
        yield
    error = caught.value
    assert type(error) is kind
    assert words.lower() in str(error).lower()
    assert error.message
    assert error.detail
    assert error.hint


def refuses(
    server: PrivateMariaDB, database: str, start: Position, kind: type[ReplicatorError], words: str
) -> list[Event]:
    """The stream from ``start`` stops with this error; what came before it."""
    found: list[Event] = []
    with refused(kind, words), stream(server, database, start) as reader:
        read_on(reader, found)
    return found


def read_on(reader: BinlogStream, found: list[Event]) -> None:
    """Into ``found`` until the stream raises."""
    while True:
        found += reader.poll(0.5)


def raw_events(server: PrivateMariaDB, start: Position, end: Position) -> list[tuple[int, bytes]]:
    """Type and body (behind the header, before the checksum) of the log file's events."""
    assert start.file == end.file
    content = (server.folder / "data" / start.file).read_bytes()
    found = []
    place = start.offset
    while place < end.offset:
        size = int.from_bytes(content[place + 9 : place + 13], "little")
        found.append((content[place + 4], content[place + 19 : place + size - 4]))
        place += size
    return found


def library_connect(**settings: Any) -> Any:
    """For mysql-replication's ``pymysql_wrapper``: it says ``db``, which PyMySQL warns of."""
    if "db" in settings:
        settings["database"] = settings.pop("db")
    return pymysql.connect(**settings)


def binlog(server: PrivateMariaDB, position: Position) -> Path:
    """The file of a position."""
    return server.folder / "data" / position.file
