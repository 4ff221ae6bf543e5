"""What stations say of themselves: the last heartbeat of each, kept and listed, worst first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from replicator.central.bulk import now
from replicator.central.problems import Problem
from replicator.central.schema import STATION, STATION_TOKEN
from replicator.central.store import Database
from replicator.central.validate import parse_time

Json = dict[str, object]

OPERATOR = "operator"  # a token made for it is of people, who do not beat
_MISSED = 2.5  # heartbeats; a station that lost one is not told as silent
_GRACE = 120  # seconds that a heartbeat may take on top
_LATE_SECONDS = 3_600
_SMALL_DISK = 256 << 20
_DAY = 86_400
_MOST = 2**63 - 1
_LONGEST = 255


def _whole(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, float) and math.isfinite(value):
        value = math.ceil(value)
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ValueError("not a whole number from 0 on")
    return value


def _text(value: object) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) > _LONGEST or "\0" in value):
        raise ValueError(f"not a text of at most {_LONGEST} characters")
    return value


def _time(value: object) -> str | None:
    found = parse_time(value)
    if value is not None and found is None:
        raise ValueError("not YYYY-MM-DDTHH:MM:SS")
    return found


# What a heartbeat may say; each may be missing or null, anything else is ignored.
_FIELDS: Mapping[str, Callable[[object], int | str | None]] = MappingProxyType(
    {
        "version": _text,
        "sent_at": _time,
        "interval": _whole,
        "waiting_rows": _whole,
        "lag_seconds": _whole,
        "parked_rows": _whole,
        "open_gaps": _whole,
        "last_commit": _time,
        "disk_free": _whole,
        "outbox_bytes": _whole,
        "tail": _text,
        "ship": _text,
    }
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One station. Times UTC, ISO 8601; ``None``: it did not say.

    ``state``  "silent", "critical", "warning", "fine", or "never" heard of, and ``why``
    """

    station: str
    state: str
    why: Sequence[str]
    last_seen: str | None
    seconds_ago: int | None
    said: Mapping[str, object]


def keep(database: Database, token_of: str, sent: Json) -> str:
    """Keep a station's heartbeat in place of its last one; the station's name.

    ``token_of``  the station whose token came along; it goes before what the body says
    Raises Problem 422.
    """
    station = token_of or str(sent.get("station") or "")
    if not station.strip() or len(station) > _LONGEST:
        raise Problem(422, "no-station", "a heartbeat without a token names its station")
    values: dict[str, object] = {}
    for name, read in _FIELDS.items():
        try:
            values[name] = read(sent.get(name))
        except ValueError as error:
            raise Problem(422, "bad-heartbeat", f"{name}: {error}") from None
    values["seen_at"] = now()

    def work(connection: Connection) -> None:
        here = STATION.c.station == station
        if not connection.execute(sa.update(STATION).where(here).values(values)).rowcount:
            connection.execute(sa.insert(STATION).values({**values, "station": station}))

    try:
        database.write(work, references=False)
    except sa.exc.IntegrityError:  # its first two at once: now there is one to replace
        database.write(work, references=False)
    return station


def listed(connection: Connection, at: datetime) -> list[Seen]:
    """All stations that have a token or were ever heard of, worst first; ``at`` aware."""
    rows = connection.execute(sa.select(STATION)).mappings().all()
    heard = {str(row["station"]): dict(row) for row in rows}
    live = sa.select(STATION_TOKEN.c.station).where(STATION_TOKEN.c.revoked_at.is_(None))
    known = {str(name) for (name,) in connection.execute(live.distinct())}
    names = sorted((known - {OPERATOR}) | heard.keys())
    found = [_seen(name, heard.get(name), at) for name in names]
    return sorted(found, key=_badness)


def as_json(seen: Seen) -> Json:
    """As docs/rest.md has it."""
    fields = asdict(seen)
    return {**{k: v for k, v in fields.items() if k != "said"}, **dict(seen.said)}


_ORDER: Mapping[str, int] = MappingProxyType(
    {"silent": 0, "critical": 1, "warning": 2, "never": 3, "fine": 4}
)


def _badness(seen: Seen) -> tuple[int, int, str]:
    """In one state the longest lag comes first, of silent ones the longest silence."""
    lag = seen.seconds_ago if seen.state == "silent" else seen.said.get("lag_seconds")
    return (_ORDER[seen.state], -(lag if isinstance(lag, int) else 0), seen.station)


def _seen(station: str, row: Mapping[str, object] | None, at: datetime) -> Seen:
    if row is None:
        nothing = dict.fromkeys(_FIELDS)
        why = ["it has a token and was never heard of"]
        return Seen(station, "never", why, None, None, nothing)
    said = {name: row[name] for name in _FIELDS}
    last = str(row["seen_at"])
    silence = at - datetime.fromisoformat(last).replace(tzinfo=timezone.utc)
    ago = max(0, int(silence.total_seconds()))
    state, why = judged(said, ago)
    return Seen(station, state, why, last, ago, said)


def judged(said: Mapping[str, object], seconds_ago: int) -> tuple[str, list[str]]:
    """How a station is, and why. Pure."""

    def number(name: str) -> int:
        value = said.get(name)
        return value if isinstance(value, int) else 0

    interval = number("interval") or _DAY
    gaps = number("open_gaps")
    critical = [f"{gaps} open {'gap' if gaps == 1 else 'gaps'}"] if gaps else []
    if said.get("disk_free") is not None and number("disk_free") < _SMALL_DISK:
        critical.append(f"{number('disk_free') >> 20} MiB of disk left")
    critical += [f"tail {said['tail']}"] if said.get("tail") in ("stopped", "paused") else []
    warning = [f"{number('parked_rows')} rows parked"] if number("parked_rows") else []
    if number("waiting_rows") and number("lag_seconds") > _LATE_SECONDS:
        warning.append(f"{number('lag_seconds') // 60} minutes behind")
    warning += [f"ship {said['ship']}"] if said.get("ship") in ("refused", "paused") else []
    if seconds_ago > _MISSED * interval + _GRACE:
        return "silent", [f"silent for {seconds_ago // 60} minutes", *critical, *warning]
    state = "critical" if critical else "warning" if warning else "fine"
    return state, [*critical, *warning]
