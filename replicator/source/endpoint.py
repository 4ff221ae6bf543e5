"""Where the station's database is, and what its errors mean to us."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any

import pymysql

from replicator.errors import (
    PositionLost,
    ReplicatorError,
    SourceMisconfigured,
    SourceUnavailable,
)

_LINK = frozenset({2002, 2003, 2005, 2006, 2013, 2055, 1053, 1040, 1129, 1927, 4031})
_LOGIN = frozenset({1045, 1044, 1698, 2058, 2059})
_GRANT = frozenset({1227, 1142, 1143, 1370})
_SCHEMA = frozenset({1049, 1146, 1054})
_TLS = 2026
_OTHER_REPLICA = frozenset({4052})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``unix_socket`` goes before ``host`` and ``port``; seconds; ``ssl_ca``: a PEM file."""

    host: str
    port: int
    unix_socket: str | None
    user: str
    password: str = field(repr=False)
    database: str
    connect_timeout: float = 10.0
    read_timeout: float = 90.0
    ssl_ca: str | None = None

    def settings(self) -> dict[str, Any]:
        """Keyword arguments for a PyMySQL connection."""
        settings: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "charset": "utf8mb4",
            "autocommit": True,
            "connect_timeout": max(1, int(self.connect_timeout)),
            "read_timeout": max(1, int(self.read_timeout)),
            "write_timeout": max(1, int(self.read_timeout)),
        }
        if self.unix_socket:
            settings["unix_socket"] = self.unix_socket
        if self.ssl_ca:
            settings["ssl"] = _trusting(self.ssl_ca)
        elif self.unix_socket:
            settings["ssl_disabled"] = True  # setting TLS up costs 50 ms of CPU a connection
        return settings

    def __str__(self) -> str:
        return f"{self.user}@{self.unix_socket or f'{self.host}:{self.port}'}"


def connect(endpoint: Endpoint, **more: Any) -> pymysql.connections.Connection:
    """A plain connection. Raises SourceUnavailable or SourceMisconfigured."""
    try:
        return pymysql.connect(**{**endpoint.settings(), **more})
    except pymysql.MySQLError as error:
        raise translate(error, endpoint) from error
    except RuntimeError as error:  # PyMySQL's, where it lacks a package
        raise SourceMisconfigured(
            "the login needs a package that is not installed",
            f"{endpoint}: {error}",
            "pip install 'PyMySQL[rsa]' (caching_sha2_password without TLS), or [source] ssl_ca, "
            "or unix_socket",
        ) from error


def _trusting(ssl_ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ssl_ca)
    except OSError as error:  # an SSLError is one too
        raise SourceMisconfigured(
            "the certificate to trust cannot be read",
            f"{ssl_ca}: {error}",
            "[source] ssl_ca is a PEM file with the CA's certificate",
        ) from error


def translate(error: Exception, endpoint: Endpoint) -> ReplicatorError:
    """Our error for one of PyMySQL's, by its code and text (texts checked on MariaDB 10.11)."""
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    said = f"{endpoint}: ({code}) {text}"
    if code == 1236 or code in _OTHER_REPLICA:
        return _log_error(text, said, code)
    if code in _LOGIN:
        return SourceMisconfigured(
            "the database does not let us in",
            said,
            "[source] user and password; CREATE USER replicator@localhost IDENTIFIED BY '…'",
        )
    if code == _TLS or (code in _LINK and "certificate" in text.lower()):
        return SourceMisconfigured(
            "no encrypted link to the station's database that we could trust",
            said,
            "[source] ssl_ca must have signed the server's certificate, host be its name, and "
            "the server be set up with ssl_cert and ssl_key; see SHOW VARIABLES LIKE 'have_ssl'",
        )
    if code in _GRANT:
        return SourceMisconfigured("a grant is missing", said, grants(endpoint))
    if code in _SCHEMA:
        return SourceMisconfigured(
            "the database has not got what should be replicated", said, "[source] database"
        )
    if code in _LINK or isinstance(error, pymysql.err.InterfaceError | pymysql.err.InternalError):
        return SourceUnavailable(
            "the station's database cannot be reached", said, "is it running? [source] host, port"
        )
    return SourceUnavailable(
        "the station's database answered with an error", said, "see the server's error log"
    )


def grants(endpoint: Endpoint) -> str:
    """The statements that give the user what capture needs."""
    user = f"'{endpoint.user}'@'localhost'"
    return (
        f"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO {user};  "
        f"-- MySQL: REPLICATION CLIENT instead of BINLOG MONITOR\n"
        f"GRANT SELECT ON `{endpoint.database}`.* TO {user};"
    )


def _log_error(text: str, said: str, code: int) -> ReplicatorError:
    lowered = text.lower()
    if code in _OTHER_REPLICA or "server_uuid/server_id" in lowered or "same server" in lowered:
        return SourceMisconfigured(
            "another replica uses our server_id",
            said,
            "[source] server_id must be unique among all replicas of this server",
        )
    if "binary log is not open" in lowered:
        return SourceMisconfigured(
            "the binlog is off", said, "my.cnf: [mysqld] log_bin = binlog, then restart"
        )
    return PositionLost(
        "the log cannot be read on from where capture stopped", said, "replicator heal"
    )
