"""Figures of one benchmark run: collected, printed as a table, written to build/bench.json."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(slots=True)
class Figures:
    """``values[figure][key]`` is a number; keys name their unit."""

    values: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, figure: str, **numbers: float) -> None:
        """Record numbers of one figure."""
        self.values.setdefault(figure, {}).update(numbers)

    def save(self, path: Path) -> None:
        """As JSON: {figure: {key: number}}."""
        path.parent.mkdir(parents=True, exist_ok=True)
        rounded = {
            figure: {key: float(f"{number:.4g}") for key, number in numbers.items()}
            for figure, numbers in self.values.items()
        }
        path.write_text(json.dumps(rounded, indent=2) + "\n")

    def print(self) -> None:
        """As a table on standard output."""
        table = Table(title="replicator benchmarks: medians, this machine, this run")
        table.add_column("figure")
        table.add_column("key")
        table.add_column("value", justify="right")
        for figure, numbers in self.values.items():
            for key, number in numbers.items():
                table.add_row(figure, key, f"{number:,.0f}" if number >= 1000 else f"{number:.3g}")
        Console().print(table)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median_pair(
    ours: Callable[[], float], theirs: Callable[[], float], runs: int = 3
) -> tuple[float, float, float]:
    """Two rates measured in turn: median of each, and the median of the ratios pair by pair."""
    pairs = [(ours(), theirs()) for _ in range(runs)]
    ratio = statistics.median(a / b for a, b in pairs)
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio
