"""What a statement in the log means for replication. Pure.

In a row binlog statements are transaction control, DDL and administration. DML as text
(binlog_format STATEMENT or MIXED) has no rows: where it may touch a replicated table it stops us.
"""

from __future__ import annotations

import re
from enum import Enum

from replicator.model import TABLES


class Meaning(Enum):
    """``DDL``: a replicated table's definition may have changed."""

    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    SAVEPOINT = "savepoint"
    PARTIAL_ROLLBACK = "rollback to savepoint"
    XA = "xa"
    DML = "rows as text"
    LOSS = "truncate or drop"
    DDL = "ddl"
    OTHER = "other"


_COMMENT = re.compile(r"/\*(?!!|M!).*?\*/|^\s*(?:--|#)[^\n]*\n", re.DOTALL | re.MULTILINE)
_WORD = re.compile(r"[A-Za-z]+")
_DML = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH"})
_DDL = frozenset({"CREATE", "ALTER", "RENAME"})
_NAMES = re.compile(r"(?<![\w$])`?(" + "|".join(TABLES) + r")`?(?![\w$])", re.IGNORECASE)


def meaning(query: str, schema: str, database: str) -> Meaning:
    """The meaning of a statement run with ``schema`` as default, for replicating ``database``."""
    text = _COMMENT.sub(" ", query).strip()
    match = _WORD.search(text)
    first = match[0].upper() if match else ""
    control = _control(first, text.upper())
    if control is not None:
        return control
    ours = schema == database or re.search(rf"(?<![\w$])`?{re.escape(database)}`?\s*\.", text)
    if not ours or not _NAMES.search(text):
        return Meaning.OTHER
    if first in _DML:
        return Meaning.DML
    if first == "TRUNCATE" or (
        first == "DROP" and not re.match(r"DROP\s+(INDEX|TRIGGER|VIEW)", text, re.I)
    ):
        return Meaning.LOSS
    return Meaning.DDL if first in _DDL or first == "DROP" else Meaning.OTHER


def _control(first: str, upper: str) -> Meaning | None:
    match first:
        case "BEGIN":
            return Meaning.BEGIN
        case "START":
            return Meaning.BEGIN if "TRANSACTION" in upper else None
        case "COMMIT":
            return Meaning.COMMIT
        case "ROLLBACK":
            return Meaning.PARTIAL_ROLLBACK if " TO" in upper else Meaning.ROLLBACK
        case "SAVEPOINT" | "RELEASE":
            return Meaning.SAVEPOINT
        case "XA":
            return Meaning.XA
    return None
