"""What the servers say of a stream and of themselves: asked once, for `replicator check`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nats.js import JetStreamContext
from nats.js.api import StreamInfo
from nats.js.errors import NotFoundError

from replicator.jetstream.bus import Bus
from replicator.jetstream.sources import held_stations
from replicator.jetstream.stream import losing


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """Of one stream. Bytes; ``limit`` 0: none is set.

    ``version``   of the server that answers
    ``there``     the stream is there; all that follows is of it
    ``losing``    settings by which it may drop rows by itself
    ``behind``    servers that hold a copy and are away, or have not got everything
    ``sources``   whose streams it sources, and seconds since each was last heard; a hub's
    ``held``      stations whose reset was not finished
    """

    version: str
    there: bool = False
    losing: Sequence[str] = ()
    replicas: int = 0
    behind: Sequence[str] = ()
    used: int = 0
    limit: int = 0
    sources: Sequence[tuple[str, float]] = ()
    held: Sequence[str] = ()


def stream_facts(bus: Bus, name: str) -> StreamFacts:
    """Ask for them. Raises as ``Bus.call``."""
    version = bus.version

    async def ask(js: JetStreamContext) -> StreamInfo | None:
        try:
            return await js.stream_info(name)
        except NotFoundError:
            return None

    info = bus.call(ask)
    if info is None:
        return StreamFacts(version)
    peers = info.cluster.replicas if info.cluster and info.cluster.replicas else []
    behind = [peer.name or "?" for peer in peers if peer.offline or not peer.current]
    return StreamFacts(
        version,
        True,
        losing(info.config),
        info.config.num_replicas or 1,
        behind,
        info.state.bytes,
        max(info.config.max_bytes or 0, 0),
        [(one.name, (one.active or 0) / 1e9) for one in info.sources or []],
        held_stations(info.config),
    )


def answers(bus: Bus) -> None:
    """Whether JetStream answers there at all. Raises as ``Bus.call``."""

    async def ask(js: JetStreamContext) -> None:
        await js.account_info()

    bus.call(ask)
