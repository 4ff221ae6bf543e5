"""Places in the outbox as an operator names them, and where a cursor goes back to. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

from replicator.outbox.clock import text

_WHOLE = re.compile(r"[0-9]{1,18}", re.ASCII)
_LOG_PLACE = re.compile(r"[^/\s]+:[0-9]{1,18}", re.ASCII)
_POSITION = re.compile(r"[^/\s]*/[^/\s]*:[0-9]{1,18}/\S*", re.ASCII)


@dataclass(frozen=True, slots=True)
class BySeq:
    """Behind this entry; 0: from the beginning."""

    seq: int


@dataclass(frozen=True, slots=True)
class ByTime:
    """From the first entry on that was committed at or after it (ISO 8601, UTC)."""

    committed_at: str


@dataclass(frozen=True, slots=True)
class ByPosition:
    """Behind the transaction that ended there; ``written``: whole, or file:offset."""

    written: str


Target = BySeq | ByTime | ByPosition


def target(written: str) -> Target:
    """``1234``, ``2026-03-01``, ``2026-03-01T12:00:00Z``, a position or its file:offset.

    Raises ValueError with a sentence for the user.
    """
    if _WHOLE.fullmatch(written):
        return BySeq(int(written))
    if _POSITION.fullmatch(written):
        return ByPosition(written)
    try:
        return ByTime(text(moment(written)))
    except ValueError:
        if _LOG_PLACE.fullmatch(written):
            return ByPosition(written)
    raise ValueError(
        "not an entry's number (1234), a time (2026-03-01T12:00:00Z) or a position "
        "(mariadb-17/mysql-bin.000003:4711/, or its mysql-bin.000003:4711)"
    )


def moment(written: str) -> datetime:
    """A day or a time, ISO 8601; without a zone it is UTC. Raises ValueError."""
    try:
        found = datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", written))
    except ValueError as error:
        raise ValueError("not a day or time such as 2026-03-01 or 2026-03-01T12:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def stream_time(written: str) -> str:
    """The same moment as stream rows have it: ISO 8601, UTC, no zone. Raises ValueError."""
    return moment(written).astimezone(timezone.utc).replace(tzinfo=None).isoformat()


@dataclass(frozen=True, slots=True)
class Back:
    """Where the cursor goes: behind entry ``seq``; ``wanted``: where it was to go.

    What lies between the two is no longer held.
    """

    seq: int
    wanted: int

    @property
    def missing(self) -> str:
        """ "entries 1 to 40"; "" where all is held."""
        if self.wanted >= self.seq:
            return ""
        first, last = self.wanted + 1, self.seq
        return f"entry {first}" if first == last else f"entries {first} to {last}"


def back(wanted: int, cursor: int, first_held: int) -> Back | None:
    """Back to ``wanted``, as far as entries are held; None where that is not back."""
    if wanted >= cursor:
        return None
    return Back(min(max(wanted, first_held - 1, 0), cursor), wanted)
