"""What is asked of the station's database beside its settings for the log (source.inspect)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

import pymysql

from replicator.model import TABLES
from replicator.source.endpoint import Endpoint, connect, translate

_ENGINES = "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
_DUMPS = """
SELECT COUNT(*) FROM information_schema.PROCESSLIST
WHERE COMMAND LIKE 'Binlog Dump%%' AND USER = SUBSTRING_INDEX(CURRENT_USER(), '@', 1)
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """The answers.

    ``account``   "user@host" as the server has us
    ``offset``    seconds that its default time zone is ahead of UTC
    ``ahead``     seconds that its clock is ahead of ours
    ``replicas``  server_ids of registered readers; None: we may not ask
    ``dumps``     readers of the log that are logged in as our user
    """

    variables: Mapping[str, str]
    grants: str
    account: str
    engines: Mapping[str, str]
    offset: float
    ahead: float
    replicas: tuple[int, ...] | None
    dumps: int


def ask(endpoint: Endpoint) -> Facts:
    """Raises SourceUnavailable, SourceMisconfigured."""
    with contextlib.closing(connect(endpoint)) as connection:
        try:
            with connection.cursor() as cursor:
                return _asked(cursor, endpoint.database)
        except pymysql.MySQLError as error:
            raise translate(error, endpoint) from error


def _asked(cursor: pymysql.cursors.Cursor, database: str) -> Facts:
    cursor.execute("SHOW GLOBAL VARIABLES")
    variables = {str(name).lower(): str(value) for name, value in cursor.fetchall()}
    cursor.execute("SHOW GRANTS")
    grants = "\n".join(str(row[0]) for row in cursor.fetchall())
    cursor.execute("SELECT CURRENT_USER(), TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW())")
    account, offset = cursor.fetchone() or ("", 0)
    cursor.execute("SELECT UTC_TIMESTAMP(6)")
    (there,) = cursor.fetchone() or (None,)
    here = datetime.now(timezone.utc).replace(tzinfo=None)
    ahead = (there - here).total_seconds() if isinstance(there, datetime) else 0.0
    cursor.execute(_ENGINES, (database,))
    engines = {str(t): str(engine) for t, engine in cursor.fetchall() if t in TABLES}
    cursor.execute(_DUMPS.replace("%%", "%"))
    (dumps,) = cursor.fetchone() or (0,)
    replicas = _replicas(cursor)
    return Facts(
        variables, grants, str(account), engines, float(offset), ahead, replicas, int(dumps)
    )


def _replicas(cursor: pymysql.cursors.Cursor) -> tuple[int, ...] | None:
    for statement in ("SHOW SLAVE HOSTS", "SHOW REPLICAS"):
        try:
            cursor.execute(statement)
        except pymysql.MySQLError:  # no grant to ask, or not this server's word for it
            continue
        return tuple(int(row[0]) for row in cursor.fetchall())
    return None
