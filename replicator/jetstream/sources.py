"""Whose streams the hub's stream takes messages from: a source a station, by its JetStream domain.

A source that is held stays in the stream's configuration, under an address where nobody answers. So
it says itself that it is to come back; and a stream without any would get a subject of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from nats.js import JetStreamContext
from nats.js.api import (
    DiscardPolicy,
    ExternalStream,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamSource,
)
from nats.js.errors import NotFoundError

from replicator.errors import OutboxError
from replicator.jetstream.bus import Bus
from replicator.jetstream.messages import subjects
from replicator.naming import name_of

_HELD = "HELD"  # where an address of JetStream ends with API


@dataclass(frozen=True, slots=True)
class Source:
    """The domain that a station's messages are taken from; ``held``: not at present."""

    domain: str
    held: bool


def add_source(
    bus: Bus, name: str, station: str, domain: str, *, replicas: int, max_bytes: int
) -> bool:
    """Let the hub's stream source a station's from its domain; make it where there is none.

    False: it does already. Raises as ``Bus.call``.
    """
    wanted = StreamSource(
        name=name,
        filter_subject=subjects(name, station).all,
        external=ExternalStream(api=f"$JS.{domain}.API", deliver=""),
    )

    async def ask(js: JetStreamContext) -> bool:
        try:
            config = (await js.stream_info(name)).config
        except NotFoundError:
            await js.add_stream(_hub(name, wanted, replicas, max_bytes))
            return True
        if config.subjects:
            raise OutboxError(
                f"the stream {name} takes messages of its own",
                f"its subjects: {', '.join(config.subjects)}",
                "a hub's stream has none, else each row would come twice: give it another name",
            )
        known = _source(config, station)
        if known is not None and _said(known).held:
            raise OutboxError(
                f"station {station} is not taken at present: its reset was not finished",
                f"the stream {name} holds its source",
                f"`replicator leaf reset {station} --yes` finishes it",
            )
        if known is not None:
            return False
        config.sources = [*(config.sources or []), wanted]
        await js.update_stream(config)
        return True

    return bus.call(ask)


def source_of(bus: Bus, name: str, station: str) -> Source:
    """Where a station is taken from. Raises OutboxError where it is not; as ``Bus.call``."""

    async def ask(js: JetStreamContext) -> Source:
        return _said(_known((await js.stream_info(name)).config, station))

    return bus.call(ask)


def held_stations(config: StreamConfig) -> list[str]:
    """Those whose messages a hub's stream does not take at present."""
    held = [
        one.filter_subject.split(".")[1]
        for one in config.sources or []
        if one.filter_subject and one.external and one.external.api.endswith(f".{_HELD}")
    ]
    return [name_of(each) for each in held]


def hold_source(bus: Bus, name: str, station: str, *, held: bool) -> None:
    """Take nothing of a station any more, or take it again. Raises as ``source_of``.

    The servers then begin behind the last message that the stream has of it, or with the first.
    """

    async def ask(js: JetStreamContext) -> None:
        config = (await js.stream_info(name)).config
        found = _known(config, station)
        known = _said(found)
        if known.held != held and found.external is not None:
            found.external.api = f"$JS.{known.domain}.{_HELD if held else 'API'}"
            await js.update_stream(config)

    bus.call(ask)


def _source(config: StreamConfig, station: str) -> StreamSource | None:
    assert config.name is not None
    wanted = subjects(config.name, station).all
    return next((one for one in config.sources or [] if one.filter_subject == wanted), None)


def _known(config: StreamConfig, station: str) -> StreamSource:
    found = _source(config, station)
    if found is None:
        raise OutboxError(
            f"the stream {config.name} takes nothing from station {station}",
            "it has no such source",
            f"`replicator leaf add {station} --domain DOMAIN` lets it",
        )
    return found


def _said(source: StreamSource) -> Source:
    """What its address says: ``$JS.DOMAIN.API``."""
    words = source.external.api.split(".") if source.external is not None else []
    if len(words) != 3:
        raise OutboxError(
            "a source of the hub's stream is not one of ours",
            f"{source.filter_subject}: {'.'.join(words) or 'no domain'}",
            "`replicator leaf add` makes them (docs/scaling.md)",
        )
    return Source(words[1], words[2] == _HELD)


def _hub(name: str, first: StreamSource, replicas: int, max_bytes: int) -> StreamConfig:
    return StreamConfig(
        name=name,
        sources=[first],
        storage=StorageType.FILE,
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.NEW,
        num_replicas=replicas,
        max_bytes=max_bytes,
    )
