"""What is counted at the centre, second by second, and what that says in the end. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

KINDS = ("requests", "refused", "in_vain", "rows", "bytes", "acknowledged", "queue")


@dataclass(slots=True)
class Load:
    """A count for each second since ``start`` by kind.

    requests      that reached the centre, heartbeats among them; refused: of them, with 503
    in_vain       tries while the centre was away
    rows          that the centre stored, those sent again too; bytes: that it received
    acknowledged  rows of which the station knows
    queue         how many more (or fewer) requests wait at the end of the second
    """

    start: float
    seconds: dict[str, Counter[int]] = field(
        default_factory=lambda: {kind: Counter() for kind in KINDS}
    )
    longest_queue: int = 0

    def count(self, kind: str, moment: float, amount: int = 1) -> None:
        """So many more of a kind at that moment."""
        self.seconds[kind][int(moment - self.start)] += amount

    def total(self, kind: str, since: float | None = None, until: float | None = None) -> int:
        """Of a kind, from one second up to another one."""
        first = 0 if since is None else int(since - self.start)
        last = float("inf") if until is None else int(until - self.start)
        return sum(n for second, n in self.seconds[kind].items() if first <= second < last)

    def peak(self, kind: str, since: float | None = None) -> int:
        """The most of a kind in one second."""
        first = 0 if since is None else int(since - self.start)
        return max((n for s, n in self.seconds[kind].items() if s >= first), default=0)

    def steps(self, kind: str, since: float, width: int, count: int) -> list[int]:
        """Sums of ``count`` steps of ``width`` seconds."""
        found = [0] * count
        first = int(since - self.start)
        for second, amount in self.seconds[kind].items():
            if 0 <= second - first < count * width:
                found[(second - first) // width] += amount
        return found


@dataclass(frozen=True, slots=True)
class Summary:
    """In seconds since the outage's end: when the first, half and all stations had caught up.

    ``mean_requests_per_s``  from the outage's end until all had caught up, or the run's end
    ``peak_…``               in the busiest second since the outage's end
    ``left_behind``          stations that had not caught up at the end
    ``refused_share``        of the requests since the outage's end
    ``rows_again``           stored though the centre had them: the station had stopped waiting
    """

    captured_rows: int
    acknowledged_rows: int
    waiting_rows: int
    rows_again: int
    peak_requests_per_s: int
    mean_requests_per_s: float
    peak_rows_per_s: int
    longest_queue: int
    refused_share: float
    tries_in_vain: int
    first_caught_up: float | None
    half_caught_up: float | None
    last_caught_up: float | None
    left_behind: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A station's rows at the end: captured, known to be at the centre, stored there.

    ``caught_up``  seconds since the outage's end
    """

    name: str
    captured: int
    acknowledged: int
    stored: int
    caught_up: float | None


def summary(load: Load, fleet: Sequence[Standing], outage_end: float, end: float) -> Summary:
    """``outage_end``, ``end``: as the load's moments."""
    times = sorted(each.caught_up for each in fleet if each.caught_up is not None)
    everyone = len(times) == len(fleet)
    last = times[-1] if times and everyone else None
    busy_until = end if last is None else min(end, outage_end + max(last, 1.0))
    requests = load.total("requests", outage_end)
    captured = sum(each.captured for each in fleet)
    acknowledged = sum(each.acknowledged for each in fleet)
    return Summary(
        captured_rows=captured,
        acknowledged_rows=acknowledged,
        waiting_rows=captured - acknowledged,
        rows_again=load.total("rows") - sum(each.stored for each in fleet),
        peak_requests_per_s=load.peak("requests", outage_end),
        mean_requests_per_s=load.total("requests", outage_end, busy_until)
        / max(busy_until - outage_end, 1.0),
        peak_rows_per_s=load.peak("rows", outage_end),
        longest_queue=load.longest_queue,
        refused_share=load.total("refused", outage_end) / requests if requests else 0.0,
        tries_in_vain=load.total("in_vain"),
        first_caught_up=times[0] if times else None,
        half_caught_up=median(times) if times else None,
        last_caught_up=last,
        left_behind=len(fleet) - len(times),
    )
