"""What the cluster did under fire, as JSON and as text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from demo.conservation import Conservation
from demo.proof import Proof

Event = tuple[float, int]  # (monotonic time, station)


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from a fault to the next acknowledgement of each affected station.

    ``never``: stations that had none before the next fault.
    """

    stations: int
    first: float | None
    median: float | None
    last: float | None
    never: int

    def shifted(self, seconds: float) -> Recovery:
        """Counted from so much earlier."""
        first, middle, last = (
            None if s is None else round(s + seconds, 2)
            for s in (self.first, self.median, self.last)
        )
        return Recovery(self.stations, first, middle, last, self.never)


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault. ``at``: seconds since the stations began; ``lasted``: until it was undone.

    ``recovered``  until every station was stored and delivered again
    ``stored``     acknowledged by the stream, ``delivered``: by the centre
    ``…_per_s``    transactions and stream rows a second, from the fault until all had recovered
    """

    kind: str
    victim: str
    at: float
    lasted: float
    recovered: float | None
    stored: Recovery
    delivered: Recovery
    stored_per_s: float
    delivered_per_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """``quiet_per_s``: transactions stored and rows delivered a second before the first fault."""

    stations: int
    shippers: int
    seed: int
    seconds: float
    transactions: int
    partition_by: str
    disk_by: str
    lease: float
    quiet_per_s: tuple[float, float]
    faults: Sequence[Struck]
    proof: Proof
    conservation: Conservation
    complaints: Sequence[str]
    settled: bool
    drained_in: float
    superseded: int
    notes: Sequence[str] = field(default=())

    @property
    def holds(self) -> bool:
        """Whether every row is where it belongs and came in order."""
        return self.settled and self.proof.holds and self.conservation.holds and not self.complaints


def recovery(events: Iterable[Event], at: float, until: float, stations: set[int]) -> Recovery:
    """From what was acknowledged when. Events in order of time are not needed."""
    found: dict[int, float] = {}
    for when, station in events:
        if at < when <= until and station in stations:
            found[station] = min(when - at, found.get(station, when - at))
    seconds = sorted(found.values())
    never = len(stations) - len(found)
    if not seconds:
        return Recovery(len(stations), None, None, None, never)
    first, middle, last = (round(s, 2) for s in (seconds[0], median(seconds), seconds[-1]))
    return Recovery(len(stations), first, middle, last, never)


def rate(events: Iterable[Event], at: float, until: float) -> float:
    """Events a second."""
    return round(sum(at < when <= until for when, _ in events) / max(until - at, 0.001), 1)


def as_json(report: Report) -> Mapping[str, Any]:
    """All of it."""
    return {**asdict(report), "holds": report.holds}


def as_text(report: Report) -> str:
    """For the terminal: a line for each fault, and the proof."""
    lines = [
        f"{report.stations} stations, {report.shippers} shippers (lease {report.lease:g} s), three"
        f" nodes, MariaDB; seed {report.seed}, {report.seconds:.0f} s,"
        f" {report.transactions} transactions",
        f"a node is cut off by {report.partition_by}; its disk is full by"
        f" {report.disk_by or 'nothing here: left out'}",
        "",
        "seconds from the fault to the next acknowledgement of an affected station:"
        " first / median / last",
        f"{'fault':<21} {'victim':<10} {'at':>5} {'lasted':>6}  {'stored in the stream':<22}"
        f" {'delivered to the centre':<26} {'tx/s':>6} {'rows/s':>7}",
        f"{'none':<21} {'':<10} {'':>5} {'':>6}  {'':<22} {'':<26}"
        f" {report.quiet_per_s[0]:>6.0f} {report.quiet_per_s[1]:>7.0f}",
        *(_line(each) for each in report.faults),
        "",
        *(f"note: {what}" for what in report.notes),
        *(f"complaint: {what}" for what in report.complaints[:20]),
        *(f"{kind}: {', '.join(keys)}" for kind, keys in report.proof.examples.items()),
        f"after the last fault everything had arrived in {report.drained_in:.1f} s"
        if report.settled
        else f"waited in vain for the rest to arrive, {report.drained_in:.0f} s",
        f"order by lane: {report.conservation}; batches of older holders refused:"
        f" {report.superseded}",
        report.proof.line(len(report.faults), report.seconds).replace(" kills=", " faults="),
    ]
    return "\n".join(lines)


def _line(each: Struck) -> str:
    return (
        f"{each.kind:<21} {each.victim:<10} {each.at:>5.0f} {each.lasted:>6.1f}"
        f"  {_cell(each.stored):<22} {_cell(each.delivered):<26}"
        f" {each.stored_per_s:>6.0f} {each.delivered_per_s:>7.0f}"
    )


def _cell(found: Recovery) -> str:
    if found.first is None:
        return "never" if found.stations else "-"
    seconds = f"{found.first:.1f} / {found.median:.1f} / {found.last:.1f}"
    return seconds + (f" ({found.never} never)" if found.never else "")
