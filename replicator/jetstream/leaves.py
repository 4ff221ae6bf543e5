"""Stations with servers of their own: the hub's stream sources from theirs, theirs are trimmed.

The rules this file keeps:
  * a leaf's messages go when every reader at the hub has settled them, and not by age or size;
  * nothing goes while the hub's newest message of the station is not one of this very stream.
"""

from __future__ import annotations

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
from replicator.jetstream.shelf import Shelf
from replicator.jetstream.stream import StationStream


class Trimmer:
    """Removes from a leaf's stream what the hub has settled. The link may be down: then nothing."""

    def __init__(self, leaf: StationStream, hub: StationStream, shelf: Shelf) -> None:
        self._leaf = leaf
        self._hub = hub
        self._shelf = shelf

    def trim(self) -> int:
        """Below which seq everything is gone now; 0: nothing was done.

        Raises OutboxUnavailable, and OutboxError where the hub has another stream's messages.
        """
        newest = self._hub.newest()
        if newest is None or newest.origin is None:
            return 0
        here = self._leaf.end_at(newest.origin)
        if here is None or here.message.group != newest.message.group:
            raise OutboxError(
                "the hub has messages of an earlier stream of this station; nothing is trimmed",
                f"message {newest.origin} is another one there",
                'the stream here was made anew: docs/scaling.md, "A leaf\'s disk is lost"',
            )
        floor = min(self._shelf.leaf_floor(), newest.origin)
        self._leaf.purge(floor)
        return floor


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
        found = config.sources or []
        if any(each.filter_subject == wanted.filter_subject for each in found):
            return False
        config.sources = [*found, wanted]
        await js.update_stream(config)
        return True

    return bus.call(ask)


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
