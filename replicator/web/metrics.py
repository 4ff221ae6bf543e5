"""The backlog as Prometheus metrics: one read of it a scrape, no state. docs/metrics.md.

The names are here as data; a test holds the document, the dashboard and the alert rules to them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from replicator.backlog import Alarm, Backlog, Waiting
from replicator.outbox.clock import parse
from replicator.web.health import Health

STATES = ("running", "waiting", "paused", "refused", "stopped", "gone", "never started")
GAP_STATES = ("open", "healing", "healed")
PREFIX = "replicator_"

Value = tuple[tuple[str, ...], float | None]


@dataclass(frozen=True, slots=True)
class Named:
    """``name`` without the prefix; a counter's ends with _total."""

    name: str
    labels: tuple[str, ...]
    help: str

    @property
    def counter(self) -> bool:
        """Never falls but by starting anew."""
        return self.name.endswith("_total")


_D = ("destination",)
METRICS: Mapping[str, Named] = MappingProxyType(
    {
        each.name: each
        for each in (
            Named("info", ("version", "station"), "1"),
            Named(
                "outbox_readable",
                (),
                "1; 0 where the outbox cannot be read: nothing else is told then",
            ),
            Named(
                "healthy",
                ("part",),
                "1 where /healthz finds progress in tail or a destination, else 0",
            ),
            Named("alarms", ("about", "kind", "level"), "alarms of `replicator backlog`"),
            Named("tail_state", ("state",), "1 for tail's state, 0 for the others"),
            Named("captured_rows_total", (), "rows captured ever"),
            Named("capture_lag_seconds", (), "tail is behind the source by so much, at most"),
            Named("capture_read_timestamp_seconds", (), "when tail's position last moved"),
            Named("snapshot_running", (), "1 while tables are being read"),
            Named("outbox_entries", (), "entries held"),
            Named("outbox_used_bytes", (), "used of the outbox, as its budget counts"),
            Named("outbox_budget_bytes", (), "[outbox] max_size"),
            Named("source_unread_bytes", (), "of the source's log behind tail's position"),
            Named(
                "source_purge_seconds",
                (),
                "until the source may purge what is unread; below 0: it is past",
            ),
            Named("gaps", ("state",), "lost stretches of the source's log"),
            Named("destination_enabled", _D, "1 where rows are sent there"),
            Named("ship_state", ("destination", "state"), "1 for ship's state, 0 for the others"),
            Named("waiting_rows", _D, "rows behind the cursor"),
            Named("lag_seconds", _D, "age of the oldest row that waits; 0: none does"),
            Named(
                "behind_source_seconds",
                _D,
                "the destination is behind the source by so much, at most",
            ),
            Named("settled_rows", _D, "rows delivered or parked ever; falls by a rewind"),
            Named("rows_in_per_second", _D, "captured, average of the last ten minutes"),
            Named(
                "rows_out_per_second", _D, "delivered or parked, average of the last ten minutes"
            ),
            Named(
                "empty_in_seconds",
                _D,
                "until nothing waits, if both go on; absent: never, or not known",
            ),
            Named("parked_rows", ("destination", "kind", "reason"), "rows taken out of the flow"),
            Named("resend_rows", _D, "rows before the cursor that are to be sent again"),
            Named("mappings", _D, "local ids whose id there is known"),
            Named("acknowledged_timestamp_seconds", _D, "when rows were last confirmed"),
            Named("paused", _D, "1 where an operator has paused it"),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Picture:
    """What one scrape tells; ``found`` None: the outbox cannot be read."""

    version: str
    station: str
    found: Backlog | None
    health: Health | None = None
    alarms: tuple[Alarm, ...] = ()


class Collector:
    """Of one picture, for a registry of its own."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    def collect(self) -> Iterator[Metric]:
        """The families that there is something to say of, in the order of ``METRICS``."""
        told = _values(self._picture)
        for named in METRICS.values():
            values = [
                (labels, value) for labels, value in told.get(named.name, ()) if value is not None
            ]
            if values:
                yield family(named, values)


def exposition(picture: Picture) -> bytes:
    """The text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(picture))
    return generate_latest(registry)


def family(named: Named, values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    """One metric with its values by label."""
    kind = CounterMetricFamily if named.counter else GaugeMetricFamily
    family = kind(PREFIX + named.name, named.help, labels=named.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def _values(picture: Picture) -> dict[str, list[Value]]:
    told: dict[str, list[Value]] = {
        "info": [((picture.version, picture.station), 1.0)],
        "outbox_readable": [((), float(picture.found is not None))],
    }
    if picture.found is None:
        return told
    if picture.health is not None:
        told["healthy"] = [((part.name,), float(part.healthy)) for part in picture.health.parts]
    counted = Counter((alarm.about, alarm.kind, alarm.level) for alarm in picture.alarms)
    told["alarms"] = [(labels, float(number)) for labels, number in counted.items()]
    told |= {name: [((), value)] for name, value in _capture(picture.found).items()}
    told["tail_state"] = [((s,), float(s == picture.found.tail.daemon.state)) for s in STATES]
    gaps = Counter(gap.state for gap in picture.found.gaps)
    told["gaps"] = [((state,), float(gaps[state])) for state in GAP_STATES]
    for each in picture.found.destinations:
        for name, value in _delivery(each, picture.found.tail.rows_captured).items():
            told.setdefault(name, []).append(((each.name,), value))
        states = [((each.name, s), float(s == each.daemon.state)) for s in STATES]
        told.setdefault("ship_state", []).extend(states)
        told.setdefault("parked_rows", []).extend(_parked(each))
    return told


def _capture(found: Backlog) -> dict[str, float | None]:
    tail, forecast = found.tail, found.tail.forecast
    return {
        "captured_rows_total": tail.rows_captured,
        "capture_lag_seconds": tail.lag_seconds,
        "capture_read_timestamp_seconds": _unix(tail.read_at),
        "snapshot_running": float(tail.snapshot is not None),
        "outbox_entries": tail.entries,
        "outbox_used_bytes": tail.used_bytes,
        "outbox_budget_bytes": tail.budget_bytes,
        "source_unread_bytes": forecast.unread_bytes if forecast else None,
        "source_purge_seconds": forecast.seconds if forecast else None,
    }


def _delivery(each: Waiting, captured: int) -> dict[str, float | None]:
    return {
        "destination_enabled": float(each.enabled),
        "waiting_rows": each.waiting_rows,
        "lag_seconds": each.lag_seconds if each.waiting_rows else 0.0,
        "behind_source_seconds": each.behind_source_seconds,
        "settled_rows": captured - each.waiting_rows,
        "rows_in_per_second": each.rates.rows_in,
        "rows_out_per_second": each.rates.rows_out,
        "empty_in_seconds": each.rates.empty_in_seconds,
        "resend_rows": each.to_send_again,
        "mappings": each.mappings,
        "acknowledged_timestamp_seconds": _unix(each.last_acknowledged_at),
        "paused": float(each.paused is not None),
    }


def _parked(each: Waiting) -> Iterator[Value]:
    """By reason, without the row that is waited for: a label has few values."""
    rows: Counter[tuple[str, str]] = Counter()
    for parked in each.parked:
        short = "waits for" if parked.reason.startswith("waits for ") else parked.reason
        rows[parked.kind, short] += parked.rows
    for (kind, reason), number in rows.items():
        yield (each.name, kind, reason), float(number)


def _unix(time: str | None) -> float | None:
    return parse(time).timestamp() if time else None
