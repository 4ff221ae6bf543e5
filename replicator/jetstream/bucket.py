"""The bucket beside the stream, where many write the same keys at once and one of them counts.

The rules this file keeps:
  * nothing is written over a revision that was not seen; a key that is not there is begun only
    while the bucket has not changed since: servers may disagree about an expectation of 0;
  * servers before 2.9.21 may let two writes over one revision pass: the later counts, and each
    looks a moment later whether it is its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, StorageType
from nats.js.errors import APIError, BucketNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from replicator.jetstream.bus import WRONG_LAST_SEQUENCE, Bus
from replicator.jetstream.keys import Entry, entries, entry
from replicator.jetstream.removal import REFUSED_TO_REMOVE, remove

_SETTLE_SECONDS = 0.1  # after which a write that was let pass beside ours is there
_WRONG_LAST = frozenset({WRONG_LAST_SEQUENCE, 10164})
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Said:
    """What a key says, and with which revision."""

    words: Mapping[str, Any]
    revision: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """Its name, and of how many copies it is made."""

    name: str
    replicas: int

    def subject(self, key: str) -> str:
        """Of a key's messages; ``key`` may be a pattern."""
        return f"$KV.{self.name}.{key}"

    async def open(self, js: JetStreamContext) -> Keys:
        """Its keys; it is made where it is not there."""
        return Keys(self, js, await opened(js, self.name, self.replicas))

    async def purge(self, bus: Bus, js: JetStreamContext, key: str) -> None:
        """Remove a key, and that it ever was there."""
        try:
            await remove(bus, js, f"KV_{self.name}", self.subject(key))
        except APIError as error:
            if error.err_code != REFUSED_TO_REMOVE:
                raise
            await (await js.key_value(self.name)).purge(key)  # as earlier versions made the bucket


async def opened(js: JetStreamContext, name: str, replicas: int) -> KeyValue:
    """A bucket; it is made where it is not there, so that its messages can be removed one by one.

    Else as the client makes it.
    """
    try:
        return await js.key_value(name)
    except BucketNotFoundError:
        await js.add_stream(
            name=f"KV_{name}",
            subjects=[f"$KV.{name}.>"],
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            max_msgs_per_subject=1,
            allow_rollup_hdrs=True,
            num_replicas=replicas,
        )
        return await js.key_value(name)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a bucket that is there, for one call."""

    _bucket: Bucket
    _js: JetStreamContext
    _kv: KeyValue

    async def read(self, key: str) -> Said | None:
        """One key; None where it is not there."""
        found = await entry(self._js, self._bucket.name, key)
        return None if found is None else _read(found)

    async def read_all(self, kind: str) -> dict[str, Said]:
        """All KIND.NAME, by name."""
        found = await entries(self._js, self._bucket.name, f"{kind}.*")
        return {key.partition(".")[2]: _read(each) for key, each in found.items()}

    async def read_settled(self, key: str) -> Said | None:
        """A key that was written just now, once it is clear whose write counts."""
        await asyncio.sleep(_SETTLE_SECONDS)
        return await self.read(key)

    async def put(self, key: str, value: bytes) -> int:
        """Write a key that nobody else knows; its revision."""
        return await self._kv.put(key, value)

    async def write(self, key: str, value: bytes, last: int) -> int | None:
        """Write over a revision; the new one, None where the last one was another than that."""
        try:
            return await self._kv.update(key, value, last=last)
        except KeyWrongLastSequenceError:
            return None

    async def begin(self, key: str, value: bytes) -> int | None:
        """Make a key; its revision, None where another has made it."""
        for _ in range(_TRIES):
            info = await self._js.stream_info(f"KV_{self._bucket.name}")
            if await self.read(key) is not None:
                return None
            expected = {"Nats-Expected-Last-Sequence": str(info.state.last_seq)}
            try:
                ack = await self._js.publish(self._bucket.subject(key), value, headers=expected)
            except APIError as error:
                if error.err_code not in _WRONG_LAST:
                    raise
            else:
                return ack.seq
        return None


def _read(found: Entry) -> Said:
    return Said(orjson.loads(found.value or b"{}"), found.revision)
