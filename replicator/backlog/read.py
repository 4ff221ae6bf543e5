"""Reading the backlog from an outbox folder. Every read is bounded, however much waits."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from replicator.backlog.daemons import daemon_of, never_started
from replicator.backlog.losses import forecast_of, gaps_of
from replicator.backlog.rates import rate, rates
from replicator.backlog.shares import shares_of
from replicator.backlog.standing import last_acknowledged_of, parked_of, paused_of
from replicator.backlog.values import (
    Backlog,
    Capture,
    Gap,
    Shares,
    Waiting,
)
from replicator.outbox.clock import parse, text
from replicator.outbox.files import (
    OUTBOX_FILE,
    bytes_used,
    destination_file,
    file_size,
    open_file,
    translated,
)
from replicator.outbox.older import as_newest

_FRESH_SECONDS = 150.0
_FLOWING = ("running", "waiting")
Detail = Literal["none", "quick", "exact"]


def read_backlog(
    folder: Path,
    destinations: Sequence[tuple[str, bool]],
    at: datetime,
    at_text: str,
    *,
    budget: int | None = None,
    shares: Detail = "none",
) -> Backlog:
    """The backlog of an outbox folder for (name, enabled) destinations.

    ``budget``  bytes that the outbox may take, to be shown beside what it takes
    ``shares``  whether to tell houses and tables: quick (an estimate where many rows wait) or exact
                (all that waits is read)

    Raises OutboxError when there is no outbox.db, or a file cannot be read.
    """
    path = folder / OUTBOX_FILE
    outbox = open_file(path, "outbox", as_newest)
    try:
        with translated(path):
            outbox.execute("BEGIN")
            look = _Look(outbox, folder, at, shares)
            capture = look.capture(budget)
            waiting = [look.waiting(name, enabled) for name, enabled in destinations]
            return Backlog(at_text, capture, waiting, look.gaps())
    finally:
        outbox.close()


_TO_SEND_AGAIN = "SELECT coalesce(sum(row_count), 0) FROM resend"
_OLDEST = "SELECT committed_at FROM entry WHERE seq > ? ORDER BY seq LIMIT 1"


_RATE_SINCE = timedelta(seconds=600)
_CAPTURED = "SELECT taken_at, rows_captured, lag_seconds FROM history"
_SETTLED = "SELECT taken_at, rows_settled, lag_seconds FROM history"


@dataclass(frozen=True, slots=True)
class _Sampled:
    """``counts``: (moment, rows ever), oldest first: of the last minutes, else the newest."""

    counts: Sequence[tuple[datetime, int]]
    lag_seconds: float | None = None

    @property
    def at(self) -> datetime | None:
        return self.counts[-1][0] if self.counts else None


class _Look:
    """One look at a folder, in one transaction of outbox.db."""

    def __init__(
        self, outbox: sqlite3.Connection, folder: Path, at: datetime, shares: Detail
    ) -> None:
        self._outbox = outbox
        self._folder = folder
        self._at = at
        self._shares = shares
        self._sampled = _samples(outbox, _CAPTURED, at)
        self._rows_captured = _rows_captured(outbox)
        self._lag: float | None = None

    def capture(self, budget: int | None) -> Capture:
        """Tail's side."""
        row = self._outbox.execute(
            "SELECT position, committed_at, read_at, json_extract(snapshot, '$.table') FROM capture"
        ).fetchone()
        first, last = self._outbox.execute("SELECT min(seq), max(seq) FROM entry").fetchone()
        self._lag = self._behind(row[1] if row else None)
        known_at = self._sampled.at
        return Capture(
            daemon=daemon_of(self._outbox, self._folder, "tail"),
            position=row[0] if row else None,
            committed_at=row[1] if row else None,
            read_at=row[2] if row else None,
            snapshot=row[3] if row else None,
            entries=last - first + 1 if last else 0,
            rows_captured=self._rows_captured,
            bytes=sum(file_size(item) for item in self._folder.glob("*.db*")),
            forecast=forecast_of(self._outbox, self._at),
            used_bytes=bytes_used(self._folder, self._outbox),
            budget_bytes=budget,
            lag_seconds=self._lag,
            lag_known_at=text(known_at) if known_at else None,
        )

    def _behind(self, committed_at: str | None) -> float | None:
        """How far tail is behind the source, at most: what it has not noted since counts fully."""
        if self._sampled.at is None or self._sampled.lag_seconds is None:
            return None
        since = (self._at - self._sampled.at).total_seconds()
        if since <= _FRESH_SECONDS:
            return self._sampled.lag_seconds
        behind = self._sampled.lag_seconds + since
        return min(behind, _age(committed_at, self._at)) if committed_at else behind

    def gaps(self) -> list[Gap]:
        """All of them, oldest first."""
        return gaps_of(self._outbox)

    def waiting(self, name: str, enabled: bool) -> Waiting:
        """One destination."""
        path = self._folder / destination_file(name)
        if not path.exists():
            return self._untouched(name, enabled)
        delivery = open_file(path, "destination", as_newest)
        try:
            with translated(path):
                delivery.execute("BEGIN")
                return self._begun(delivery, name, enabled)
        finally:
            delivery.close()

    def _untouched(self, name: str, enabled: bool) -> Waiting:
        last = self._outbox.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0]
        oldest, captured = _oldest(self._outbox, 0), self._rows_captured
        lag, coming = _age(oldest, self._at), self._rate_in()
        return Waiting(
            name=name,
            enabled=enabled,
            daemon=never_started(),
            cursor=0,
            waiting_rows=captured,
            waiting_entries=last,
            oldest_committed_at=oldest,
            lag_seconds=lag,
            parked_rows=0,
            parked=(),
            mappings=0,
            last_acknowledged_at=None,
            behind_source_seconds=self._behind_source(captured, lag),
            rates=rates(coming, None, captured, flowing=False),
            shares=self._shares_of(None, (0, 0), captured),
        )

    def _begun(self, delivery: sqlite3.Connection, name: str, enabled: bool) -> Waiting:
        last = self._outbox.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0]
        seq, index, settled = delivery.execute(
            "SELECT seq, row_index, row_total FROM cursor"
        ).fetchone()
        oldest = _oldest(self._outbox, seq)
        lag = _age(oldest, self._at)
        waiting = max(0, self._rows_captured - settled)
        parked = parked_of(delivery)
        sampled = _samples(delivery, _SETTLED, self._at)
        leaving = rate(sampled.counts, (self._at, settled))
        daemon = daemon_of(delivery, self._folder, f"ship-{name}")
        return Waiting(
            name=name,
            enabled=enabled,
            daemon=daemon,
            cursor=seq,
            waiting_rows=waiting,
            waiting_entries=max(0, last - seq),
            oldest_committed_at=oldest,
            lag_seconds=lag,
            parked_rows=sum(reason.rows for reason in parked),
            parked=parked,
            mappings=delivery.execute("SELECT count(*) FROM mapping").fetchone()[0],
            last_acknowledged_at=last_acknowledged_of(delivery),
            paused=paused_of(delivery),
            to_send_again=delivery.execute(_TO_SEND_AGAIN).fetchone()[0],
            behind_source_seconds=self._behind_source(waiting, lag),
            rates=rates(self._rate_in(), leaving, waiting, flowing=daemon.state in _FLOWING),
            shares=self._shares_of(delivery, (seq, index), waiting),
            sampled_at=text(sampled.at) if sampled.at else None,
        )

    def _rate_in(self) -> tuple[float, float] | None:
        return rate(self._sampled.counts, (self._at, self._rows_captured))

    def _behind_source(self, waiting: int, lag: float) -> float | None:
        """What waits is older than what is not even captured; where nothing does, that counts."""
        if waiting:
            return lag
        return self._lag

    def _shares_of(
        self, delivery: sqlite3.Connection | None, cursor: tuple[int, int], waiting: int
    ) -> Shares | None:
        if self._shares == "none":
            return None
        exactly = self._shares == "exact"
        return shares_of(self._outbox, delivery, cursor, waiting, exactly=exactly)


def _samples(connection: sqlite3.Connection, sql: str, at: datetime) -> _Sampled:
    recent = f"{sql} WHERE minute >= ? ORDER BY minute"
    newest = f"{sql} ORDER BY minute DESC LIMIT 1"
    rows = connection.execute(recent, (text(at - _RATE_SINCE),)).fetchall()
    rows = rows or connection.execute(newest).fetchall()
    counts = [(parse(taken), count) for taken, count, _ in rows]
    return _Sampled(counts, rows[-1][2] if rows else None)


def _rows_captured(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT row_total FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
    return int(row[0]) if row else 0


def _oldest(outbox: sqlite3.Connection, seq: int) -> str | None:
    row = outbox.execute(_OLDEST, (seq,)).fetchone()
    return row[0] if row else None


def _age(committed_at: str | None, at: datetime) -> float:
    """Seconds since a commit; 0 where nothing waits, and for a clock that runs ahead."""
    if not committed_at:
        return 0.0
    return max(0.0, (at - parse(committed_at)).total_seconds())
