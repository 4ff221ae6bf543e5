"""The server's dump of its log, event by event. The library's faults and limits stop here."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pymysql
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.exceptions import (
    MalformedBinLogEvent,
    StatusVariableMismatch,
    TableMetadataUnavailableError,
)

from replicator.change import Position
from replicator.errors import SourceUnavailable, Unsupported
from replicator.source.decode import TableDecoder
from replicator.source.endpoint import Endpoint, translate
from replicator.source.feed import Feed
from replicator.source.wire import DumpConnection

# It warns at each connect, in several lines, of what we do without it: names of columns.
logging.getLogger("pymysqlreplication").setLevel(logging.ERROR)

_PARSING = (
    MalformedBinLogEvent,
    StatusVariableMismatch,
    TableMetadataUnavailableError,
    AssertionError,  # PyMySQL's, where a packet is shorter than it says
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    struct.error,
)


class Dump:
    """One connection to the log from ``start``; replicated rows go to ``feed``, as decoded."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        server_id: int,
        start: Position,
        heartbeat: float,
        decoder_for: Callable[[bytes], TableDecoder | None],
    ) -> None:
        self._endpoint = endpoint
        self.feed = Feed(endpoint, decoder_for, silence=max(3 * heartbeat, 2.0))
        self._connections: list[DumpConnection] = []
        self._reader = BinLogStreamReader(
            connection_settings=endpoint.settings(),
            server_id=server_id,
            pymysql_wrapper=self._connect,
            log_file=start.file or None,
            log_pos=start.offset or None,
            auto_position=start.gtid or None,
            is_mariadb=bool(start.gtid) and start.source.startswith("mariadb-"),
            resume_stream=True,
            blocking=True,
            slave_heartbeat=heartbeat,
            filter_non_implemented_events=False,
            enable_logging=False,
        )

    def _connect(self, **settings: Any) -> DumpConnection:
        if "db" in settings:  # the library's word, deprecated in PyMySQL
            settings["database"] = settings.pop("db")
        connection = DumpConnection(self.feed, **settings)
        self._connections.append(connection)
        return connection

    @property
    def file(self) -> str:
        """Of the last event."""
        return next((c.file for c in self._connections if c.dumping), "")

    @property
    def offset(self) -> int:
        """Behind the last event."""
        return next((c.place for c in self._connections if c.dumping), 0)

    @property
    def pending(self) -> bool:
        """More of the log is here already."""
        return any(c.dumping and c.readable for c in self._connections)

    def next(self) -> Any:
        """The next event that is not a row or a table map. Raises Pause, and our errors."""
        try:
            event = self._reader.fetchone()
        except pymysql.MySQLError as error:
            raise translate(error, self._endpoint) from error
        except _PARSING as error:
            raise Unsupported(
                "an event cannot be parsed", repr(error), "please report it; then replicator heal"
            ) from error
        if event is None:
            raise SourceUnavailable(
                "the server ended the stream of its log",
                str(self._endpoint),
                "is it shutting down?",
            )
        return event

    def close(self) -> None:
        """End the connections; the server notices at once."""
        with suppress(pymysql.MySQLError, OSError):  # nothing can be lost by closing
            self._reader.close()
        for connection in self._connections:
            connection.abort()
        self._connections.clear()
