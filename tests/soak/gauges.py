"""What the daemons use while they run: memory, descriptors, files. And whether that is flat."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Gauge:
    """``most``: how much larger the end may be than the beginning: a share, and so much besides."""

    unit: str
    share: float
    besides: float


GAUGES: Mapping[str, Gauge] = {
    "tail memory": Gauge("MB", 0.1, 3.0),
    "ship memory": Gauge("MB", 0.1, 3.0),
    "tail descriptors": Gauge("", 0.0, 2.0),
    "ship descriptors": Gauge("", 0.0, 2.0),
    "outbox.db": Gauge("MB", 0.3, 4.0),
    "central.db": Gauge("MB", 0.3, 1.0),
    "outbox.db-wal": Gauge("MB", 0.0, 16.0),
    "central.db-wal": Gauge("MB", 0.0, 16.0),
}


@dataclass
class Gauges:
    """Readings of every gauge in turn."""

    read: dict[str, list[float]] = field(default_factory=dict)

    def note(self, processes: Mapping[str, int], folder: Path) -> None:
        """Read all of them now; ``processes``: name → id."""
        found = {}
        for name, number in processes.items():
            found[f"{name} memory"] = _memory(number)
            found[f"{name} descriptors"] = float(len(list(Path(f"/proc/{number}/fd").iterdir())))
        for name in GAUGES:
            if ".db" in name:
                file = folder / name
                found[name] = file.stat().st_size / _MB if file.exists() else 0.0
        for name, value in found.items():
            self.read.setdefault(name, []).append(value)

    def lines(self) -> Iterator[str]:
        """One for each gauge: median of the first and last third, the most, and a verdict."""
        yield f"{'':18} {'first third':>12} {'last third':>12} {'most':>10}"
        for name, gauge in GAUGES.items():
            values = self.read.get(name, [])
            first, last = _thirds(values)
            verdict = "flat" if _flat(values, gauge) else "GROWS"
            numbers = f"{first:12.2f} {last:12.2f} {max(values, default=0.0):10.2f}"
            yield f"{name:18} {numbers} {gauge.unit:3} {verdict}"

    @property
    def flat(self) -> bool:
        """Whether none of them grows."""
        return all(_flat(self.read.get(name, []), gauge) for name, gauge in GAUGES.items())


def _thirds(values: Sequence[float]) -> tuple[float, float]:
    third = max(1, len(values) // 3)
    if not values:
        return 0.0, 0.0
    return statistics.median(values[:third]), statistics.median(values[-third:])


def _flat(values: Sequence[float], gauge: Gauge) -> bool:
    first, last = _thirds(values)
    return len(values) > 5 and last <= first * (1 + gauge.share) + gauge.besides


def _memory(number: int) -> float:
    for line in Path(f"/proc/{number}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
