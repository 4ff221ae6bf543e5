"""SQL types that behave alike on SQLite, MariaDB/MySQL and PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeEngine, UserDefinedType

# Hex of a SHA-256. ASCII on MySQL, so that the unique index stays narrow.
HASH = sa.String(64).with_variant(
    mysql.CHAR(64, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
)


def utf8(length: int) -> TypeEngine[str]:
    """Text of any script, compared byte by byte."""
    variant = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(variant, "mysql", "mariadb")


class TimeText(UserDefinedType[str]):
    """A DATETIME of whole seconds that goes in and comes out as ``YYYY-MM-DDTHH:MM:SS``.

    SQLite keeps the text itself, so ordering and equality are those of the text.
    """

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "DATETIME"

    def result_processor(self, dialect: Dialect, _coltype: object) -> Any:
        return None if dialect.name == "sqlite" else _iso


@compiles(TimeText, "postgresql")
def _postgresql_time(*_: Any, **__: Any) -> str:
    return "TIMESTAMP(0)"


def _iso(value: object) -> object:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
