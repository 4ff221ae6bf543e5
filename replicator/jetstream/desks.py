"""Desks beside the stream: what delivery of a station knows, kept for whoever delivers it next.

A stream STREAM_desks. A desk is messages ``STREAM_desks.STATION.READER.EPOCH.NUMBER.PART``, and one
``….whole`` behind them; without that it never was there. The largest (epoch, number) is the newest,
so an older holder can neither overwrite nor hide what a newer one has kept. Whoever keeps one
removes those that are older than it. The rules this file keeps:
  * a number is used for one attempt, whatever became of it: what an attempt that was given up still
    brings is never among the parts of another;
  * before looking, a message is stored: servers that have just elected a leader may show a stream
    as it was some moments ago; what counts is a look that shows this message, too.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType
from nats.js.errors import APIError, NotFoundError

from replicator.errors import OutboxError
from replicator.jetstream.bus import NO_ROOM, Bus
from replicator.jetstream.removal import remove
from replicator.naming import token

WHOLE = "whole"
_PART_BYTES = 256 << 10
_TRIES = 20
_PAUSE = 0.1
_LOOK = "0.0.look"  # as of a desk that is older than all


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Which desk: the holding's epoch, and a number that rises in it."""

    epoch: int
    number: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.number}"


class Desks:
    """One station's and reader's. All raise OutboxUnavailable, OutboxFull, OutboxError."""

    def __init__(
        self,
        bus: Bus,
        stream: str,
        station: str,
        reader: str,
        replicas: int,
        rising: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._bus = bus
        self._name = f"{stream}_desks"
        self._root = f"{self._name}.{token(station)}.{token(reader)}"
        self._station = station
        self._replicas = replicas
        self._rising = rising  # by one process is a station held with an epoch
        self._number = 0

    def keep(self, epoch: int, desk: bytes) -> Version:
        """Keep a desk as the newest of this epoch; returns when it is there as a whole."""
        size = min(_PART_BYTES, self._bus.max_payload - 4096)
        parts = [desk[at : at + size] for at in range(0, len(desk), size)]
        said = {"parts": len(parts), "sha256": hashlib.sha256(desk).hexdigest()}

        async def ask(js: JetStreamContext) -> Version:
            known = await self._versions(js) or set()
            numbers = [each.number for each in known if each.epoch == epoch]
            self._number = max([self._rising(), *(n + 1 for n in [self._number, *numbers])])
            version = Version(epoch, self._number)
            place = self._place(version)
            for number, part in enumerate(parts):
                await js.publish(f"{place}.{number}", part)
            await js.publish(f"{place}.{WHOLE}", orjson.dumps(said))
            for older in known:
                if older < version:
                    subject = f"{self._place(older)}.*"
                    await remove(self._bus, js, self._name, subject, ends=WHOLE)
            return version

        return self._bus.call(ask)

    def newest(self) -> Version | None:
        """Which is the newest whole one."""
        return self._bus.call(self._newest)

    def fetch(self) -> tuple[Version, bytes] | None:
        """The newest whole desk; None: none was ever kept. Raises OutboxError for a damaged one."""
        return self._bus.call(self._fetched)

    async def _fetched(self, js: JetStreamContext) -> tuple[Version, bytes] | None:
        for _ in range(_TRIES):
            version = await self._newest(js)
            if version is None:
                return None
            try:
                return version, await self._read(js, version)
            except NotFoundError:  # a newer one has come, and this one was removed meanwhile
                await asyncio.sleep(_PAUSE)
        raise _damaged(self._station, f"a part of {version} is missing")

    async def _read(self, js: JetStreamContext, version: Version) -> bytes:
        place = self._place(version)
        said = orjson.loads((await js.get_last_msg(self._name, f"{place}.{WHOLE}")).data or b"")
        parts = [
            (await js.get_last_msg(self._name, f"{place}.{number}")).data or b""
            for number in range(said["parts"])
        ]
        desk = b"".join(parts)
        if hashlib.sha256(desk).hexdigest() != said["sha256"]:
            raise _damaged(self._station, f"the parts of {version} do not make a whole")
        return desk

    async def _newest(self, js: JetStreamContext) -> Version | None:
        await self._versions(js)  # makes the stream where there is none
        stored = await self._stored(js)
        for _ in range(_TRIES):
            found = await self._versions(js, WHOLE, stored)
            if found is not None:
                return max(found, default=None)
            await asyncio.sleep(_PAUSE)
        raise TimeoutError("the servers show the desks as they were before")

    async def _stored(self, js: JetStreamContext) -> int:
        """Store a message; its seq, or 0 where there is no room: to deliver makes some."""
        try:
            return (await js.publish(f"{self._root}.{_LOOK}", b"")).seq
        except APIError as error:
            if error.err_code not in NO_ROOM:
                raise
            return 0

    async def _versions(
        self, js: JetStreamContext, part: str = "*", least: int = 0
    ) -> set[Version] | None:
        """Of which there are parts; None where the stream is not shown up to a seq."""
        wanted = f"{self._root}.*.*.{part}"
        try:
            info = await js.stream_info(self._name, subjects_filter=wanted)
        except NotFoundError:
            await js.add_stream(
                name=self._name,
                subjects=[f"{self._name}.>"],
                storage=StorageType.FILE,
                retention=RetentionPolicy.LIMITS,
                discard=DiscardPolicy.NEW,
                num_replicas=self._replicas,
            )
            return set()
        if info.state.last_seq < least:
            return None
        found = (subject.split(".") for subject in info.state.subjects or ())
        return {Version(int(words[3]), int(words[4])) for words in found}

    def _place(self, version: Version) -> str:
        return f"{self._root}.{version.epoch}.{version.number}"


def _damaged(station: str, detail: str) -> OutboxError:
    return OutboxError(
        f"the desk of station {station} that is kept beside the stream cannot be read",
        detail,
        "`nats stream purge STREAM_desks --subject` with the station's subjects removes it (servers"
        " before 2.9.18: docs/scaling.md); what it knew is found out again, and what the stream"
        " still has is sent again",
    )
