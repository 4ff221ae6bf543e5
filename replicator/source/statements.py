"""What a statement in the log means for replication. Pure.

In a row binlog statements are transaction control, DDL and administration. DML as text
(binlog_format STATEMENT or MIXED) has no rows: where it may touch a replicated table it stops us.
So does what changes, replaces or removes a replicated table's rows without row events.
"""

from __future__ import annotations

import re
from enum import Enum

from replicator.model import TABLES


class Meaning(Enum):
    """``DDL``: a replicated table's definition may have changed; ``LOSS``: so may its rows."""

    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    SAVEPOINT = "savepoint"
    PARTIAL_ROLLBACK = "rollback to savepoint"
    XA = "xa"
    DML = "rows as text"
    LOSS = "rows removed or replaced without row events"
    DDL = "ddl"
    OTHER = "other"


_COMMENT = re.compile(r"/\*(?!!|M!).*?\*/|^\s*(?:--|#)[^\n]*\n", re.DOTALL | re.MULTILINE)
_WORD = re.compile(r"[A-Za-z]+")
_DML = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH"})
# These are only in the log when a stored function changed rows.
_FUNCTIONS = frozenset({"SELECT", "DO", "CALL"})
_DDL = frozenset({"CREATE", "ALTER", "RENAME", "DROP"})
_NAMES = re.compile(
    r"(?:(`[^`]+`|\"[^\"]+\"|[\w$]+)\s*\.\s*)?"
    r"(?<![\w$])[`\"]?(" + "|".join(TABLES) + r")(?![\w$])",
    re.IGNORECASE,
)
_CANONICAL = {name.lower(): name for name in TABLES}
_LOSSES = re.compile(
    r"TRUNCATE\b"
    r"|DROP\s+TABLES?\b"
    r"|RENAME\s+TABLES?\b"
    r"|CREATE\s+OR\s+REPLACE\s+TABLE\b"
    r"|ALTER\s+(?:ONLINE\s+)?IGNORE\b"
    r"|ALTER\s.*\bRENAME\b(?!\s*(?:COLUMN|INDEX|KEY)\b)"
    r"|ALTER\s.*\b(?:DROP|TRUNCATE|EXCHANGE|DISCARD|IMPORT|CONVERT)\s+(?:PARTITION|TABLESPACE)\b"
    r"|ALTER\s.*\bCONVERT\s+TABLE\b",
    re.IGNORECASE | re.DOTALL,
)
_FILLED = re.compile(r"CREATE\s+TABLE\b.*\bSELECT\b", re.IGNORECASE | re.DOTALL)
_PREFIXED = re.compile(r"SET\s+STATEMENT\b", re.IGNORECASE)
_BEHIND_PREFIX = re.compile(r"\bFOR\s+", re.IGNORECASE)
_TEMPORARY = re.compile(r"(?:CREATE|DROP)\b[^`\"(]*\bTEMPORARY\b", re.IGNORECASE)


def meaning(query: str, schema: str, database: str) -> Meaning:
    """The meaning of a statement run with ``schema`` as default, for replicating ``database``."""
    text = _COMMENT.sub(" ", query).strip()
    if _PREFIXED.match(text):
        return _prefixed(text, schema, database)
    match = _WORD.search(text)
    first = match[0].upper() if match else ""
    control = _control(first, text.upper())
    if control is not None:
        return control
    if _drops_database(text, database):
        return Meaning.LOSS
    if first in _FUNCTIONS:
        return Meaning.DML if _mentions(text, schema, database) else Meaning.OTHER
    return _of_table(first, text) if _named(text, schema, database) else Meaning.OTHER


def _prefixed(text: str, schema: str, database: str) -> Meaning:
    """Behind SET STATEMENT settings FOR; a FOR inside the settings may stop too much."""
    for place in _BEHIND_PREFIX.finditer(text):
        found = meaning(text[place.end() :], schema, database)
        if found in (Meaning.DML, Meaning.LOSS, Meaning.DDL):
            return found
    return Meaning.OTHER


def redefined(query: str, schema: str, database: str) -> frozenset[str]:
    """The replicated tables whose definition a statement may change."""
    what = meaning(query, schema, database)
    if what not in (Meaning.DDL, Meaning.LOSS):
        return frozenset()
    return _named(query, schema, database) or frozenset(TABLES)  # DROP DATABASE names none


def _of_table(first: str, text: str) -> Meaning:
    if _TEMPORARY.match(text):
        return Meaning.OTHER
    if first in _DML or _FILLED.match(text):
        return Meaning.DML
    if _LOSSES.match(text):
        return Meaning.LOSS
    return Meaning.DDL if first in _DDL else Meaning.OTHER


def _named(text: str, schema: str, database: str) -> frozenset[str]:
    """Replicated tables named; a name without a database before it is the default one's."""
    return frozenset(
        _CANONICAL[name.lower()]
        for qualifier, name in _NAMES.findall(text)
        if (qualifier.strip('`"') or schema) == database
    )


def _mentions(text: str, schema: str, database: str) -> bool:
    name = re.escape(database)
    return schema == database or bool(re.search(rf'(?<![\w$])[`"]?{name}[`"]?\s*\.', text))


def _drops_database(text: str, database: str) -> bool:
    name = re.escape(database)
    return bool(
        re.match(
            rf'DROP\s+(?:DATABASE|SCHEMA)\s+(?:IF\s+EXISTS\s+)?[`"]?{name}[`"]?(?![\w$])',
            text,
            re.IGNORECASE,
        )
    )


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
