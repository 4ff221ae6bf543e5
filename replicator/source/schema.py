"""Reads the station's catalogue from information_schema."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pymysql

from replicator.model import TABLES
from replicator.source.catalogue import Catalogue
from replicator.source.columns import CatalogueColumn
from replicator.source.endpoint import Endpoint, translate
from replicator.source.labels import listed
from replicator.source.mariadb import ADDRESSES

_COLUMNS = """
SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, CHARACTER_SET_NAME,
       CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s
ORDER BY TABLE_NAME, ORDINAL_POSITION
"""
_KEYS = """
SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE
WHERE TABLE_SCHEMA = %s AND CONSTRAINT_NAME = 'PRIMARY' ORDER BY TABLE_NAME, ORDINAL_POSITION
"""
_CASCADES = """
SELECT TABLE_NAME, CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE
FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = %s
ORDER BY TABLE_NAME, CONSTRAINT_NAME
"""
_VERSIONED = """
SELECT TABLE_NAME FROM information_schema.TABLES
WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'SYSTEM VERSIONED'
"""
_COLLATIONS = """
SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS
WHERE ID IS NOT NULL AND CHARACTER_SET_NAME IS NOT NULL
"""
# MariaDB 10.10 and later: collations for several character sets (uca1400) have their ids here.
_APPLICABLE = """
SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY
"""
_HAS_APPLICABLE = """
SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'information_schema'
AND TABLE_NAME = 'COLLATION_CHARACTER_SET_APPLICABILITY' AND COLUMN_NAME = 'ID'
"""


def read_catalogue(connection: pymysql.connections.Connection, endpoint: Endpoint) -> Catalogue:
    """Read ``endpoint.database``'s. Raises SourceUnavailable, SourceMisconfigured."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_COLUMNS, (endpoint.database,))
            columns: dict[str, list[CatalogueColumn]] = {}
            for row in cursor.fetchall():
                if row[0] in TABLES:
                    columns.setdefault(row[0], []).append(_column(row))
            cursor.execute(_KEYS, (endpoint.database,))
            keys: dict[str, tuple[str, ...]] = {}
            for table, column in cursor.fetchall():
                keys[table] = (*keys.get(table, ()), column)
            cascades = _cascades(cursor, endpoint.database)
            cursor.execute(_VERSIONED, (endpoint.database,))
            versioned = frozenset(str(row[0]) for row in cursor.fetchall())
            charsets = _charsets(cursor)
    except pymysql.MySQLError as error:
        raise translate(error, endpoint) from error
    return Catalogue(endpoint.database, columns, keys, charsets, cascades, versioned)


def _cascades(cursor: pymysql.cursors.Cursor, database: str) -> dict[str, str]:
    cursor.execute(_CASCADES, (database,))
    found: dict[str, str] = {}
    for table, name, on_delete, on_update in cursor.fetchall():
        for event, rule in (("DELETE", on_delete), ("UPDATE", on_update)):
            if rule in ("CASCADE", "SET NULL") and table in TABLES:
                found.setdefault(table, f"{name} ON {event} {rule}")
    return found


def _charsets(cursor: pymysql.cursors.Cursor) -> dict[int, str]:
    """Character sets by collation id."""
    more = _APPLICABLE if cursor.execute(_HAS_APPLICABLE) else _COLLATIONS
    found: dict[int, str] = {}
    for query in (_COLLATIONS, more):
        cursor.execute(query)
        found |= {int(number): str(name) for number, name in cursor.fetchall() if number}
    return found


def _column(row: Sequence[object]) -> CatalogueColumn:
    _, name, data_type, column_type, nullable, charset, octets, precision, scale, fraction = row
    kind = str(data_type).lower()
    whole = str(column_type)
    has_labels = kind in ("enum", "set")
    # Behind the type's own parentheses: labels may hold any word.
    words = "" if has_labels else whole.lower()
    return CatalogueColumn(
        name=str(name),
        data_type=kind,
        unsigned="unsigned" in words,
        nullable=nullable == "YES",
        charset=None if charset is None else str(charset),
        octets=_octets(kind, words, octets),
        precision=_number(precision),
        scale=_number(scale),
        fraction=_number(fraction),
        compressed="compressed" in words,
        labels=listed(whole) if has_labels else (),
        digits=2 if words.startswith("year(2)") else 4,
    )


def _octets(kind: str, words: str, told: object) -> int | None:
    """Most bytes of a text; information_schema does not tell those of an address or a vector."""
    if kind in ADDRESSES:
        return ADDRESSES[kind][0]
    dimensions = re.fullmatch(r"vector\((\d+)\)", words)
    return 4 * int(dimensions[1]) if dimensions else _number(told)


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int) else None
