"""Times as the outbox writes them: ISO 8601, UTC, to the millisecond where it matters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

Clock = Callable[[], datetime]


def now() -> datetime:
    """The wall clock, aware, UTC."""
    return datetime.now(timezone.utc)


def text(moment: datetime) -> str:
    """ "2026-03-01T12:00:00.123Z"; the moment must be aware."""
    return f"{moment.astimezone(timezone.utc).isoformat(timespec='milliseconds')[:23]}Z"


def parse(written: str) -> datetime:
    """Inverse of ``text``. Raises ValueError for anything else."""
    return datetime.strptime(written, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
