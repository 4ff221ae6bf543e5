"""One station in a stream: making the stream, publishing, and finding where capture stands."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RawStreamMsg, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

from replicator.errors import OutboxError, OutboxTaken
from replicator.jetstream.bus import WRONG_LAST_SEQUENCE, Bus
from replicator.jetstream.messages import (
    END,
    Message,
    body,
    headers,
    message_of,
    origin_of,
    subjects,
)
from replicator.jetstream.removal import Trail, remove

_NO_MESSAGE = 10037
_WINDOW = 128  # messages on their way at once
EXPECTED_LAST = "Nats-Expected-Last-Subject-Sequence"


@dataclass(frozen=True, slots=True)
class Placed:
    """A message and its seq in the stream."""

    seq: int
    message: Message
    origin: int | None = None  # at the leaf it was sourced from


@dataclass(frozen=True, slots=True)
class Head:
    """``end``: the last that counts; ``last``: seq of the last that is there, 0: none."""

    end: Placed | None
    last: int

    @property
    def seq(self) -> int:
        return self.end.seq if self.end else 0


class StationStream:
    """A station's subjects in one stream. All raise OutboxUnavailable, OutboxFull, OutboxError."""

    def __init__(self, bus: Bus, stream: str, station: str, *, leaf: bool = False) -> None:
        self._bus = bus
        self.name = stream
        self.station = station
        self.leaf = leaf  # the stream is this station's alone, and a hub sources from it
        self.subjects = subjects(stream, station)

    def ensure(self, replicas: int, max_bytes: int) -> None:
        """Make the stream where there is none. Raises OutboxError for one that may drop rows."""

        async def ask(js: JetStreamContext) -> StreamConfig:
            try:
                return (await js.stream_info(self.name)).config
            except NotFoundError:
                made = await js.add_stream(
                    name=self.name,
                    subjects=[self.subjects.all if self.leaf else f"{self.name}.>"],
                    storage=StorageType.FILE,
                    retention=RetentionPolicy.LIMITS,
                    discard=DiscardPolicy.NEW,
                    num_replicas=replicas,
                    max_bytes=max_bytes,
                )
                return made.config

        _refuse_losing(self.name, self._bus.call(ask))

    def head(self) -> Head:
        """Where capture stands."""

        async def ask(js: JetStreamContext) -> Head:
            last = await _end(js, self, None)
            if last is None:
                return Head(None, 0)
            found = following = await successor(js, self, last.message.previous)
            while following is not None and following.seq < last.seq:
                following = await successor(js, self, following.seq)
                found = following or found  # else what comes behind it is of a late writer
            return Head(found, last.seq)

        return self._bus.call(ask)

    def end_at(self, seq: int) -> Placed | None:
        """The end with that seq; None where it is not there or is something else."""

        async def ask(js: JetStreamContext) -> RawStreamMsg | None:
            try:
                return await js.get_msg(self.name, seq)
            except NotFoundError as error:
                if error.err_code != _NO_MESSAGE:
                    raise
                return None

        raw = self._bus.call(ask)
        if raw is None or raw.subject != self.subjects.end:
            return None
        return Placed(seq, message_of(raw.headers, raw.data), origin_of(raw.headers))

    def newest(self) -> Placed | None:
        """The last end that is there, whether it counts or not."""

        async def ask(js: JetStreamContext) -> Placed | None:
            return await _end(js, self, None)

        return self._bus.call(ask)

    def next_end(self, start: int) -> Placed | None:
        """The first end from a seq on, whether it counts or not."""

        async def ask(js: JetStreamContext) -> Placed | None:
            return await _end(js, self, start)

        return self._bus.call(ask)

    def last(self) -> int:
        """Its seq; 0: there is none."""
        found = self.newest()
        return found.seq if found else 0

    def purge(self, before: int | None = None, trail: Trail | None = None) -> None:
        """Remove the station's messages with a smaller seq; None: all. ``trail``: as ``remove``."""
        bus, name, subject = self._bus, self.name, self.subjects.all
        bus.call(lambda js: remove(bus, js, name, subject, ends=END, before=before, trail=trail))


def chain_behind(stream: StationStream, end: Message | None) -> str:
    """The chain that goes on behind an end; None: it begins. Only a leaf's has a name."""
    if end is not None:
        return end.chain
    return secrets.token_hex(8) if stream.leaf else ""


async def publish_parts(
    js: JetStreamContext, stream: StationStream, parts: Sequence[Message]
) -> None:
    """Store them, many at once, in any order; returns when all are acknowledged."""
    window = asyncio.Semaphore(_WINDOW)

    async def store(part: Message) -> None:
        async with window:
            await js.publish(stream.subjects.part, body(part), headers=headers(part))

    storing = [asyncio.ensure_future(store(part)) for part in parts]
    try:
        await asyncio.gather(*storing)
    except BaseException:
        for each in storing:
            each.cancel()
        raise


async def publish_end(js: JetStreamContext, stream: StationStream, end: Message, last: int) -> int:
    """Store the end of a group and see that it counts; its seq.

    ``last``  seq of the last end that is there. Raises OutboxTaken where there is another by now.
    """
    said = headers(end)
    # A hub would ask the same of its own seqs. Of 0, servers before 2.10.19 may disagree.
    if last and not stream.leaf:
        said[EXPECTED_LAST] = str(last)
    try:
        stored = await js.publish(stream.subjects.end, body(end), headers=said)
    except APIError as error:
        if error.err_code == WRONG_LAST_SEQUENCE:
            raise taken(stream.station) from error
        raise
    first = await successor(js, stream, end.previous)
    if first is None or first.seq != stored.seq:  # servers before 2.9.21 may let two pass at once
        raise taken(stream.station)
    return stored.seq


def taken(station: str) -> OutboxTaken:
    """The error of a writer that is too late."""
    return OutboxTaken(
        "another tail writes into this outbox",
        f"the stream has rows of station {station} that were not captured here",
        "one tail a station: stop one of them, or give each its own [station] name",
    )


async def successor(js: JetStreamContext, stream: StationStream, previous: int) -> Placed | None:
    """The end that counts behind another: the first that says it follows it."""
    end = await _end(js, stream, previous + 1)
    while end is not None and end.message.previous != previous:
        end = await _end(js, stream, end.seq + 1)
    return end


async def _end(js: JetStreamContext, stream: StationStream, start: int | None) -> Placed | None:
    """The first end from a seq on, or the last."""
    try:
        if start is None:
            raw = await js.get_last_msg(stream.name, stream.subjects.end)
        else:
            raw = await js.get_msg(stream.name, start, stream.subjects.end, next=True)
    except NotFoundError as error:
        if error.err_code != _NO_MESSAGE:
            raise
        return None
    assert raw.seq is not None
    return Placed(raw.seq, message_of(raw.headers, raw.data), origin_of(raw.headers))


def losing(config: StreamConfig) -> list[str]:
    """Settings by which a stream drops rows by itself."""
    return [
        key
        for key, fine in (
            ("discard", config.discard == DiscardPolicy.NEW),
            ("retention", config.retention == RetentionPolicy.LIMITS),
            ("storage", config.storage == StorageType.FILE),
            ("max_age", not config.max_age),
            ("max_msgs_per_subject", (config.max_msgs_per_subject or -1) < 0),
        )
        if not fine
    ]


def _refuse_losing(name: str, config: StreamConfig) -> None:
    """A stream that drops rows by itself is no outbox."""
    wrong = losing(config)
    if wrong:
        raise OutboxError(
            f"the stream {name} may drop what is not delivered",
            f"its settings: {', '.join(wrong)}",
            "file storage, limits retention, discard new, no max_age, no limit a subject"
            " (docs/scaling.md)",
        )
