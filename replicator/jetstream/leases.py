"""A shipper's session, and the stations it holds, as keys of the bucket beside the stream.

    shipper.ID     {"id", …}, written by its shipper every third of a lease over its own last
                   revision; {"dead": …} written over it by whoever found it silent
    lease.STATION  {"holder": ID or "", "station"}; the revision with which it was taken is the
                   holding's epoch

Which of several writers counts, the bucket says. The rule this file keeps: an answer that did not
come is asked for, never guessed.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import orjson
from nats.js import JetStreamContext

from replicator.errors import HoldingLost
from replicator.fleet.belief import Belief
from replicator.fleet.sharing import Lease
from replicator.jetstream.bucket import Bucket, Keys, Said
from replicator.jetstream.bus import Bus
from replicator.naming import name_of, token

Clock = Callable[[], float]


def clock() -> float:
    """Seconds; they go on while the process, or the machine, is asleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the bucket holds. ``sessions``: id → revision of those that live; ``dead``: buried ids;
    ``leases``: station → lease."""

    sessions: Mapping[str, int]
    dead: Mapping[str, int]
    leases: Mapping[str, Lease]


class Session:
    """One shipper among others. All raise OutboxUnavailable, OutboxFull, OutboxError.

    ``about``  what it says of itself for others to read (JSON)
    """

    def __init__(
        self,
        bus: Bus,
        stream: str,
        replicas: int,
        lease: float,
        about: Callable[[], Mapping[str, object]],
        now: Clock = clock,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._bucket = Bucket(f"{stream}_state", replicas)
        self._lease = lease
        self._about = about
        self._now = now
        self._lock = threading.Lock()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.id = uuid.uuid4().hex
        self._belief = Belief(self._lease)
        self._revision = 0
        self._held: dict[str, int] = {}

    @property
    def held(self) -> dict[str, int]:
        """Station → epoch."""
        with self._lock:
            return dict(self._held)

    def check(self, station: str, epoch: int) -> None:
        """May the station's rows be sent now? Raises HoldingLost where not. Any thread; quick."""
        with self._lock:
            held = self._held.get(station) == epoch and self._belief.holds(self._now())
        if not held:
            raise HoldingLost(
                f"station {station} is not held by this shipper any more",
                "its lease has run out, or another shipper has taken it",
                "nothing: whoever holds it delivers it",
            )

    def believes(self) -> bool:
        """Whether the session is known to live."""
        return self._belief.holds(self._now())

    def beat(self) -> bool:
        """Say that we live; False: others have ended the session, and a new one has begun."""
        began = self._now()
        value = orjson.dumps({"id": self.id, **self._about()})
        revision = self._bus.call(lambda js: self._said(js, value))
        if revision is None:
            with self._lock:
                self._belief.lost()
                self._begin_anew()
            return False
        self._revision = revision
        with self._lock:
            self._belief.renewed(began)
        return True

    async def _said(self, js: JetStreamContext, value: bytes) -> int | None:
        keys = await self._bucket.open(js)
        key = f"shipper.{self.id}"
        if not self._revision:
            return await keys.put(key, value)
        for _ in range(2):
            revision = await keys.write(key, value, self._revision)
            read = keys.read if revision is None else keys.read_settled
            found = await read(key)  # a lost answer's write, or a tombstone
            if found is not None and found.revision == revision:
                return revision
            if found is None or "dead" in found.words:
                return None
            self._revision = found.revision
        return None

    def look(self) -> Seen:
        """All sessions and leases; leases first: whoever holds one had a session before."""

        async def ask(js: JetStreamContext) -> tuple[dict[str, Said], dict[str, Said]]:
            keys = await self._bucket.open(js)
            leases = await keys.read_all("lease")
            return leases, await keys.read_all("shipper")

        leases, ids = self._bus.call(ask)
        found = {
            name_of(key): Lease(said.words["holder"], said.revision) for key, said in leases.items()
        }
        self._forget(found)
        return Seen(
            {name: said.revision for name, said in ids.items() if "dead" not in said.words},
            {name: said.revision for name, said in ids.items() if "dead" in said.words},
            found,
        )

    def _forget(self, leases: Mapping[str, Lease]) -> None:
        """Stations that somebody else has taken; what is older than our holding says nothing."""
        with self._lock:
            for station, epoch in list(self._held.items()):
                lease = leases.get(station)
                if lease is not None and lease.revision > epoch:
                    del self._held[station]

    def bury(self, name: str, revision: int) -> bool:
        """End a silent session; False: it has said something since."""
        value = orjson.dumps({"id": name, "dead": True, "by": self.id})

        async def ask(js: JetStreamContext) -> int | None:
            keys = await self._bucket.open(js)
            return await keys.write(f"shipper.{name}", value, revision)

        return self._bus.call(ask) is not None

    def gone(self, names: Iterable[str]) -> set[str]:
        """Those of these that have no session, as the bucket's leader says."""
        wanted = set(names)

        async def ask(js: JetStreamContext) -> set[str]:
            keys = await self._bucket.open(js)
            known = {name: await keys.read(f"shipper.{name}") for name in wanted}
            return {name for name, said in known.items() if said is None}

        return self._bus.call(ask) if wanted else set()

    def take(self, wanted: Mapping[str, int]) -> list[str]:
        """Take free stations; which were got. ``wanted``: station → revision seen, 0: none."""

        async def ask(js: JetStreamContext) -> list[int | None]:
            keys = await self._bucket.open(js)
            one = asyncio.Lock()  # each key that is made disturbs the making of others
            taking = (self._taken(keys, name, seen, one) for name, seen in wanted.items())
            return await asyncio.gather(*taking)

        got = dict(zip(wanted, self._bus.call(ask) if wanted else [], strict=True))
        found = {name: epoch for name, epoch in got.items() if epoch is not None}
        with self._lock:
            self._held |= found
        return list(found)

    async def _taken(self, keys: Keys, station: str, seen: int, one: asyncio.Lock) -> int | None:
        key, begun = _key(station), seen or None
        if begun is None:
            async with one:
                begun = await keys.begin(key, _lease("", station))
        epoch = await keys.write(key, _lease(self.id, station), begun) if begun else None
        if epoch is None:
            return None
        found = await keys.read_settled(key)
        return epoch if found is not None and found.revision == epoch else None

    def adopt(self, leases: Mapping[str, Lease]) -> None:
        """Leases that name us and that we do not know of: their answer was lost."""
        held = self.held
        ours = {s: x for s, x in leases.items() if x.holder == self.id and s not in held}

        async def ask(js: JetStreamContext) -> dict[str, int]:
            keys = await self._bucket.open(js)
            found = {station: await keys.read(_key(station)) for station in ours}
            return {
                station: said.revision
                for station, said in found.items()
                if said is not None and said.words["holder"] == self.id
            }

        known = self._bus.call(ask) if ours else {}
        with self._lock:
            self._held |= known

    def give_up(self, station: str) -> None:
        """Hold a station no more; others may take it at once."""
        with self._lock:
            epoch = self._held.pop(station, 0)
        if not epoch:
            return

        async def ask(js: JetStreamContext) -> None:
            keys = await self._bucket.open(js)
            await keys.write(_key(station), _lease("", station), epoch)

        self._bus.call(ask)

    def end(self) -> None:
        """Be no shipper any more; the stations must have been given up."""
        with self._lock:
            self._belief.lost()
        self.forget([self.id])

    def forget(self, names: Iterable[str]) -> None:
        """Remove sessions that are over."""

        async def ask(js: JetStreamContext) -> None:
            for name in names:
                await self._bucket.purge(self._bus, js, f"shipper.{name}")

        self._bus.call(ask)

    def stations(self) -> set[str]:
        """Those that the stream has messages of."""

        async def ask(js: JetStreamContext) -> set[str]:
            info = await js.stream_info(self._stream, subjects_filter=f"{self._stream}.*.end")
            return set(info.state.subjects or ())

        return {name_of(subject.split(".")[1]) for subject in self._bus.call(ask)}

    def wake_on_news(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` (in another thread) when a lease changes; some may be missed."""
        self._bus.listen(self._bucket.subject("lease.*"), wake)


def _key(station: str) -> str:
    return f"lease.{token(station)}"


def _lease(holder: str, station: str) -> bytes:
    return orjson.dumps({"holder": holder, "station": station})
