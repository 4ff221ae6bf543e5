"""Where a transaction begins and ends in the log, decoded here because every transaction has both.

GTID of MariaDB: https://mariadb.com/kb/en/gtid_event/ · XID: https://mariadb.com/kb/en/xid_event/
The library builds several objects for each event it parses; these two, table maps and rows are all
that a station's log consists of.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from replicator.source.values import damaged

XID, MARIADB_GTID = 16, 162
STANDALONE = 1
_GTID = struct.Struct("<QIB")


@dataclass(frozen=True, slots=True)
class Begin:
    """``standalone``: one statement that needs no end (DDL)."""

    gtid: str
    standalone: bool


@dataclass(frozen=True, slots=True)
class End:
    """A transaction is committed. ``file``, ``offset``: behind it; ``timestamp``: Unix seconds."""

    file: str
    offset: int
    timestamp: int


def begin_of(server: int, body: bytes) -> Begin:
    """From a GTID event's body and its header's server id. Raises Unsupported."""
    try:
        sequence, domain, flags = _GTID.unpack_from(body)
    except struct.error as error:
        raise damaged("a GTID event is cut off", body.hex()) from error
    return Begin(f"{domain}-{server}-{sequence}", bool(flags & STANDALONE))
