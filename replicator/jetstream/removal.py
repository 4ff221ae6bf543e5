"""Removing a subject's messages, so that no other station's go with them.

Where a stream has replicas, message by message: nats-server before 2.9.18 takes a purge that it
finds in its log when it starts for one of all messages before it, whatever its subject and seq
(nats-server issue 4196). Then that server lacks what other stations had there, and so do all once
it leads. Of one copy there is no such log. The rules this file keeps:
  * of a group its end goes first, so that a reader finds a whole group or none;
  * groups go from the oldest on, so that none is missing before one that is there.
"""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from replicator.jetstream.bus import Bus

REFUSED_TO_REMOVE = 10057
_NO_MESSAGE = 10037  # behind a seq
_NOT_FOUND = 10043  # that very seq
_EMPTY = "no message found"  # what REFUSED_TO_REMOVE says of a stream that has none
_ONE = 1  # copy: the servers keep no log of it
_WINDOW = 64  # removals on their way at once


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a message is; ``end``: it makes what lies before it count."""

    seq: int
    end: bool


class Trail:
    """The messages that a reader has come across, in order; eight bytes for each."""

    def __init__(self) -> None:
        self._spots = array("Q")  # seq, and whether it is an end

    def note(self, seq: int, *, end: bool) -> None:
        """One more; what is read again is known already."""
        if not self._spots or seq > self._spots[-1] >> 1:
            self._spots.append(seq << 1 | end)

    def before(self, seq: int) -> Sequence[Spot]:
        """Those with smaller seqs."""
        return [Spot(each >> 1, bool(each & 1)) for each in self._spots[: self._place(seq)]]

    def forget(self, seq: int) -> None:
        """Those with smaller seqs are gone."""
        del self._spots[: self._place(seq)]

    def _place(self, seq: int) -> int:
        return bisect_left(self._spots, seq << 1)


async def remove(
    bus: Bus,
    js: JetStreamContext,
    stream: str,
    subject: str,
    *,
    ends: str = "",
    before: int | None = None,
    trail: Trail | None = None,
) -> None:
    """Remove a subject's messages, or those with smaller seqs than ``before``; in a ``call``.

    ``ends``   last word of the subjects of ends; "": each message is for itself
    ``trail``  of these nobody needs to be looked for
    Raises the client's errors; what is gone already is fine.
    """
    if before is not None and before <= 1:  # for the servers 0 means all of them
        return
    if ((await js.stream_info(stream)).config.num_replicas or 1) == _ONE:
        await js.purge_stream(stream, seq=before, subject=subject)
    else:
        known = trail.before(before) if trail is not None and before is not None else ()
        unknown = known[0].seq if known else before
        spots = await _found(js, stream, subject, ends, unknown)
        await _remove(bus, stream, [*spots, *known])
    if trail is not None and before is not None:
        trail.forget(before)


async def _found(
    js: JetStreamContext, stream: str, subject: str, ends: str, before: int | None
) -> Sequence[Spot]:
    """Those that are there, in order."""
    spots: list[Spot] = []
    seq = 1
    while before is None or seq < before:
        try:
            raw = await js.get_msg(stream, seq, subject, next=True)
        except NotFoundError as error:
            if error.err_code != _NO_MESSAGE:
                raise
            break
        assert raw.seq is not None
        assert raw.subject is not None
        if before is not None and raw.seq >= before:
            break
        spots.append(Spot(raw.seq, raw.subject.endswith(f".{ends}")))
        seq = raw.seq + 1
    return spots


async def _remove(bus: Bus, stream: str, spots: Iterable[Spot]) -> None:
    parts: list[int] = []
    for spot in spots:
        if spot.end:
            await _gone(bus, stream, [spot.seq])
            await _gone(bus, stream, parts)
            parts = []
        else:
            parts.append(spot.seq)
    await _gone(bus, stream, parts)


async def _gone(bus: Bus, stream: str, seqs: Iterable[int]) -> None:
    window = asyncio.Semaphore(_WINDOW)

    async def one(seq: int) -> None:
        async with window:
            try:
                await bus.ask(f"STREAM.MSG.DELETE.{stream}", seq=seq, no_erase=True)
            except APIError as error:
                gone = (error.description or "") == _EMPTY
                if error.err_code != _NOT_FOUND and not gone:
                    raise

    await asyncio.gather(*map(one, seqs))
