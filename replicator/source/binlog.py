"""The source's log as events of ours: changes, commits, rollbacks, in order, from a position on."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime, timezone
from types import TracebackType
from typing import Any, Literal

import pymysql
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication import event as library
from pymysqlreplication.exceptions import MalformedBinLogEvent

from replicator.change import Commit, Event, Position, Rollback
from replicator.errors import PositionLost, SourceMisconfigured, SourceUnavailable, Unsupported
from replicator.model import TABLES
from replicator.source.catalogue import read_catalogue
from replicator.source.decode import TableDecoder
from replicator.source.endpoint import Endpoint, connect, translate
from replicator.source.statements import Meaning, meaning
from replicator.source.tablemap import parse_table_map
from replicator.source.wire import DumpConnection, Feed, Pause, names_of

Mode = Literal["auto", "gtid", "file"]

_STANDALONE = 1
_ANONYMOUS_GTID = 34
_HARMLESS = (
    library.FormatDescriptionEvent,
    library.PreviousGtidsEvent,
    library.StopEvent,
    library.MariadbAnnotateRowsEvent,
    library.MariadbGtidListEvent,
    library.MariadbBinLogCheckPointEvent,
    library.MariadbStartEncryptionEvent,
    library.RowsQueryLogEvent,
    # These three announce a statement; the statement itself decides.
    library.IntvarEvent,
    library.RandEvent,
    library.UserVarEvent,
)
_MAX_GTIDS = 1_000


class BinlogStream:
    """Reads the log from ``start``; a context manager.

    ``start.gtid`` not empty: by MariaDB GTID, else by file and offset. The server's identity must
    be ``start.source``'s. Raises PositionLost, SourceMisconfigured, SourceUnavailable at once where
    it can tell, else from ``poll``.
    """

    def __init__(
        self, endpoint: Endpoint, *, server_id: int, start: Position, heartbeat: float = 30.0
    ) -> None:
        self._endpoint = endpoint
        self._position = start
        self._gtids = parse_gtids(start.gtid)
        self._next_gtid: tuple[int, str] | None = None
        self._inside = False
        self._changes_inside = False
        self._decoders: dict[bytes, TableDecoder | None] = {}
        self._load_catalogue(start)
        self._feed = Feed(endpoint, self._decoder_for, silence=max(3 * heartbeat, 2.0))
        self._connections: list[DumpConnection] = []
        self._reader = BinLogStreamReader(
            connection_settings=endpoint.settings(),
            server_id=server_id,
            pymysql_wrapper=self._connect,
            log_file=start.file or None,
            log_pos=start.offset or None,
            auto_position=start.gtid or None,
            is_mariadb=bool(start.gtid),
            resume_stream=True,
            blocking=True,
            slave_heartbeat=heartbeat,
            filter_non_implemented_events=False,
            enable_logging=False,
        )

    def _connect(self, **settings: Any) -> DumpConnection:
        connection = DumpConnection(self._feed, **settings)
        self._connections.append(connection)
        return connection

    def _load_catalogue(self, start: Position | None = None) -> None:
        with contextlib.closing(connect(self._endpoint)) as connection:
            if start is not None:
                _check_identity(identity(connection, self._endpoint), start)
            self._catalogue = read_catalogue(connection, self._endpoint)
        self._decoders.clear()

    def _decoder_for(self, body: bytes) -> TableDecoder | None:
        if body in self._decoders:
            return self._decoders[body]
        schema, table = names_of(body)
        decoder = None
        if schema == self._endpoint.database and table in TABLES:
            decoder = self._catalogue.decoder(parse_table_map(body))
        self._decoders[body] = decoder
        return decoder

    @property
    def pending(self) -> bool:
        """More of the log is here already."""
        return any(c.dumping and c.readable for c in self._connections)

    def poll(self, max_wait: float, max_rows: int = 10_000) -> list[Event]:
        """What came, in order; [] when nothing came within ``max_wait`` seconds.

        Returns after about ``max_rows`` rows, also inside a transaction. Raises SourceUnavailable,
        SourceMisconfigured, PositionLost, Unsupported; the stream is of no use afterwards.
        """
        found: list[Event] = []
        self._feed.max_rows = max_rows
        self._feed.deadline = time.monotonic() + max_wait
        with contextlib.suppress(Pause):
            while self._feed.rows < max_rows and len(found) < max_rows:
                event = self._next()
                found += self._take_changes()
                found += self._interpret(event)
                if found:
                    self._feed.deadline = 0.0
        found += self._take_changes()
        return found

    def _next(self) -> Any:
        try:
            event = self._reader.fetchone()
        except pymysql.MySQLError as error:
            raise translate(error, self._endpoint) from error
        except (MalformedBinLogEvent, UnicodeDecodeError, IndexError, ValueError) as error:
            raise Unsupported("an event cannot be parsed", repr(error)) from error
        if event is None:
            raise SourceUnavailable("the server ended the stream of its log", str(self._endpoint))
        return event

    def _take_changes(self) -> list[Event]:
        changes, self._feed.changes = self._feed.changes, []
        self._feed.rows = 0
        if changes:
            self._changes_inside = True
        return list(changes)

    def _interpret(self, event: Any) -> list[Event]:
        match event:
            case library.XidEvent():
                return self._commit(event)
            case library.QueryEvent():
                return self._statement(event)
            case library.MariadbGtidEvent():
                self._inside = not event.flags & _STANDALONE
                self._next_gtid = (event.domain_id, event.gtid)
                return []
            case library.GtidEvent():
                return []
            case library.RotateEvent():
                return self._moved(event.next_binlog, event.position, event)
            case library.HeartbeatLogEvent():
                return self._moved(self._reader.log_file, event.packet.log_pos, event)
            case library.NotImplementedEvent() if event.event_type == _ANONYMOUS_GTID:
                return []
        if isinstance(event, _HARMLESS):
            return []
        raise _unsupported_event(event)

    def _commit(self, event: Any) -> list[Event]:
        """A transaction ends here; the position is behind it."""
        if self._next_gtid is not None:
            domain, gtid = self._next_gtid
            self._gtids[domain] = gtid
            self._next_gtid = None
        self._inside = self._changes_inside = False
        self._position = Position(
            self._position.source,
            str(self._reader.log_file),
            int(event.packet.log_pos or self._reader.log_pos),
            format_gtids(self._gtids) if self._position.gtid else "",
        )
        return [Commit(self._position, _when(event.timestamp))]

    def _moved(self, file: str, offset: int, event: Any) -> list[Event]:
        """Nothing was committed, but the log was read further (rotation, heartbeat)."""
        here = (self._position.file, self._position.offset)
        if self._inside or self._changes_inside or not offset or (file, offset) == here:
            return []
        place = Position(self._position.source, file, offset, self._position.gtid)
        if file == self._position.file and offset < self._position.offset:
            return []
        self._position = place
        return [Commit(place, _when(event.timestamp or int(time.time())))]

    def _statement(self, event: Any) -> list[Event]:
        schema = event.schema.decode("utf-8", "replace")
        what = meaning(event.query, schema, self._endpoint.database)
        match what:
            case Meaning.BEGIN:
                self._inside = True
                return []
            case Meaning.SAVEPOINT:
                return []
            case Meaning.COMMIT:
                return self._commit(event)
            case Meaning.ROLLBACK:
                return [Rollback(), *self._commit(event)]
            case Meaning.PARTIAL_ROLLBACK | Meaning.XA if self._changes_inside:
                raise _unsupported_statement(event.query, what)
            case Meaning.DML | Meaning.LOSS:
                raise _unsupported_statement(event.query, what)
            case Meaning.DDL:
                self._load_catalogue()
        return [] if self._inside else self._commit(event)

    def close(self) -> None:
        """End the connections; the server notices at once."""
        with contextlib.suppress(pymysql.MySQLError, OSError):  # nothing can be lost by closing
            self._reader.close()
        for connection in self._connections:
            connection.abort()
        self._connections.clear()

    def __enter__(self) -> BinlogStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def current_position(endpoint: Endpoint, *, mode: Mode) -> Position:
    """Where the log ends now. Raises SourceUnavailable, SourceMisconfigured.

    ``auto``: with a GTID where the server is a MariaDB that has one.
    """
    with contextlib.closing(connect(endpoint)) as connection:
        try:
            source = identity(connection, endpoint)
            with connection.cursor() as cursor:
                cursor.execute("SHOW MASTER STATUS")
                status = cursor.fetchone()
                if status is None:
                    raise SourceMisconfigured(
                        "the binlog is off", str(endpoint), "my.cnf: [mysqld] log_bin = binlog"
                    )
                file, offset = str(status[0]), int(status[1])
                gtid = ""
                if mode != "file" and source.startswith("mariadb-"):
                    cursor.execute("SELECT BINLOG_GTID_POS(%s, %s)", (file, offset))
                    gtid = str((cursor.fetchone() or [""])[0] or "")
        except pymysql.MySQLError as error:
            raise translate(error, endpoint) from error
    if mode == "gtid" and not gtid:
        raise SourceMisconfigured(
            "the server has no MariaDB GTID yet",
            str(endpoint),
            "[source] position = auto (or file); a GTID comes with the first transaction",
        )
    return Position(source, file, offset, gtid)


def identity(connection: pymysql.connections.Connection, endpoint: Endpoint) -> str:
    """The server's identity: its server_uuid (MySQL), or its server_id (MariaDB)."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_uuid','server_id')"
            )
            found = {str(name).lower(): str(value) for name, value in cursor.fetchall()}
    except pymysql.MySQLError as error:
        raise translate(error, endpoint) from error
    if "server_uuid" in found:
        return f"mysql-{found['server_uuid']}"
    return f"mariadb-{found['server_id']}"


def _check_identity(found: str, start: Position) -> None:
    if found != start.source:
        raise PositionLost(
            "this is another server than the one captured so far",
            f"captured from {start.source}, found {found}",
            "if it took the old one's place: replicator heal",
        )


def parse_gtids(text: str) -> dict[int, str]:
    """ "0-17-42,1-1-7" by domain. Raises ValueError."""
    found = {int(gtid.split("-")[0]): gtid for gtid in text.split(",") if gtid}
    if len(found) > _MAX_GTIDS:
        raise ValueError("too many replication domains")
    return found


def format_gtids(gtids: dict[int, str]) -> str:
    """Inverse of ``parse_gtids``, domains in order."""
    return ",".join(gtids[domain] for domain in sorted(gtids))


def _when(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, timezone.utc)


def _unsupported_event(event: Any) -> Unsupported:
    kind = event.event_type
    names = {
        26: ("an INCIDENT event: the server lost changes", "replicator heal"),
        38: ("an XA transaction", "commit without XA; then replicator heal"),
        40: (
            "a compressed transaction",
            "SET GLOBAL binlog_transaction_compression = OFF; -- then replicator heal",
        ),
        165: (
            "a compressed statement",
            "SET GLOBAL log_bin_compress = OFF; -- then replicator heal",
        ),
    }
    what, hint = names.get(kind, ("an event that is not understood", "please report it"))
    return Unsupported(what, f"{type(event).__name__}, event type {kind}", hint)


def _unsupported_statement(query: str, what: Meaning) -> Unsupported:
    shown = query if len(query) <= 200 else query[:200] + "…"
    hints = {
        Meaning.DML: "SET GLOBAL binlog_format = ROW; -- reconnect the loggers, replicator heal",
        Meaning.LOSS: "delete rows with DELETE; `replicator heal` goes on behind it, the rows "
        "stay at the centre",
    }
    return Unsupported(
        f"a statement that cannot be replicated ({what.value})",
        shown,
        hints.get(what, "commit without XA and savepoints over MyISAM; then replicator heal"),
    )
