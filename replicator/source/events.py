"""Every kind of event that a MySQL or MariaDB binlog may hold, and what capture does with it.

Codes: ``Log_event_type`` in the servers' sources (MySQL 9: libs/mysql/binlog/event/binlog_event.h,
MariaDB 12: sql/log_event.h). docs/events.md shows this table with reasons; a code that is not in it
is refused. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class Treatment(Enum):
    """``READ``: capture acts on it; ``HARMLESS``: nothing of it concerns replicated rows."""

    READ = "read"
    HARMLESS = "harmless"
    REFUSED = "refused"


_READ = {
    2: "QUERY",
    4: "ROTATE",
    15: "FORMAT_DESCRIPTION",
    16: "XID",
    18: "EXECUTE_LOAD_QUERY",
    19: "TABLE_MAP",
    23: "WRITE_ROWS_V1",
    24: "UPDATE_ROWS_V1",
    25: "DELETE_ROWS_V1",
    27: "HEARTBEAT",
    30: "WRITE_ROWS",
    31: "UPDATE_ROWS",
    32: "DELETE_ROWS",
    33: "GTID",
    34: "ANONYMOUS_GTID",
    38: "XA_PREPARE",
    40: "TRANSACTION_PAYLOAD",
    42: "GTID_TAGGED",
    162: "MARIADB_GTID",
    165: "QUERY_COMPRESSED",
    166: "WRITE_ROWS_COMPRESSED_V1",
    167: "UPDATE_ROWS_COMPRESSED_V1",
    168: "DELETE_ROWS_COMPRESSED_V1",
    169: "WRITE_ROWS_COMPRESSED",
    170: "UPDATE_ROWS_COMPRESSED",
    171: "DELETE_ROWS_COMPRESSED",
}
_HARMLESS = {
    3: "STOP",
    5: "INTVAR",
    9: "APPEND_BLOCK",
    11: "DELETE_FILE",
    13: "RAND",
    14: "USER_VAR",
    17: "BEGIN_LOAD_QUERY",
    28: "IGNORABLE",
    29: "ROWS_QUERY",
    35: "PREVIOUS_GTIDS",
    36: "TRANSACTION_CONTEXT",
    37: "VIEW_CHANGE",
    41: "HEARTBEAT_V2",
    160: "ANNOTATE_ROWS",
    161: "BINLOG_CHECKPOINT",
    163: "GTID_LIST",
    164: "START_ENCRYPTION",
}
_REFUSED = {
    1: "START_V3",
    6: "LOAD",
    7: "SLAVE",
    8: "CREATE_FILE",
    10: "EXEC_LOAD",
    12: "NEW_LOAD",
    20: "PRE_GA_WRITE_ROWS",
    21: "PRE_GA_UPDATE_ROWS",
    22: "PRE_GA_DELETE_ROWS",
    26: "INCIDENT",
    39: "PARTIAL_UPDATE_ROWS",
    172: "PARTIAL_ROW_DATA",
}

EVENTS: Mapping[int, tuple[str, Treatment]] = MappingProxyType(
    {
        **{code: (name, Treatment.READ) for code, name in _READ.items()},
        **{code: (name, Treatment.HARMLESS) for code, name in _HARMLESS.items()},
        **{code: (name, Treatment.REFUSED) for code, name in _REFUSED.items()},
    }
)
HARMLESS = frozenset(_HARMLESS)


def name_of(code: int) -> str:
    """The kind's name; "unknown" for a code that no server of today writes."""
    return EVENTS[code][0] if code in EVENTS else "unknown"
