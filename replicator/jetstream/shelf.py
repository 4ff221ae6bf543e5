"""What the readers of a stream keep beside it: how far each has settled, and reference rows.

A bucket of NATS' key-value store. A reader's key is written only over its own last revision, so of
two under one name the older notices. Messages go when every reader has settled them; the latest
reference rows stay in the bucket, for a reader that begins with an empty folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import orjson
from nats.js import JetStreamContext
from nats.js.errors import (
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    NotFoundError,
)
from nats.js.kv import KeyValue

from replicator.change import Value
from replicator.errors import OutboxTaken
from replicator.jetstream.bucket import opened
from replicator.jetstream.bus import Bus
from replicator.jetstream.desks import WHOLE
from replicator.jetstream.keys import entries
from replicator.jetstream.messages import Floor
from replicator.jetstream.removal import remove
from replicator.naming import token


@dataclass(frozen=True, slots=True)
class Reference:
    """The latest row of a reference table."""

    table: str
    local_id: int
    row: Mapping[str, Value]
    deleted: bool


class Shelf:
    """One station's keys in the bucket. All raise OutboxUnavailable, OutboxFull, OutboxError."""

    def __init__(self, bus: Bus, stream: str, station: str, reader: str, replicas: int) -> None:
        self._bus = bus
        self._stream = stream
        self._bucket = f"{stream}_state"
        self._station = station
        self._reader = reader
        self._replicas = replicas
        self._revision = 0

    @property
    def revision(self) -> int:
        """Of this reader's key, as it was written last."""
        return self._revision

    def claim(self, *, anew: bool = False) -> Floor:
        """Be the reader of this name from now on; another under the same name learns it.

        What of a leaf is not settled yet.
        ``anew``  all that the stream holds is read again: nothing of it is settled
        """

        async def ask(js: JetStreamContext) -> tuple[int, Floor]:
            kv = await self._open(js)
            try:
                value = (await kv.get(self._key)).value or b""
            except KeyNotFoundError:
                value = orjson.dumps({"seq": 0})
            if anew:
                value = orjson.dumps(orjson.loads(value) | {"seq": 0})
            revision = await kv.put(self._key, value)
            found = await kv.get(self._key)
            if found.revision != revision:  # the reader of before has just settled something
                return await ask(js)
            return revision, _floor(value)

        self._revision, floor = self._bus.call(ask)
        return floor

    def settle(self, seq: int, leaf: Floor | None = None) -> int:
        """Messages with a smaller seq are not needed by this reader; which none needs any more.

        ``leaf``  the same as the station's own server counts, where the stream is sourced from it;
                  the group that begins there is settled, too

        Raises OutboxTaken when another has claimed the name.
        """

        async def ask(js: JetStreamContext) -> tuple[int, int]:
            kv = await self._open(js)
            stream = await js.stream_info(self._stream)
            made = str(stream.created)
            value = orjson.dumps({"seq": seq, "made": made} | _said(leaf or Floor()))
            try:
                revision = await kv.update(self._key, value, last=self._revision)
            except KeyWrongLastSequenceError as error:
                raise _taken(self._reader, self._station) from error
            readers = await self._readers(js)
            last = stream.state.last_seq
            return revision, min((_counting(said, made, last) for said in readers), default=0)

        self._revision, floor = self._bus.call(ask)
        return floor

    def leaf_floors(self) -> dict[str, Floor]:
        """How far each reader at the hub has settled what the leaf has, by its name as a token."""

        async def ask(js: JetStreamContext) -> dict[str, Floor]:
            try:
                found = await entries(js, self._bucket, f"settled.{token(self._station)}.*")
            except NotFoundError:  # nobody has read from the hub yet
                return {}
            return {key.rsplit(".", 1)[-1]: _floor(each.value) for key, each in found.items()}

        return self._bus.call(ask)

    async def _readers(self, js: JetStreamContext) -> list[bytes]:
        """What all readers of the station have said."""
        found = await entries(js, self._bucket, f"settled.{token(self._station)}.*")
        return [each.value for each in found.values()]

    @property
    def _key(self) -> str:
        return f"settled.{token(self._station)}.{token(self._reader)}"

    def keep(self, references: Sequence[Reference]) -> None:
        """Keep these rows."""

        async def ask(js: JetStreamContext) -> None:
            kv = await self._open(js)
            for each in references:
                key = f"reference.{token(self._station)}.{each.table}.{each.local_id}"
                if each.deleted:
                    await kv.delete(key)
                else:
                    await kv.put(key, orjson.dumps(each.row))

        self._bus.call(ask)

    def references(self) -> list[Reference]:
        """All rows kept."""

        async def ask(js: JetStreamContext) -> list[Reference]:
            await self._open(js)
            found = []
            kept = await entries(js, self._bucket, f"reference.{token(self._station)}.>")
            for key, each in kept.items():
                _, _, table, local_id = key.split(".")
                row = orjson.loads(each.value)
                found.append(Reference(table, int(local_id), row, deleted=False))
            return found

        return self._bus.call(ask)

    def readers(self) -> set[str]:
        """Names, as tokens, under which the station is read."""

        async def ask(js: JetStreamContext) -> set[str]:
            await self._open(js)
            found = await entries(js, self._bucket, f"settled.{token(self._station)}.*")
            return {key.rsplit(".", 1)[-1] for key in found}

        return self._bus.call(ask)

    def clear(self) -> None:
        """Remove all the station's keys."""

        async def ask(js: JetStreamContext) -> None:
            kv = await self._open(js)
            for kind in ("settled", "reference"):
                for key in await entries(js, self._bucket, f"{kind}.{token(self._station)}.>"):
                    await kv.purge(key)

        self._bus.call(ask)

    def clear_desks(self) -> None:
        """Remove what earlier folders of the station have kept of their desks."""
        name = f"{self._stream}_desks"

        async def ask(js: JetStreamContext) -> None:
            with suppress(NotFoundError):  # none was ever kept
                subject = f"{name}.{token(self._station)}.>"
                await remove(self._bus, js, name, subject, ends=WHOLE)

        self._bus.call(ask)

    async def _open(self, js: JetStreamContext) -> KeyValue:
        return await opened(js, self._bucket, self._replicas)


def _counting(said: bytes, made: str, last: int) -> int:
    """The seq that a reader has settled; 0 where that was of another stream, or of a lost end."""
    value = orjson.loads(said)
    ours = value.get("made", made) == made and value["seq"] <= last + 1
    return int(value["seq"]) if ours else 0


def _said(floor: Floor) -> dict[str, object]:
    said = {"leaf": floor.seq, "chain": floor.chain, "follows": floor.follows}
    return {key: value for key, value in said.items() if value}


def _floor(value: bytes) -> Floor:
    """Inverse of ``_said``."""
    said = orjson.loads(value)
    return Floor(said.get("leaf", 0), said.get("chain", ""), said.get("follows", ""))


def _taken(reader: str, station: str) -> OutboxTaken:
    return OutboxTaken(
        f"another ship reads station {station} from the stream as {reader}",
        "one reader a name: it has claimed the name since",
        "stop one of them, or give each its own [outbox] reader",
    )
