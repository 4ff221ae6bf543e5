"""The whole fleet, from what its shippers say: for backlog, status, the page and the metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from replicator.backlog.words import age_text
from replicator.cli.connecting import connection
from replicator.config import Config
from replicator.fleet.overview import Overview, Shipper
from replicator.fleet.report import MOST, Standing
from replicator.outbox import clock

_COLUMNS = ("station", "level", "state", "waiting", "oldest", "parked", "shipper", "why")
_RIGHT = ("waiting", "oldest", "parked")


def look_at_fleet(config: Config) -> Overview:
    """As the shippers say now. Raises OutboxUnavailable, OutboxError, ConfigError."""
    assert config.outbox.url is not None, "a fleet has a stream"
    bus, stream = connection(config, config.outbox.url)
    from replicator.jetstream.sessions import Sessions  # noqa: PLC0415  # needs the extra jetstream

    try:
        at = clock.now()
        return Sessions(bus, stream.name, config.fleet.lease).look(at, clock.text(at))
    finally:
        bus.close()


def as_dict(found: Overview) -> dict[str, Any]:
    """The JSON form: docs/backlog.md names the fields."""
    said = dataclasses.asdict(found)
    return {**said, "unheld": found.unheld, "level": found.level}


def fleet_lines(found: Overview) -> Iterator[str]:
    """Totals, shippers, and the stations that are worst off."""
    yield headline(found)
    yield from _troubles(found)
    for shipper in found.shippers:
        yield f"      {shipper_text(shipper)}"
    rows = [_COLUMNS, *(_cells(each) for each in found.total.worst)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
    for row in rows if found.total.worst else ():
        cells = [
            f"{cell:>{width}}" if name in _RIGHT else f"{cell:<{width}}"
            for name, cell, width in zip(_COLUMNS, row, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()
    more = found.total.stations - len(found.total.worst)
    if more > 0:
        yield f"and {more:,} more, none worse; `replicator backlog --station NAME` shows one"


def headline(found: Overview) -> str:
    """ "fleet: 812 stations held by 3 shippers: 4 critical, 12 warning; 9,120 rows wait, …"."""
    total = found.total
    live = sum(shipper.live for shipper in found.shippers)
    levels = [f"{total.levels[n]:,} {n}" for n in ("critical", "warning") if total.levels.get(n)]
    behind = f", oldest {age_text(total.lag_seconds)}" if total.waiting_rows else ""
    parked = f", {total.parked_rows:,} parked" if total.parked_rows else ""
    return (
        f"fleet: {_many(found.held, 'station')} held by {_many(live, 'shipper')}: "
        f"{', '.join(levels) or 'all well'}; {total.waiting_rows:,} rows wait{behind}{parked}"
    )


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _troubles(found: Overview) -> Iterator[str]:
    if found.unheld:
        known = "" if found.stations is not None else "at least "
        yield f"      {known}{_many(found.unheld, 'station')} without a shipper just now"
    if not any(shipper.live for shipper in found.shippers) and found.most:
        span = f"{found.least:,} to {found.most:,}"
        yield f"      no shipper is alive: nothing of {span} stations is delivered"
    unsaid = found.held - found.total.stations
    if unsaid > 0:
        yield f"      {_many(unsaid, 'station')} of them not looked at yet"
    if found.unread:
        yield f"      {_many(found.unread, 'shipper')} of another version: its words are not read"


def shipper_text(shipper: Shipper) -> str:
    """ "host:4711 0.1.0: 271 stations, since …"; a silent one says since when."""
    report = shipper.report
    heard = "" if shipper.live else f"; SILENT for {age_text(shipper.seconds_ago)}"
    return (
        f"{shipper.host}:{shipper.pid} {shipper.version}: {_many(shipper.stations, 'station')}, "
        f"{report.waiting_rows:,} rows wait, since {shipper.since}{heard}"
    )


def _cells(each: Standing) -> tuple[str, ...]:
    return (
        each.station,
        each.level,
        each.state,
        f"{each.waiting_rows:,}",
        age_text(each.lag_seconds) if each.waiting_rows else "-",
        f"{each.parked_rows:,}",
        each.holder,
        each.reason,
    )


def fleet_check_lines(found: Overview) -> Iterator[str]:
    """For monitoring: the first line says the level."""
    word = "OK" if found.level == "fine" else found.level.upper()
    yield f"{word}: replicator: {headline(found)}"
    for line in _troubles(found):
        yield f"WARNING: fleet: {line.strip()}"
    for each in found.total.worst[:MOST]:
        if each.level != "fine":
            yield f"{each.level.upper()}: {each.station}: {each.reason}"
