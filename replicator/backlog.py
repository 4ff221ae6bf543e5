"""What waits, why, how old, and until when: read from the outbox's files, whoever runs or not.

Reads only; works while tail and ship run, while they are down, and on a copied folder. The JSON
form is `dataclasses.asdict` of ``Backlog``: stable names, documented in docs/backlog.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from replicator.outbox.clock import parse
from replicator.outbox.files import OUTBOX_FILE, destination_file, open_file, translated
from replicator.outbox.older import as_newest
from replicator.outbox.place import Healing, SnapshotPlace


@dataclass(frozen=True, slots=True)
class Daemon:
    """``state``: running, waiting, paused, refused, stopped or "never started"; times ISO, UTC."""

    state: str
    detail: str
    since: str | None
    wait_until: str | None


@dataclass(frozen=True, slots=True)
class Capture:
    """Tail's side. ``snapshot``: the table being read, None when complete."""

    daemon: Daemon
    position: str | None
    committed_at: str | None
    read_at: str | None
    snapshot: str | None
    entries: int
    rows_captured: int
    bytes: int
    forecast: Forecast | None


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of the source's log that could not be read.

    ``state``: open, healing, healed; ``kind``: purged, reset, unreadable, restored, another server,
    skipped, unknown; rows as counted up to now while it is being healed.
    """

    state: str
    kind: str
    how: str | None
    found_at: str
    last_position: str
    reason: str
    next_position: str | None
    healed_at: str | None
    rows_compared: int
    rows_read: int
    rows_deleted: int
    rows_kept: int
    rows_unnamed: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the source may purge what is unread.

    ``safe_until``: not before, None where it purges nothing by itself; ``seconds``: from now until
    then, less than 0 when it is past; ``unread_bytes``: of its log, when tail looked last.
    """

    looked_at: str
    unread_bytes: int
    safe_until: str | None
    seconds: float | None
    rule: str


@dataclass(frozen=True, slots=True)
class Parked:
    """Rows taken out of the flow for one reason; ``kind``: blocked or rejected."""

    kind: str
    reason: str
    detail: str
    rows: int
    oldest_committed_at: str


@dataclass(frozen=True, slots=True)
class Paused:
    """By an operator: since when, by whom, why ("" where not said)."""

    at: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """One destination. ``waiting_rows``: behind the cursor; ``lag_seconds``: age of the oldest.

    ``to_send_again``  rows before the cursor that an operator wants sent again
    """

    name: str
    enabled: bool
    daemon: Daemon
    cursor: int
    waiting_rows: int
    waiting_entries: int
    oldest_committed_at: str | None
    lag_seconds: float
    parked_rows: int
    parked: Sequence[Parked]
    mappings: int
    last_acknowledged_at: str | None
    paused: Paused | None = None
    to_send_again: int = 0


@dataclass(frozen=True, slots=True)
class Backlog:
    """The whole picture at ``at``."""

    at: str
    tail: Capture
    destinations: Sequence[Waiting]
    gaps: Sequence[Gap]


def read_backlog(
    folder: Path, destinations: Sequence[tuple[str, bool]], at: datetime, at_text: str
) -> Backlog:
    """The backlog of an outbox folder for (name, enabled) destinations.

    Raises OutboxError when there is no outbox.db, or a file cannot be read.
    """
    path = folder / OUTBOX_FILE
    connection = open_file(path, "outbox", as_newest)
    try:
        with translated(path):
            connection.execute("BEGIN")
            capture = _capture(connection, path, at)
            gaps = _gaps(connection)
            waiting = [
                _waiting(connection, folder, name, enabled, at) for name, enabled in destinations
            ]
    finally:
        connection.close()
    return Backlog(at_text, capture, waiting, gaps)


_GAPS = """
SELECT kind, how, found_at, last_position, reason, next_position, healed_at,
       rows_compared, rows_read, rows_deleted, rows_kept, rows_unnamed FROM gap ORDER BY id
"""
_PARKED = """
SELECT kind, reason, max(detail), count(*), min(committed_at) FROM parked
WHERE kind != 'superseded' GROUP BY kind, reason ORDER BY count(*) DESC, reason LIMIT 100
"""
_TO_SEND_AGAIN = "SELECT coalesce(sum(row_count), 0) FROM resend"
_OLDEST = "SELECT committed_at FROM entry WHERE seq > ? ORDER BY seq LIMIT 1"


def _daemon(connection: sqlite3.Connection) -> Daemon:
    row = connection.execute("SELECT state, detail, since, wait_until FROM status").fetchone()
    return Daemon(*row) if row else Daemon("never started", "", None, None)


def _gaps(connection: sqlite3.Connection) -> list[Gap]:
    row = connection.execute("SELECT snapshot FROM capture").fetchone()
    place = SnapshotPlace.from_json(row[0]) if row else None
    healing = place.healing if place is not None else None
    return [_gap(row, healing) for row in connection.execute(_GAPS)]


def _gap(row: Sequence[Any], healing: Healing | None) -> Gap:
    kind, how, found_at, last, reason, following, healed_at, *counts = row
    state = "healed" if healed_at else "healing" if following else "open"
    if state == "healing" and healing is not None:
        counts = [healing.compared, healing.read, healing.deleted, healing.kept, healing.unnamed]
    return Gap(state, kind, how, found_at, last, reason, following, healed_at, *counts)


def _forecast(connection: sqlite3.Connection, at: datetime) -> Forecast | None:
    row = connection.execute(
        "SELECT looked_at, unread_bytes, safe_until, rule FROM forecast"
    ).fetchone()
    if row is None:
        return None
    looked_at, unread, until, rule = row
    seconds = (parse(until) - at).total_seconds() if until else None
    return Forecast(looked_at, unread, until, seconds, rule)


def _capture(connection: sqlite3.Connection, path: Path, at: datetime) -> Capture:
    row = connection.execute(
        "SELECT position, committed_at, read_at, json_extract(snapshot, '$.table') FROM capture"
    ).fetchone()
    first, last = connection.execute("SELECT min(seq), max(seq) FROM entry").fetchone()
    return Capture(
        daemon=_daemon(connection),
        position=row[0] if row else None,
        committed_at=row[1] if row else None,
        read_at=row[2] if row else None,
        snapshot=row[3] if row else None,
        entries=last - first + 1 if last else 0,
        rows_captured=_rows_captured(connection),
        bytes=sum(_size(item) for item in path.parent.glob("*.db*")),
        forecast=_forecast(connection, at),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # a -wal or -shm file that its process removed just now
        return 0


def _rows_captured(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT row_total FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
    return int(row[0]) if row else 0


def _waiting(
    outbox: sqlite3.Connection, folder: Path, name: str, enabled: bool, at: datetime
) -> Waiting:
    path = folder / destination_file(name)
    captured = _rows_captured(outbox)
    last = outbox.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0]
    if not path.exists():
        never = Daemon("never started", "", None, None)
        oldest = _oldest(outbox, 0)
        lag = _age(oldest, at)
        return Waiting(name, enabled, never, 0, captured, last, oldest, lag, 0, (), 0, None)
    delivery = open_file(path, "destination", as_newest)
    try:
        with translated(path):
            delivery.execute("BEGIN")
            seq, settled = delivery.execute("SELECT seq, row_total FROM cursor").fetchone()
            oldest = _oldest(outbox, seq)
            parked = [Parked(*row) for row in delivery.execute(_PARKED)]
            return Waiting(
                name=name,
                enabled=enabled,
                daemon=_daemon(delivery),
                cursor=seq,
                waiting_rows=max(0, captured - settled),
                waiting_entries=max(0, last - seq),
                oldest_committed_at=oldest,
                lag_seconds=_age(oldest, at),
                parked_rows=sum(reason.rows for reason in parked),
                parked=parked,
                mappings=delivery.execute("SELECT count(*) FROM mapping").fetchone()[0],
                last_acknowledged_at=_last_acknowledged(delivery),
                paused=_paused(delivery),
                to_send_again=delivery.execute(_TO_SEND_AGAIN).fetchone()[0],
            )
    finally:
        delivery.close()


def _oldest(outbox: sqlite3.Connection, seq: int) -> str | None:
    row = outbox.execute(_OLDEST, (seq,)).fetchone()
    return row[0] if row else None


def _age(committed_at: str | None, at: datetime) -> float:
    """Seconds since a commit; 0 where nothing waits, and for a clock that runs ahead."""
    if not committed_at:
        return 0.0
    return max(0.0, (at - parse(committed_at)).total_seconds())


def _paused(delivery: sqlite3.Connection) -> Paused | None:
    row = delivery.execute("SELECT paused_at, paused_by, paused_why FROM orders").fetchone()
    return Paused(*row) if row[0] is not None else None


def _last_acknowledged(delivery: sqlite3.Connection) -> str | None:
    row = delivery.execute(
        "SELECT settled_at FROM receipt WHERE delivered > 0 ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return row[0] if row else None
