"""Ship's side of a stream: a station's messages in order, from a seq on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from replicator.errors import OutboxError, OutboxUnavailable
from replicator.jetstream.bus import Bus
from replicator.jetstream.messages import Message, message_of, origin_of
from replicator.jetstream.stream import StationStream

if TYPE_CHECKING:
    from typing import TypeAlias

    Subscription: TypeAlias = JetStreamContext.PullSubscription

_FETCHED = 64  # messages at a time
_BATCH_SECONDS = 0.5  # how long a batch may fill; after that, the first message ends the wait
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
        self._fetching: Future[Sequence[Msg]] | None = None

    def interrupt(self) -> None:
        """End a ``fetch`` that another thread waits in: it raises OutboxUnavailable."""
        fetching = self._fetching
        if fetching is not None:
            fetching.cancel()

    def close(self) -> None:
        """Be no reader any more; the servers forget it by themselves where they cannot be told."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with suppress(OutboxError):
                self._bus.call(lambda js: _dismissed(js, self._stream.name, subscription))

    def fetch(self, max_wait: float) -> list[Read]:
        """What came, in order; [] when nothing came within ``max_wait`` seconds.

        Raises OutboxUnavailable, after which the next call goes on from where this one was.
        """
        try:
            subscription = self._subscription or self._subscribe()
            self._fetching = self._bus.start(lambda _js: _fetched(subscription, max_wait))
            found = self._bus.result(self._fetching)
        except OutboxUnavailable:
            self.close()
            raise
        finally:
            self._fetching = None
        read = []
        for raw in found:
            seq, given = raw.metadata.sequence.stream, raw.metadata.sequence.consumer
            if given != self._given + 1 or raw.metadata.num_delivered != 1:
                self.close()  # some were lost on their way: ask for them again
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


async def _dismissed(js: JetStreamContext, stream: str, subscription: Subscription) -> None:
    name = (await subscription.consumer_info()).name
    await subscription.unsubscribe()
    await js.delete_consumer(stream, name)


async def _fetched(subscription: Subscription, max_wait: float) -> Sequence[Msg]:
    try:
        filling = max(min(max_wait, _BATCH_SECONDS), 0.05)
        return await subscription.fetch(_FETCHED, timeout=filling)
    except asyncio.TimeoutError:  # the client's own is one, too
        pass
    if max_wait <= _BATCH_SECONDS:
        return []
    try:
        return await subscription.fetch(1, timeout=max_wait - _BATCH_SECONDS)
    except asyncio.TimeoutError:
        return []
