"""The source's log as events of ours: changes, commits, rollbacks, in order, from a position on.

The rules this file keeps:
  * a position is only ever taken between source transactions, and never lies before the last one;
  * what was read before a fault is handed out first, the fault is raised by the next ``poll``;
  * rows of a transaction whose end never comes (the server died in it) are rolled back;
  * today's catalogue is believed for a stretch of the log only when the stretch redefines nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

from pymysqlreplication import event as library

from replicator.change import Change, Commit, Event, Position, Rollback
from replicator.errors import ReplicatorError, Unsupported
from replicator.source.bounds import Begin, End
from replicator.source.definitions import Definitions, LookAhead
from replicator.source.dump import Dump
from replicator.source.endpoint import Endpoint
from replicator.source.events import HARMLESS
from replicator.source.feed import Pause
from replicator.source.gtids import gtids_of
from replicator.source.place import Mode, current_position
from replicator.source.refusals import (
    refused_event,
    refused_gtid,
    refused_statement,
    refused_xa,
)
from replicator.source.statements import Meaning, meaning
from replicator.source.values import damaged
from replicator.source.xa import PreparedTransactions, Step

__all__ = ["BinlogStream", "Mode", "current_position"]

_NAMELESS = frozenset({34, 42})  # an anonymous GTID, a tagged one
_WORK = 1.0  # seconds that a poll goes on reading beyond its wait, where rows are there


class BinlogStream:
    """Reads the log from ``start``; a context manager.

    ``start.gtid`` not empty: by GTID, else by file and offset. The server's identity must
    be ``start.source``'s. Raises PositionLost, SourceMisconfigured, SourceUnavailable at once where
    it can tell, else from ``poll``. ``alive`` is called while a poll reads ahead, maybe long.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        server_id: int,
        start: Position,
        heartbeat: float = 30.0,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._alive = alive
        self._endpoint = endpoint
        self._server_id = server_id
        self._heartbeat = heartbeat
        self._position = start
        self._gtids = gtids_of(start.source, start.gtid)
        self._xa = PreparedTransactions()
        self._failure: ReplicatorError | None = None
        self._definitions = Definitions(endpoint, start)
        self._dump = self._open()

    def _open(self) -> Dump:
        self._next_gtid: str | None = None
        self._inside = False
        self._changes_inside = False
        return Dump(
            self._endpoint,
            server_id=self._server_id,
            start=self._position,
            heartbeat=self._heartbeat,
            decoder_for=self._definitions.decoder_for,
        )

    def _look_ahead(self) -> None:
        """Read on to where the catalogue was loaded, then again from the last transaction's end."""
        if self._changes_inside:
            raise Unsupported(
                "a transaction whose rows are partly named and partly not",
                str(self._position),
                "do not change binlog_row_metadata while loggers write; then replicator heal",
            )
        self._dump.close()
        self._definitions.look_ahead(self._server_id, self._heartbeat, self._alive)
        self._dump = self._open()

    # --- reading --------------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        """More of the log is here already."""
        return self._failure is None and self._dump.pending

    def poll(self, max_wait: float, max_rows: int = 2_000) -> list[Event]:
        """What came, in order; [] when nothing came within ``max_wait`` seconds.

        Returns after about ``max_rows`` rows, also inside a transaction. Raises SourceUnavailable,
        SourceMisconfigured, PositionLost, Unsupported; the stream is of no use afterwards.
        """
        if self._failure is not None:
            raise self._failure
        found: list[Event] = []
        deadline = time.monotonic() + max_wait
        self._dump.feed.begin(deadline=deadline, until=deadline + _WORK, max_rows=max_rows)
        try:
            self._read(found, max_rows, deadline + _WORK)
        except ReplicatorError as error:
            self._failure = error
            found += self._take()
            if not found:
                raise
        return found

    def _read(self, found: list[Event], max_rows: int, until: float) -> None:
        while self._dump.feed.rows + len(found) < max_rows and time.monotonic() < until:
            try:
                event = self._dump.next()
            except Pause:
                found += self._take()
                return
            except LookAhead:
                found += self._take()
                self._look_ahead()
                self._dump.feed.begin(deadline=0.0, until=until, max_rows=max_rows)
                continue
            found += self._take()
            found += self._interpret(event)
            if found:
                self._dump.feed.deadline = 0.0

    def _take(self) -> list[Event]:
        """What the connection has decoded itself."""
        found: list[Event] = []
        for item in self._dump.feed.take():
            if isinstance(item, Change):
                self._changes_inside = True
                found.append(item)
            elif isinstance(item, End):
                found += self._commit(item.file, item.offset, item.timestamp)
            else:
                found += self._begin(item)
        return found

    # --- meaning --------------------------------------------------------------------------------

    def _interpret(self, event: Any) -> list[Event]:
        match event:
            case library.QueryEvent():
                return self._statement(event)
            case library.GtidEvent():  # MySQL says BEGIN in a statement of its own
                unfinished = self._unfinished()
                self._next_gtid = event.gtid
                return unfinished
            case library.RotateEvent():
                # A transaction never goes on in the next file.
                unfinished = [] if event.next_binlog == self._position.file else self._unfinished()
                return [*unfinished, *self._moved(event.next_binlog, event.position, event)]
            case library.HeartbeatLogEvent():
                return self._moved(self._dump.file, event.packet.log_pos, event)
            case library.XAPrepareEvent():
                return self._prepared(event)
        if event.event_type in _NAMELESS:
            return self._nameless(event)
        if event.event_type in HARMLESS or isinstance(event, library.FormatDescriptionEvent):
            return []
        raise refused_event(event.event_type)

    def _nameless(self, event: Any) -> list[Event]:
        """A transaction begins without a GTID, or with one that we do not keep."""
        if self._position.gtid:
            raise refused_gtid(event.event_type)
        return self._unfinished()

    def _prepared(self, event: Any) -> list[Event]:
        if event.one_phase:
            return self._commit_at(event)
        if self._changes_inside:
            raise refused_xa("XA PREPARE", "its rows may yet be rolled back")
        self._xa.prepared()
        return self._commit_at(event)

    def _xa_statement(self, event: Any) -> list[Event]:
        match self._xa.step(event.query):
            case Step.INSIDE:
                self._inside = True
                return []
            case Step.UNKNOWN:
                raise refused_xa(event.query, "it was prepared before capture began to read here")
        return self._commit_at(event)

    def _unfinished(self) -> list[Event]:
        """The transaction before has no end: the server died while it wrote it."""
        found: list[Event] = [Rollback()] if self._changes_inside else []
        self._inside = self._changes_inside = False
        self._next_gtid = None
        return found

    def _begin(self, begin: Begin) -> list[Event]:
        """A transaction of a MariaDB begins here."""
        unfinished = self._unfinished()
        self._inside = not begin.standalone
        self._next_gtid = begin.gtid
        return unfinished

    def _commit(self, file: str, offset: int, timestamp: int) -> list[Event]:
        """A transaction ends here; the position is behind it."""
        self._count_gtid()
        self._inside = self._changes_inside = False
        gtids = str(self._gtids) if self._position.gtid else ""
        place = Position(self._position.source, file, offset, gtids)
        self._position = self._definitions.position = place
        return [Commit(place, _when(timestamp))]

    def _commit_at(self, event: Any) -> list[Event]:
        offset = int(event.packet.log_pos or self._dump.offset)
        return self._commit(self._dump.file, offset, event.timestamp)

    def _count_gtid(self) -> None:
        gtid, self._next_gtid = self._next_gtid, None
        if gtid is None or not self._position.gtid:
            return
        try:
            self._gtids.add(gtid)
        except ValueError as error:
            raise damaged("a GTID that is none", gtid) from error

    def _moved(self, file: str, offset: int, event: Any) -> list[Event]:
        """Nothing was committed, but the log was read further (rotation, heartbeat)."""
        if "/" in file:
            raise damaged("a log file that has no such name", file)
        place = Position(self._position.source, file, offset, self._position.gtid)
        if self._inside or self._changes_inside or self._position.has_reached(place):
            return []
        self._position = self._definitions.position = place
        return [Commit(place, _when(event.timestamp or int(time.time())))]

    def _statement(self, event: Any) -> list[Event]:
        schema = event.schema.decode("utf-8", "replace")
        what = meaning(event.query, schema, self._endpoint.database)
        match what:
            case Meaning.BEGIN:
                unfinished = self._unfinished() if self._next_gtid is None else []
                self._inside = True
                return unfinished
            case Meaning.SAVEPOINT:
                return []
            case Meaning.COMMIT:
                return self._commit_at(event)
            case Meaning.ROLLBACK:
                return [Rollback(), *self._commit_at(event)]
            case Meaning.XA:
                return self._xa_statement(event)
            case Meaning.PARTIAL_ROLLBACK if self._changes_inside:
                raise refused_statement(event.query, what)
            case Meaning.DML | Meaning.LOSS:
                raise refused_statement(event.query, what)
            case Meaning.DDL:
                self._definitions.load()
        return [] if self._inside else self._commit_at(event)

    def close(self) -> None:
        """End the connections; the server notices at once."""
        self._dump.close()

    def __enter__(self) -> BinlogStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _when(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, timezone.utc)
