"""Ship's side of a stream: a station's messages in order, from a seq on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from replicator.errors import OutboxUnavailable
from replicator.jetstream.bus import Bus
from replicator.jetstream.messages import Message, message_of, origin_of
from replicator.jetstream.stream import StationStream

if TYPE_CHECKING:
    from typing import TypeAlias

    Subscription: TypeAlias = JetStreamContext.PullSubscription

_FETCHED = 64  # messages at a time
_GONE_SECONDS = 60.0  # the servers forget a reader that has not asked for so long


@dataclass(frozen=True, slots=True)
class Read:
    """A message, its seq, and whether it ends a group; ``origin``: its seq at the leaf."""

    seq: int
    message: Message
    end: bool
    origin: int | None = None


class StationReader:
    """Reads from ``start`` on. Where it stands is the caller's to keep."""

    def __init__(self, bus: Bus, stream: StationStream, start: int) -> None:
        self._bus = bus
        self._stream = stream
        self._next = start
        self._given = 0
        self._subscription: Subscription | None = None

    def fetch(self, max_wait: float) -> list[Read]:
        """What came, in order; [] when nothing came within ``max_wait`` seconds.

        Raises OutboxUnavailable, after which the next call goes on from where this one was.
        """
        try:
            subscription = self._subscription or self._subscribe()
            found = self._bus.call(lambda _js: _fetched(subscription, max_wait))
        except OutboxUnavailable:
            self._subscription = None
            raise
        read = []
        for raw in found:
            seq, given = raw.metadata.sequence.stream, raw.metadata.sequence.consumer
            if given != self._given + 1 or raw.metadata.num_delivered != 1:
                self._subscription = None  # some were lost on their way: ask for them again
                break
            self._given, self._next = given, seq + 1
            end = raw.subject == self._stream.subjects.end
            message, origin = message_of(raw.headers, raw.data), origin_of(raw.headers)
            read.append(Read(seq, message, end, origin))
        return read

    def _subscribe(self) -> Subscription:
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._next,
            ack_policy=AckPolicy.NONE,
            filter_subject=self._stream.subjects.all,
            inactive_threshold=_GONE_SECONDS,
        )

        async def ask(js: JetStreamContext) -> Subscription:
            made = await js.add_consumer(self._stream.name, config)
            return await js.pull_subscribe_bind(made.name, stream=self._stream.name)

        self._given = 0
        self._subscription = self._bus.call(ask)
        return self._subscription


async def _fetched(subscription: Subscription, max_wait: float) -> Sequence[Msg]:
    try:
        return await subscription.fetch(_FETCHED, timeout=max(max_wait, 0.05))
    except asyncio.TimeoutError:  # the client's own is one, too
        return []
