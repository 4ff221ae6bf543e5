"""Values of capture: where we are in the source's log, and what happened there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

# One cell in canonical JSON form (docs/values.md): integers as int, FLOAT/DOUBLE as float,
# DATETIME as ISO 8601 text without zone, DECIMAL and text as str, binary as base64 text.
Value = None | int | float | str
Row = tuple[Value, ...]


class Op(str, Enum):
    """What happened to the rows. ``SNAPSHOT``: read from the table, not from the log."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in one source's log, after a whole transaction.

    ``source``  identity of the server ("mariadb-17", "mysql-<uuid>"), no "/".
    ``file``, ``offset``  binlog file name and byte offset of the next event; "" and 0 when unknown.
    ``gtid``    GTID state up to and including this transaction ("0-1-42" / "0-1-42,1-1-7"),
                "" where the server has none or file positions are configured.

    Only ``source`` looks inside; everyone else stores and compares the text.
    """

    source: str
    file: str
    offset: int
    gtid: str = ""

    def __str__(self) -> str:
        return f"{self.source}/{self.file}:{self.offset}/{self.gtid}"

    def has_reached(self, other: Position) -> bool:
        """At or behind ``other`` in the same source's log, by file and offset."""
        here = (len(self.file), self.file, self.offset)
        return here >= (len(other.file), other.file, other.offset)

    @classmethod
    def parse(cls, text: str) -> Position:
        """Inverse of ``str``. Raises ValueError for anything else."""
        source, log, gtid = text.split("/", 2)
        file, _, offset = log.rpartition(":")
        return cls(source, file, int(offset), gtid)


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one table and one operation, consecutive within a source transaction.

    ``rows``  one tuple a row, cells in the order of ``columns``. After-images; for ``DELETE`` the
              before-images. An update that changes a key arrives as a delete and an insert.
    """

    table: str
    op: Op
    columns: tuple[str, ...]
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Commit:
    """The end of a source transaction: ``position`` is after it, ``at`` its commit time (UTC).

    Without changes before it, it only says that the log was read this far.
    """

    position: Position
    at: datetime


@dataclass(frozen=True, slots=True)
class Rollback:
    """The changes since the last Commit or Rollback never happened."""


Event = Change | Commit | Rollback
