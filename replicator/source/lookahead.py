"""Reads the log ahead for definitions that change: only where the log does not name its columns.

Today's catalogue describes a row written yesterday only if nothing between them redefined the
table. Types and sizes are compared anyway; two columns of one type that changed places, or names,
would go unnoticed. So before the catalogue is believed for a stretch of the log, the statements in
that stretch are read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress

from pymysqlreplication.event import HeartbeatLogEvent, QueryEvent

from replicator.change import Position
from replicator.errors import SourceUnavailable
from replicator.source.dump import Dump
from replicator.source.endpoint import Endpoint
from replicator.source.feed import Pause
from replicator.source.statements import redefined

_PATIENCE = 3  # heartbeats that do not move: MySQL sends others for what it skips
_AT_ONCE = 10_000
_WAIT = 0.5  # seconds; then what has come may be all there is


def redefinitions(
    endpoint: Endpoint,
    *,
    server_id: int,
    start: Position,
    end: Position,
    heartbeat: float,
    alive: Callable[[], None] = lambda: None,
) -> dict[str, str]:
    """Replicated table → the first statement between two positions that may redefine it.

    ``alive`` is called as it reads on.
    """
    dump = Dump(
        endpoint,
        server_id=server_id,
        start=start,
        heartbeat=heartbeat,
        decoder_for=lambda _: None,
    )
    try:
        return _read(dump, start, end, endpoint.database, alive)
    finally:
        dump.close()


def _read(
    dump: Dump, start: Position, end: Position, database: str, alive: Callable[[], None]
) -> dict[str, str]:
    found: dict[str, str] = {}
    heartbeats = 0
    place = start
    while not place.has_reached(end):
        alive()
        dump.feed.begin(deadline=time.monotonic() + _WAIT, until=math.inf, max_rows=_AT_ONCE)
        with suppress(Pause):
            event = dump.next()
            if isinstance(event, QueryEvent):
                schema = event.schema.decode("utf-8", "replace")
                for table in redefined(event.query, schema, database):
                    found.setdefault(table, event.query)
            here = (dump.file, dump.offset)
            still = here == (place.file, place.offset)
            heartbeats += isinstance(event, HeartbeatLogEvent) and still
            if heartbeats > _PATIENCE:
                raise SourceUnavailable("the log ends before where it ended a moment ago", str(end))
        dump.feed.take()
        if dump.file:
            place = Position(start.source, dump.file, dump.offset)
    return found
