"""How capture and delivery went: a sample a minute in each file, thinned to one an hour, bounded.

The rule this file keeps: a sample is only an observation. Where it cannot be written (a full disk,
a lock) that is said once, and nobody stops for it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlite_utils import Database

from replicator.errors import OutboxError
from replicator.outbox.clock import parse, text
from replicator.outbox.reader import OutboxReader
from replicator.outbox.retention import used_bytes
from replicator.outbox.store import (
    OUTBOX_FILE,
    connect_readonly,
    destination_file,
    immediate,
    translated,
)

EVERY_SECONDS = 60.0
MINUTES_KEPT = timedelta(hours=26)
HOURS_KEPT = timedelta(days=60)
_MOST = 5_000  # more than all of these; where a clock was set to and fro

_OF_CAPTURE = "minute, rows_captured, committed_at, lag_seconds, bytes, taken_at"
_OF_DELIVERY = (
    "minute, rows_settled, rows_delivered, waiting_rows, lag_seconds, parked_rows, requests, "
    "bytes_sent, taken_at"
)
_THIN = "DELETE FROM history WHERE minute < ?2 OR (minute < ?1 AND hourly = 0)"
_BOUND = """
DELETE FROM history
 WHERE minute <= (SELECT minute FROM history ORDER BY minute DESC LIMIT 1 OFFSET ?)
"""


@dataclass(frozen=True, slots=True)
class CaptureSample:
    """Tail at a ``minute`` (ISO 8601, UTC).

    ``rows_captured``  ever
    ``committed_at``   commit time of the last transaction read
    ``lag_seconds``    at most so far behind the source
    ``bytes``          of the outbox, as its budget counts them
    ``taken_at``       the very moment
    """

    minute: str
    rows_captured: int
    committed_at: str
    lag_seconds: float
    bytes: int
    taken_at: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One destination's ship at a ``minute`` (ISO 8601, UTC).

    ``rows_settled``    ever: delivered or parked; less than before after a rewind
    ``rows_delivered``, ``requests``, ``bytes_sent``  ever; what is sent again counts again
    ``lag_seconds``     age of the oldest row that waits, 0 where none does
    ``parked_rows``     blocked and rejected
    ``taken_at``        the very moment
    """

    minute: str
    rows_settled: int
    rows_delivered: int
    waiting_rows: int
    lag_seconds: float
    parked_rows: int
    requests: int
    bytes_sent: int
    taken_at: str


_CAPTURED = "SELECT row_total, committed_at FROM capture"
_SETTLED = """
SELECT seq, row_total, delivered, requests, bytes,
       (SELECT count(*) FROM parked WHERE kind IN ('blocked', 'rejected'))
  FROM cursor, total
"""


def capture_sample(
    database: Database, folder: Path, caught_up_at: datetime | None, now: datetime
) -> CaptureSample:
    """Of tail's file, which has begun. ``caught_up_at``: when the source last had no more."""
    rows, committed_at = database.conn.execute(_CAPTURED).fetchone()
    at_least = max(filter(None, (parse(committed_at), caught_up_at)))
    lag = max(0.0, (now - at_least).total_seconds())
    used = used_bytes(folder, database)
    return CaptureSample(minute_of(now), rows, committed_at, lag, used, text(now))


def delivery_sample(database: Database, outbox: OutboxReader, now: datetime) -> Sample:
    """Of a destination's file, and what the outbox has for it."""
    row = database.conn.execute(_SETTLED).fetchone()
    seq, settled, delivered, requests, sent, parked = row
    waiting = max(0, outbox.rows_captured() - settled)
    oldest = outbox.oldest_after(seq) if waiting else None
    lag = max(0.0, (now - parse(oldest)).total_seconds()) if oldest else 0.0
    counts = (settled, delivered, waiting, lag, parked, requests, sent)
    return Sample(minute_of(now), *counts, text(now))


class History:
    """Writes the samples of one file. The caller is that file's writer."""

    def __init__(
        self, database: Database, path: Path, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection: sqlite3.Connection = database.conn
        self._path = path
        self._monotonic = monotonic
        self._due = monotonic()
        self._failing = False

    @property
    def due(self) -> bool:
        """A minute has passed since the last sample."""
        return self._monotonic() >= self._due

    def keep(self, now: datetime, take: Callable[[], CaptureSample | Sample]) -> str:
        """Take a sample and keep it; what went wrong, where it did not the last time, or ""."""
        self._due = self._monotonic() + EVERY_SECONDS
        try:
            with translated(self._path):
                sample = take()
                with immediate(self._connection):
                    self._write(sample, now)
        except OutboxError as error:  # an observation; whoever must write here meets it as well
            news, self._failing = not self._failing, True
            return f"a sample for the history is lost: {error}" if news else ""
        self._failing = False
        return ""

    def _write(self, sample: CaptureSample | Sample, now: datetime) -> None:
        columns = _OF_CAPTURE if isinstance(sample, CaptureSample) else _OF_DELIVERY
        values = astuple(sample)
        marks = ", ".join(f"?{number}" for number in range(1, len(values) + 1))
        self._connection.execute(
            f"INSERT OR REPLACE INTO history (hourly, {columns}) SELECT NOT EXISTS "  # noqa: S608  # constants
            "(SELECT 1 FROM history WHERE minute >= substr(?1, 1, 13) AND minute < ?1), "
            f"{marks}",
            values,
        )
        self._connection.execute(_THIN, (text(now - MINUTES_KEPT), text(now - HOURS_KEPT)))
        self._connection.execute(_BOUND, (_MOST,))


def minute_of(moment: datetime) -> str:
    """The minute a moment is in, as samples have it."""
    return text(moment.replace(second=0, microsecond=0))


def read_history(folder: Path, destination: str, since: datetime) -> Sequence[Sample]:
    """A destination's samples from a moment on, oldest first; of a copied or read-only file too.

    Empty where the file is not there or its schema is older. Raises OutboxError.
    """
    rows = _read(folder / destination_file(destination), _OF_DELIVERY, since)
    return [Sample(*row) for row in rows]


def read_captures(folder: Path, since: datetime) -> Sequence[CaptureSample]:
    """Tail's samples; else as ``read_history``."""
    return [CaptureSample(*row) for row in _read(folder / OUTBOX_FILE, _OF_CAPTURE, since)]


def _read(path: Path, columns: str, since: datetime) -> list[tuple]:  # type: ignore[type-arg]  # rows as SQLite gives them
    if not path.exists():
        return []
    with translated(path), contextlib.closing(connect_readonly(path)) as connection:
        there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'history'").fetchone()
        if there is None:
            return []
        return connection.execute(
            f"SELECT {columns} FROM history WHERE minute >= ? ORDER BY minute",  # noqa: S608  # constants
            (text(since),),
        ).fetchall()
