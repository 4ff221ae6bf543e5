"""The history as columns to plot: lag, what waits, rows in and out a second. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from types import MappingProxyType

from replicator.outbox.clock import parse
from replicator.outbox.history import CaptureSample, Sample

Point = tuple[int, int]  # Unix seconds, rows ever
Column = Sequence[float | None]

SPANS: Mapping[str, timedelta] = MappingProxyType(
    {"day": timedelta(days=1), "month": timedelta(days=31)}
)
STEPS: Mapping[str, int] = MappingProxyType({"day": 60, "month": 3600})
_SPARSE = 5  # so many steps without a sample, and the line is broken


def columns(
    span: str, captured: Iterable[CaptureSample], settled: Iterable[Sample]
) -> Mapping[str, Column]:
    """Equally long columns: time (Unix seconds), lag_seconds, waiting_rows, rows_in, rows_out.

    A sample a minute in a day, one an hour in a month; None where nothing is known.
    """
    step = STEPS[span]
    capture = {at: sample for sample, at in _thinned(captured, step)}
    delivery = {at: sample for sample, at in _thinned(settled, step)}
    rows_in = rates([(at, sample.rows_captured) for at, sample in capture.items()], step)
    rows_out = rates([(at, sample.rows_settled) for at, sample in delivery.items()], step)
    times = _with_breaks(sorted(capture.keys() | delivery.keys()), step)
    return {
        "time": times,
        "lag_seconds": [_of(delivery.get(at), "lag_seconds") for at in times],
        "waiting_rows": [_of(delivery.get(at), "waiting_rows") for at in times],
        "rows_in": [rows_in.get(at) for at in times],
        "rows_out": [rows_out.get(at) for at in times],
    }


def rates(counts: Sequence[Point], step: int) -> Mapping[int, float]:
    """Rows a second up to each sample; none after a long silence, nor where rows became fewer."""
    found = {}
    for (before, fewer), (at, rows) in pairwise(counts):
        if rows >= fewer and at - before <= _SPARSE * step:
            found[at] = round((rows - fewer) / (at - before), 4)
    return found


def _thinned(samples: Iterable[CaptureSample] | Iterable[Sample], step: int) -> Iterable[tuple]:  # type: ignore[type-arg]  # (sample, time)
    """The first sample of each step, with the step's beginning."""
    last = None
    for sample in samples:
        at = int(parse(sample.minute).timestamp()) // step * step
        if last is None or at > last:
            yield sample, at
            last = at


def _with_breaks(times: Sequence[int], step: int) -> list[int]:
    """With a moment of nothing after each sample that is followed by a long silence."""
    found: list[int] = []
    for at in times:
        if found and at - found[-1] > _SPARSE * step:
            found.append(found[-1] + step)
        found.append(at)
    return found


def _of(sample: Sample | None, name: str) -> float | None:
    return None if sample is None else round(float(getattr(sample, name)), 1)
