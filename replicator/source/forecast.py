"""How long the source keeps the part of its log that has not been read.

It purges whole files, the oldest first, when it starts a new one, when it is restarted, and on
FLUSH LOGS; by age (since a file was last written to) or by the size of all files together. So the
forecast is "not before": the file may live longer, never shorter, unless somebody says PURGE.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pymysql

from replicator.change import Position
from replicator.source.endpoint import Endpoint, connect, translate
from replicator.source.place import log_files

_LOOK = 60.0  # seconds between two looks at the files
_SETTINGS = 3_600.0  # between two looks at the settings
_VARIABLES = """
SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_expire_logs_seconds', 'expire_logs_days',
  'binlog_expire_logs_auto_purge', 'max_binlog_total_size')
"""


@dataclass(frozen=True, slots=True)
class Retention:
    """Seconds and bytes that the source keeps; 0: no such limit. ``age_rule``: the setting."""

    seconds: float = 0.0
    bytes: int = 0
    age_rule: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """``safe_until`` None: nothing is purged by itself, as far as can be told; ``rule``: why."""

    unread_bytes: int
    safe_until: datetime | None
    rule: str


def retention_of(variables: Mapping[str, str]) -> Retention:
    """The rule that the server's settings make; names in lower case. Pure."""
    seconds = float(variables.get("binlog_expire_logs_seconds") or 0)
    days = float(variables.get("expire_logs_days") or 0)
    rule = f"binlog_expire_logs_seconds = {seconds:g}"
    if not seconds:
        seconds, rule = days * 86_400, f"expire_logs_days = {days:g}"
    if variables.get("binlog_expire_logs_auto_purge", "ON").upper() == "OFF":
        seconds = 0.0
    limit = int(variables.get("max_binlog_total_size") or 0)
    return Retention(seconds, limit, rule if seconds else "")


def behind(files: Mapping[str, int], place: Position) -> int:
    """Bytes of the log from a place on; all of it where its file is gone. Pure."""
    names = [name for name in files if (len(name), name) >= (len(place.file), place.file)]
    skipped = place.offset if place.file in files else 0
    return max(0, sum(files[name] for name in names) - skipped)


def outlook(
    kept: Retention,
    files: Mapping[str, int],
    place: Position,
    read_to: datetime,
    now: datetime,
    growth: float,
) -> Outlook:
    """``read_to``: commit time of the last transaction read; ``growth``: bytes a second. Pure.

    A file was last written to no earlier than what was read from it; where nothing is unread, what
    comes next is not older than now.
    """
    unread = behind(files, place)
    ends: list[tuple[datetime, str]] = []
    if kept.seconds:
        written = read_to if unread else now
        ends.append((written + timedelta(seconds=kept.seconds), kept.age_rule))
    if kept.bytes:
        rule = f"max_binlog_total_size = {kept.bytes}, {growth:.0f} bytes more a second"
        room = kept.bytes - behind(files, Position(place.source, place.file, 0))
        if growth > 0 or room <= 0:
            in_seconds = min(max(0.0, room / growth if growth > 0 else 0.0), 1e9)
            ends.append((now + timedelta(seconds=in_seconds), rule))
    if not ends:
        return Outlook(unread, None, "no limit of age, none of size that is near")
    until, rule = min(ends)
    return Outlook(unread, until, rule)


class Forecaster:
    """Looks at the source now and then: one query a minute."""

    def __init__(self, endpoint: Endpoint, monotonic: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._monotonic = monotonic
        self._due = monotonic()
        self._settings_due = monotonic()
        self._kept = Retention()
        self._first: tuple[float, dict[str, int]] | None = None

    @property
    def due(self) -> bool:
        """A minute has passed."""
        return self._monotonic() >= self._due

    def look(self, place: Position, read_to: datetime, now: datetime) -> Outlook:
        """Raises SourceUnavailable, SourceMisconfigured (a grant); the next look is due as ever."""
        self._due = self._monotonic() + _LOOK
        with contextlib.closing(connect(self._endpoint)) as connection:
            if self._monotonic() >= self._settings_due:
                self._kept = retention_of(_variables(connection, self._endpoint))
                self._settings_due = self._monotonic() + _SETTINGS
            files = log_files(connection, self._endpoint)
        return outlook(self._kept, files, place, read_to, now, self._growth(files))

    def _growth(self, files: dict[str, int]) -> float:
        """Bytes a second since the first look; 0 until there is a second one."""
        now = self._monotonic()
        if self._first is None or not files:
            self._first = (now, files)
            return 0.0
        since, before = self._first
        last = max(before, key=lambda name: (len(name), name), default="")
        grown = behind(files, Position("", last, before.get(last, 0)))
        return grown / (now - since) if now > since else 0.0


def _variables(connection: pymysql.connections.Connection, endpoint: Endpoint) -> dict[str, str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(_VARIABLES)
            return {str(name).lower(): str(value) for name, value in cursor.fetchall()}
    except pymysql.MySQLError as error:
        raise translate(error, endpoint) from error
