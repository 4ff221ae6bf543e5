"""What `replicator check` looks at: one function a part, each gives findings and never raises."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from replicator.checks import centre, continuity, folder, machine, station, stream
from replicator.checks.finding import Finding, Target
from replicator.cli.connecting import connection, hub_of
from replicator.cli.migrate import stores
from replicator.cli.pipelines import address, endpoint
from replicator.config import Config

if TYPE_CHECKING:
    from replicator.jetstream.facts import StreamFacts

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
        stream=_Servers(config) if config.outbox.url is not None else None,
    )


def _check(part: Callable[[Target], Iterable[Finding]]) -> Check:
    return lambda config: part(target(config))


# In the order of the data's way.
CHECKS: tuple[Check, ...] = tuple(_check(part) for part in _PARTS)


class _Servers:
    """Those of the stream, and of its hub. See replicator.checks.finding.AskStream."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def facts(self) -> StreamFacts:
        url = self._config.outbox.url
        assert url is not None
        bus, _ = connection(self._config, url)
        from replicator.jetstream.facts import stream_facts  # noqa: PLC0415  # needs the extra

        with closing(bus):
            return stream_facts(bus, url.stream)

    def hub(self) -> None:
        bus, _ = hub_of(self._config)
        from replicator.jetstream.facts import answers  # noqa: PLC0415  # needs the extra

        with closing(bus):
            answers(bus)
