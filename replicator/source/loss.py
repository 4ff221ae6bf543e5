"""What became of the log behind a position that cannot be read on from."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import Enum

import pymysql

from replicator.change import Position
from replicator.errors import PositionLost
from replicator.source.endpoint import Endpoint, connect
from replicator.source.executed import global_variable, untagged
from replicator.source.gtids import MariaDBGtids, MySQLGtids
from replicator.source.place import check_start, identity, log_end, log_files


class Log(str, Enum):
    """The log now, beside the one the position was taken from."""

    GOES_ON = "goes on"  # nothing says that it is another one
    PURGED = "purged"  # the same one, which has lost its beginning
    SHORTER = "shorter"  # ends before the position: begun anew, or older
    OTHER = "other"  # another history at the position
    OTHER_SERVER = "other server"


@dataclass(frozen=True, slots=True)
class Loss:
    """``found``: in words, what is there now."""

    log: Log
    found: str


def assess(endpoint: Endpoint, start: Position) -> Loss:
    """Look at the log that ``start`` should be in. Raises SourceUnavailable, SourceMisconfigured.

    It cannot tell RESET MASTER from a restored older disk: both leave a shorter log, or another.
    """
    with contextlib.closing(connect(endpoint)) as connection:
        source = identity(connection, endpoint)
        if source != start.source:
            return Loss(Log.OTHER_SERVER, f"the server is {source}, it was {start.source}")
        file, offset = log_end(connection, endpoint)
        end = Position(source, file, offset)
        if start.file and not end.has_reached(start):
            return Loss(Log.SHORTER, f"the log ends at {file}:{offset}")
        files = log_files(connection, endpoint)
        if start.file in files:
            try:
                check_start(connection, endpoint, start)
            except PositionLost as lost:
                return Loss(Log.OTHER, lost.detail)
            return Loss(Log.GOES_ON, f"{start.file} is there")
        if start.gtid and not _covers(_executed(connection, endpoint, source), start):
            return Loss(Log.OTHER, f"its GTIDs are not those of {start}")
        return Loss(Log.PURGED, f"the log begins with {next(iter(files), 'no file')} now")


def _executed(connection: pymysql.connections.Connection, endpoint: Endpoint, source: str) -> str:
    name = "gtid_executed" if source.startswith("mysql-") else "gtid_binlog_pos"
    return global_variable(connection, endpoint, name)


def _covers(executed: str, start: Position) -> bool:
    """The server has executed everything that the position has behind it."""
    try:
        if start.source.startswith("mysql-"):
            return MySQLGtids(untagged(executed)).covers(MySQLGtids(start.gtid))
        there, ours = MariaDBGtids(executed).last, MariaDBGtids(start.gtid).last
        return all(
            domain in there and _number(there[domain]) >= _number(ours[domain]) for domain in ours
        )
    except ValueError:  # a GTID that we cannot read is none that we have captured
        return False


def _number(gtid: str) -> int:
    return int(gtid.rsplit("-", 1)[1])
