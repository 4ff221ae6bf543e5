"""The fleet as Prometheus metrics. Labels stay few: shippers by host, and ranks, not stations.

A station's name in a label would make a series of every station that was ever among the worst.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from replicator.fleet.overview import Overview
from replicator.fleet.report import LEVELS
from replicator.web.metrics import Named, Value, family

_H = ("host",)
FLEET_METRICS: Mapping[str, Named] = MappingProxyType(
    {
        each.name: each
        for each in (
            Named(
                "fleet_readable",
                (),
                "1; 0 where what the shippers say cannot be read: nothing else is told then",
            ),
            Named("fleet_stations_held", (), "stations that live shippers hold"),
            Named("fleet_stations_unheld", (), "stations without a shipper, at least"),
            Named(
                "fleet_stations", ("level",), "stations looked at, by `replicator backlog`'s level"
            ),
            Named("fleet_waiting_rows", (), "rows behind the cursors of all stations"),
            Named("fleet_parked_rows", (), "rows taken out of the flow, of all stations"),
            Named("fleet_lag_seconds", (), "age of the oldest row that waits anywhere"),
            Named("fleet_shippers", _H, "live shippers on a host"),
            Named(
                "fleet_shippers_silent", _H, "shippers there that stopped speaking, not yet buried"
            ),
            Named("fleet_shipper_stations", _H, "stations that its shippers hold"),
            Named("fleet_shipper_waiting_rows", _H, "rows that wait at them"),
            Named("fleet_shipper_lag_seconds", _H, "age of the oldest row that waits at them"),
            Named(
                "fleet_worst_lag_seconds", ("rank",), "of the stations worst off: 1 is the worst"
            ),
            Named("fleet_worst_waiting_rows", ("rank",), "the same stations' rows"),
        )
    }
)


class _Collector:
    def __init__(self, found: Overview | None) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """The families that there is something to say of."""
        readable: Sequence[Value] = [((), float(self._found is not None))]
        told = {"fleet_readable": readable, **(_values(self._found) if self._found else {})}
        for named in FLEET_METRICS.values():
            values = [(at, value) for at, value in told.get(named.name, ()) if value is not None]
            if values:
                yield family(named, values)


def exposition(found: Overview | None) -> bytes:
    """The text format of Prometheus; None: it cannot be read."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(found))
    return generate_latest(registry)


def _values(found: Overview) -> dict[str, Sequence[Value]]:
    total = found.total
    told: dict[str, Sequence[Value]] = {
        "fleet_stations_held": [((), float(found.held))],
        "fleet_stations_unheld": [((), float(found.unheld))],
        "fleet_stations": [((level,), float(total.levels.get(level, 0))) for level in LEVELS],
        "fleet_waiting_rows": [((), float(total.waiting_rows))],
        "fleet_parked_rows": [((), float(total.parked_rows))],
        "fleet_lag_seconds": [((), total.lag_seconds)],
    }
    ranked = list(enumerate(total.worst, 1))
    told["fleet_worst_lag_seconds"] = [((str(n),), each.lag_seconds) for n, each in ranked]
    told["fleet_worst_waiting_rows"] = [((str(n),), float(each.waiting_rows)) for n, each in ranked]
    return told | _by_host(found)


def _by_host(found: Overview) -> dict[str, Sequence[Value]]:
    sums = {
        name: Counter[str]()
        for name in ("shippers", "shippers_silent", "shipper_stations", "shipper_waiting_rows")
    }
    lags: dict[str, float] = {}
    for shipper in found.shippers:
        sums["shippers"][shipper.host] += shipper.live
        sums["shippers_silent"][shipper.host] += not shipper.live
        if shipper.live:
            sums["shipper_stations"][shipper.host] += shipper.stations
            sums["shipper_waiting_rows"][shipper.host] += shipper.report.waiting_rows
            lags[shipper.host] = max(lags.get(shipper.host, 0.0), shipper.report.lag_seconds)
    told: dict[str, Sequence[Value]] = {
        f"fleet_{name}": [((host,), float(number)) for host, number in counts.items()]
        for name, counts in sums.items()
    }
    told["fleet_shipper_lag_seconds"] = [((host,), lag) for host, lag in lags.items()]
    return told
