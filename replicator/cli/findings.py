"""What `replicator check` looks at: one function a part, each gives findings and never raises."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from replicator.checks import centre, continuity, folder, machine, station, stream
from replicator.checks.finding import Finding, Target
from replicator.cli.migrate import stores
from replicator.cli.pipelines import address, endpoint
from replicator.cli.streaming import StreamDesk
from replicator.config import Config

Check = Callable[[Config], Iterable[Finding]]
_PARTS = (
    machine.configuration,
    station.source,
    folder.outbox,
    stream.stream,
    continuity.continuity,
    centre.destinations,
)


def target(config: Config) -> Target:
    """What a configuration says is to be looked at."""
    return Target(
        config=config,
        endpoint=endpoint(config),
        stores=tuple((path, kind) for path, kind, _ in stores(config)),
        addresses={one.name: address(one) for one in config.destinations if one.enabled},
        stream=StreamDesk(config) if config.outbox.url is not None else None,
    )


def _check(part: Callable[[Target], Iterable[Finding]]) -> Check:
    return lambda config: part(target(config))


# In the order of the data's way.
CHECKS: tuple[Check, ...] = tuple(_check(part) for part in _PARTS)
