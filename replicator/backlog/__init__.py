"""What waits, why, how old, and until when: read from the outbox's files, whoever runs or not.

Reads only; works while tail and ship run, while they are down, and on a copied folder. The JSON
form is `dataclasses.asdict` of ``Backlog``: stable names, documented in docs/backlog.md.
"""

from replicator.backlog.alarms import Alarm, Thresholds, alarms_of, worst
from replicator.backlog.read import read_backlog
from replicator.backlog.values import (
    Backlog,
    Capture,
    Daemon,
    Forecast,
    Gap,
    HouseShare,
    Parked,
    Paused,
    Rates,
    Shares,
    TableShare,
    Waiting,
)

__all__ = [
    "Alarm",
    "Backlog",
    "Capture",
    "Daemon",
    "Forecast",
    "Gap",
    "HouseShare",
    "Parked",
    "Paused",
    "Rates",
    "Shares",
    "TableShare",
    "Thresholds",
    "Waiting",
    "alarms_of",
    "read_backlog",
    "worst",
]
