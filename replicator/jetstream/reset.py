"""A station's own server has lost its stream, or the end of it: the hub begins with it anew.

The hub goes on behind the last seq that it has seen, and would never ask for what a new stream has
below.

The rules this file keeps:
  * nothing goes at the hub that a reader has not settled and the leaf has not got;
  * the source is held while messages go, and says so itself: repeated after a death, it goes on;
  * what the leaf has trimmed must be settled: its readers begin with its first message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from replicator.errors import OutboxError, OutboxUnavailable
from replicator.jetstream.bus import Bus
from replicator.jetstream.messages import Floor, floor_of
from replicator.jetstream.shelf import Shelf
from replicator.jetstream.sources import hold_source, source_of
from replicator.jetstream.stream import Placed, StationStream
from replicator.naming import token

_STILL_SECONDS = 0.5
_TRIES = 20
_NOBODY = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is to do.

    ``same``      the leaf still has what the hub has read last of it: nothing
    ``begun``     an earlier run was not finished: the source is held
    ``messages``  the hub has of the station
    ``readers``   who have settled them, as tokens
    """

    domain: str
    same: bool
    begun: bool
    messages: int
    readers: tuple[str, ...]

    @property
    def needed(self) -> bool:
        """There is something to do."""
        return self.begun or not self.same


class LeafReset:
    """Of one station, from the hub. ``leaf_of``: its own server's stream, by its domain.

    All raise OutboxError and OutboxUnavailable; repeated after any of them, it goes on.
    """

    def __init__(
        self,
        bus: Bus,
        hub: StationStream,
        shelf: Shelf,
        leaf_of: Callable[[str], tuple[Bus, StationStream]],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._bus = bus
        self._hub = hub
        self._shelf = shelf
        self._leaf_of = leaf_of
        self._sleep = sleep

    def look(self) -> Standing:
        """What is to do. Raises OutboxError where it may not be done yet.

        What a reader settles meanwhile goes from the hub: looked at again, as it seems missing.
        """
        for _ in range(_TRIES):
            floors = self._shelf.leaf_floors()
            found = self._look(floors)
            if found.same or self._shelf.leaf_floors() == floors:
                break
        return found

    def _look(self, floors: Mapping[str, Floor]) -> Standing:
        source = source_of(self._bus, self._hub.name, self._hub.station)
        bus, leaf = self._leaf_of(source.domain)
        try:
            there = self._is_there(bus, source.domain)
            same = self._same(leaf if there else None, floors)
            if there and not same:
                self._refuse_trimmed(leaf, floors)
        finally:
            bus.close()
        return Standing(source.domain, same, source.held, self._count(), tuple(sorted(floors)))

    def run(self) -> Standing:
        """Do it; what was to do."""
        found = self.look()
        if not found.needed:
            return found
        self._hold(held=True)
        if not found.same:
            self._wait_until_still()
            try:
                same = self.look().same  # the hub may have got something just before
            except OutboxUnavailable:
                raise
            except OutboxError:  # a reader has come: as it was, and say so
                self._hold(held=False)
                raise
            if not same:
                self._remove()
        self._hold(held=False)
        return found

    def _hold(self, *, held: bool) -> None:
        hold_source(self._bus, self._hub.name, self._hub.station, held=held)

    def _is_there(self, bus: Bus, domain: str) -> bool:
        """The leaf has a stream; tail makes it."""

        async def ask(js: JetStreamContext) -> bool:
            try:
                await js.stream_info(self._hub.name)
            except NotFoundError:
                return False
            return True

        try:
            return bus.call(ask)
        except OutboxUnavailable as error:
            raise OutboxUnavailable(
                f"the own server of station {self._hub.station} does not answer",
                f"domain {domain}, asked through the hub: {error.detail}",
                "start it, see that its link to the hub is up, then repeat this",
            ) from error

    def _same(self, leaf: StationStream | None, floors: Mapping[str, Floor]) -> bool:
        """The leaf has what each reader reads last at the hub. Raises where that is not settled."""
        same, behind = True, []
        for reader, floor in (floors or {_NOBODY: Floor()}).items():
            last = None
            for last, settled in self._read_by(floor):
                if not settled and not _has(leaf, last):
                    behind.append(reader)
                    break
            same = same and last is not None and _has(leaf, last)
        if behind:
            raise self._unsettled(behind)
        first = self._hub.next_end(1)
        return same and first is not None and not _misses(floors, first)

    def _read_by(self, floor: Floor) -> Iterator[tuple[Placed, bool]]:
        """The ends at the hub that count for a reader, in order, and whether it has settled them.

        From the last that it has settled on; from the first, where that is not there.
        """
        last = None
        for end in self._ends():
            if (last is None and _begins(end, floor)) or (last is not None and _follows(end, last)):
                yield end, last is None
                last = end
        if last is None:
            for end in self._ends():
                if last is None or _follows(end, last):
                    yield end, False
                    last = end

    def _ends(self) -> Iterator[Placed]:
        end = self._hub.next_end(1)
        while end is not None:
            yield end
            end = self._hub.next_end(end.seq + 1)

    def _unsettled(self, readers: list[str]) -> OutboxError:
        station = self._hub.station
        nobody = readers == [_NOBODY]
        return OutboxError(
            f"the hub has rows of station {station} that are not settled yet",
            ("nobody has read them" if nobody else f"not by {', '.join(readers)}")
            + "; the station's own server has them no more",
            "let `replicator ship` deliver them, wait a minute, and repeat this; of a reader that"
            f" is no more, delete the key settled.{token(station)}.NAME in {self._hub.name}_state",
        )

    def _refuse_trimmed(self, leaf: StationStream, floors: Mapping[str, Floor]) -> None:
        first = leaf.next_end(1)
        if first is not None and _misses(floors, first):
            raise OutboxError(
                "the station's own server has not got its stream from the beginning any more",
                f"message {first.seq} follows {first.message.previous}, which is gone there",
                f"stop tail, delete the stream {leaf.name} there, start tail (it reads all tables"
                " again), and repeat this",
            )

    def _count(self) -> int:
        async def ask(js: JetStreamContext) -> int:
            found = await js.stream_info(self._hub.name, subjects_filter=self._hub.subjects.all)
            return sum((found.state.subjects or {}).values())

        return self._bus.call(ask)

    def _wait_until_still(self) -> None:
        """What was on its way when the source was held is stored."""
        before = -1
        while (now := self._count()) != before:
            before = now
            self._sleep(_STILL_SECONDS)

    def _remove(self) -> None:
        """The hub has nothing of the station any more."""
        for _ in range(_TRIES):
            self._hub.purge()
            self._sleep(_STILL_SECONDS)
            if not self._count():
                return
        raise OutboxUnavailable(
            f"messages of station {self._hub.station} go on coming to the hub",
            f"though the stream {self._hub.name} takes none of it",
            "repeat this; `nats stream info` says which sources it has",
        )


def _follows(end: Placed, last: Placed) -> bool:
    """As readers at the hub see it."""
    message, before = end.message, last.message
    return (
        message.chain == before.chain
        and message.previous == last.origin
        and message.follows in ("", before.group)
    )


def _begins(end: Placed, floor: Floor) -> bool:
    """It ends the group that a reader has settled last."""
    begins = floor_of(end.message)
    follows = "" in (begins.follows, floor.follows) or begins.follows == floor.follows
    return (begins.seq, begins.chain) == (floor.seq, floor.chain) and follows


def _misses(floors: Mapping[str, Floor], first: Placed) -> bool:
    """A reader would find something missing before the first end."""
    return any(floor.misses(first.message) for floor in floors.values())


def _has(leaf: StationStream | None, end: Placed) -> bool:
    """The leaf has that very end under its seq there."""
    if leaf is None or end.origin is None:
        return False
    here = leaf.end_at(end.origin)
    return here is not None and here.message.group == end.message.group
