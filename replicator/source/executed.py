"""A MySQL's executed GTIDs: where its log ends by them, and whether a position is still in it.

``SHOW MASTER STATUS`` gives file, offset and executed set of one moment. RESET MASTER empties the
set and begins the log anew, and later the same GTIDs mean other transactions: so besides the sets,
the transaction that follows the position in its file must be one that the position has not got.
"""

from __future__ import annotations

import re

import pymysql

from replicator.change import Position
from replicator.errors import PositionLost
from replicator.source.endpoint import Endpoint, translate
from replicator.source.gtids import MySQLGtids, UnknownGtid

_WITH_GTIDS = 5  # columns of SHOW MASTER STATUS
_NEXT = re.compile(r"GTID_NEXT\s*=\s*'([^']+)'")
_NO_SUCH_PLACE = 1220


def executed_at_end(
    connection: pymysql.connections.Connection, endpoint: Endpoint, status: tuple[object, ...]
) -> str:
    """The executed GTIDs in an answer of SHOW MASTER STATUS; "" where they are no position."""
    if len(status) < _WITH_GTIDS or global_variable(connection, endpoint, "gtid_mode") != "ON":
        return ""
    try:
        return str(MySQLGtids(str(status[4])))
    except UnknownGtid:  # tagged ones
        return ""


def check_executed(
    connection: pymysql.connections.Connection, endpoint: Endpoint, start: Position
) -> None:
    """Raise PositionLost where the server has not got what the position has behind it,

    has thrown away what comes behind it, or holds another history at its file and offset.
    """
    ours = MySQLGtids(start.gtid)
    mode = global_variable(connection, endpoint, "gtid_mode")
    if mode != "ON":
        raise PositionLost(
            "the position is a set of GTIDs, and the server no longer keeps them",
            f"{endpoint}: gtid_mode = {mode or 'unknown'}",
            "gtid_mode = ON, or [source] position = file and replicator heal",
        )
    executed = MySQLGtids(untagged(global_variable(connection, endpoint, "gtid_executed")))
    if not executed.covers(ours):
        raise other_log(f"it has executed '{executed}'", start)
    purged = MySQLGtids(untagged(global_variable(connection, endpoint, "gtid_purged")))
    if not ours.covers(purged):
        raise PositionLost(
            "the log cannot be read on from where capture stopped",
            f"{endpoint}: purged is '{purged}', captured up to {start}",
            "replicator heal",
        )
    following = _following(connection, endpoint, start)
    if following is not None and ours.has(following):
        raise other_log(f"at {start.file}:{start.offset} follows {following}", start)


def other_log(how: str, start: Position) -> PositionLost:
    """The log was begun anew, or is another server's."""
    return PositionLost(
        "the server's log is not the one captured so far",
        f"{how}; captured up to {start}",
        "after RESET MASTER or a restored disk: replicator heal",
    )


def untagged(text: str) -> str:
    """Without GTIDs that have a tag: a position by GTID never has them, and each stops us."""
    kept = []
    for part in text.replace("\n", "").split(","):
        ranges = part.strip().split(":")
        tag = next((i for i, r in enumerate(ranges) if i and not r[:1].isdecimal()), len(ranges))
        if tag > 1:
            kept.append(":".join(ranges[:tag]))
    return ",".join(kept)


def _following(
    connection: pymysql.connections.Connection, endpoint: Endpoint, start: Position
) -> str | None:
    """GTID of the transaction at the position's file and offset; None at the file's end, or where

    the file is purged (then the server knows by the sets).
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW BINARY LOGS")
            sizes = {str(row[0]): int(row[1]) for row in cursor.fetchall()}
            if start.offset >= sizes.get(start.file, 0):
                return None
            cursor.execute(
                "SHOW BINLOG EVENTS IN %s FROM %s LIMIT 1", (start.file, max(4, start.offset))
            )
            row = cursor.fetchone()
    except pymysql.MySQLError as error:
        if error.args and error.args[0] == _NO_SUCH_PLACE:
            raise other_log(f"no event begins at {start.file}:{start.offset}", start) from error
        raise translate(error, endpoint) from error
    found = _NEXT.search(str(row[5])) if row else None
    return found[1].lower() if found else None


def global_variable(
    connection: pymysql.connections.Connection, endpoint: Endpoint, name: str
) -> str:
    """A server variable as text; "" where this server has none of that name."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL VARIABLES LIKE %s", (name,))
            row = cursor.fetchone()
    except pymysql.MySQLError as error:
        raise translate(error, endpoint) from error
    return str(row[1]) if row else ""
