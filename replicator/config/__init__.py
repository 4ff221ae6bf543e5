"""replicator.ini and the environment, as frozen dataclasses; all mistakes reported at once."""

from replicator.config.example import example
from replicator.config.load import PLACES, Config
from replicator.config.types import (
    AlarmConfig,
    CentralConfig,
    DestinationConfig,
    FleetConfig,
    Listen,
    LogConfig,
    OutboxConfig,
    SourceConfig,
    StationConfig,
    WebConfig,
)

__all__ = [
    "PLACES",
    "AlarmConfig",
    "CentralConfig",
    "Config",
    "DestinationConfig",
    "FleetConfig",
    "Listen",
    "LogConfig",
    "OutboxConfig",
    "SourceConfig",
    "StationConfig",
    "WebConfig",
    "example",
]
