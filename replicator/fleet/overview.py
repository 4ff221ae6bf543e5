"""The fleet at one moment: its shippers, what they say, and which stations have none. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from replicator.fleet.report import Report, merged, parsed

_PATIENCE = 2.0  # leases without a word; by the servers' clock and ours, which may differ a little


@dataclass(frozen=True, slots=True)
class Shipper:
    """One session, as its key says it.

    ``stations``     it holds; ``found``: in the stream, None where it does not say
    ``patterns``     of the stations that it shares with others who have the same
    ``seconds_ago``  since it said anything; ``live``: not longer ago than it may be silent
    """

    id: str
    host: str
    pid: int
    version: str
    since: str
    stations: int
    seconds_ago: float
    live: bool
    report: Report
    found: int | None = None
    patterns: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """``held``: stations that live shippers hold; ``stations``: all, None where it is not known.

    ``least``, ``most``  bounds of all stations, from the stream's number of subjects
    ``total``            what the live shippers say together
    ``unread``           sessions whose words are not understood: of another version
    """

    at: str
    shippers: Sequence[Shipper]
    total: Report
    held: int
    stations: int | None
    least: int
    most: int
    unread: int

    @property
    def unheld(self) -> int:
        """Stations that nobody delivers, as far as is known: at least so many."""
        known = self.least if self.stations is None else self.stations
        return max(0, known - self.held)

    @property
    def level(self) -> str:
        """critical, warning or fine."""
        live = any(shipper.live for shipper in self.shippers)
        if self.total.levels.get("critical") or (self.most and not live):
            return "critical"
        if self.total.levels.get("warning") or self.unheld or self.unread:
            return "warning"
        return "fine"


def shipper_of(said: Mapping[str, object], seconds_ago: float, lease: float) -> Shipper | None:
    """Of a session's words; None of one that was declared dead. Raises ValueError."""
    if "stations" not in said:
        return None
    host, pid = said.get("host"), said.get("pid")
    stations, found = said.get("stations"), said.get("found")
    if not isinstance(host, str) or type(pid) is not int or type(stations) is not int:
        raise ValueError("not a session")
    return Shipper(
        id=str(said.get("id", "")),
        host=host,
        pid=pid,
        version=str(said.get("version", "")),
        since=str(said.get("since", "")),
        stations=stations,
        seconds_ago=max(0.0, seconds_ago),
        live=seconds_ago <= _PATIENCE * lease,
        report=parsed(said.get("report"), f"{host}:{pid}"),
        found=found if type(found) is int else None,
        patterns=str(said.get("patterns", "")),
    )


def overview(at: str, shippers: Sequence[Shipper], subjects: int, unread: int = 0) -> Overview:
    """``subjects``: of the stream; a station has one or two."""
    live = [shipper for shipper in shippers if shipper.live]
    found: dict[str, int] = {}
    for shipper in live:
        if shipper.found is not None:
            found[shipper.patterns] = max(found.get(shipper.patterns, 0), shipper.found)
    order = sorted(shippers, key=lambda s: (not s.live, s.host, s.pid))
    held = sum(shipper.stations for shipper in live)
    return Overview(
        at=at,
        shippers=order,
        total=merged(shipper.report for shipper in live),
        held=held,
        stations=sum(found.values()) if found else None,
        least=(subjects + 1) // 2,
        most=subjects,
        unread=unread,
    )
