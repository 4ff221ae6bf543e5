"""A shipper's session, and the stations it holds, as keys of the bucket beside the stream.

    shipper.ID     {"id", …}, written by its shipper every third of a lease over its own last
                   revision; {"dead": …} written over it by whoever found it silent
    lease.STATION  {"holder": ID or "", "station"}; the revision with which it was taken is the
                   holding's epoch

The rules this file keeps:
  * nothing is written over a revision that was not seen; a key that is not there is begun only
    while the bucket has not changed since: servers may disagree about an expectation of 0;
  * servers before 2.9.21 may let two writes over one revision pass: the later counts, and each
    looks a moment later whether it is its own;
  * an answer that did not come is asked for, never guessed.
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
from nats.js.errors import (
    APIError,
    BucketNotFoundError,
    KeyWrongLastSequenceError,
)
from nats.js.kv import KeyValue

from replicator.errors import HoldingLost
from replicator.fleet.belief import Belief
from replicator.fleet.sharing import Lease
from replicator.jetstream.bus import WRONG_LAST_SEQUENCE, Bus
from replicator.jetstream.keys import Entry, entries, entry
from replicator.naming import name_of, token

_SETTLE_SECONDS = 0.1  # after which a write that was let pass beside ours is there
_WRONG_LAST = frozenset({WRONG_LAST_SEQUENCE, 10164})
_TRIES = 20

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
        self._bucket = f"{stream}_state"
        self._replicas = replicas
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
        kv = await self._open(js)
        key = f"shipper.{self.id}"
        if not self._revision:
            return await kv.put(key, value)  # nobody else knows this key yet
        for _ in range(2):
            revision = await _written(kv, key, value, self._revision)
            if revision is not None:
                await asyncio.sleep(_SETTLE_SECONDS)
            found = await _entry(js, self._bucket, key)  # a lost answer's write, or a tombstone
            if found is not None and found[1] == revision:
                return revision
            if found is None or "dead" in found[0]:
                return None
            self._revision = found[1]
        return None

    def look(self) -> Seen:
        """All sessions and leases; leases first: whoever holds one had a session before."""

        async def ask(js: JetStreamContext) -> tuple[dict[str, _Entry], dict[str, _Entry]]:
            await self._open(js)
            leases = await _entries(js, self._bucket, "lease")
            return leases, await _entries(js, self._bucket, "shipper")

        leases, ids = self._bus.call(ask)
        found = {
            name_of(key): Lease(value["holder"], revision)
            for key, (value, revision) in leases.items()
        }
        self._forget(found)
        return Seen(
            {name: r for name, (value, r) in ids.items() if "dead" not in value},
            {name: r for name, (value, r) in ids.items() if "dead" in value},
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
            return await _written(await self._open(js), f"shipper.{name}", value, revision)

        return self._bus.call(ask) is not None

    def gone(self, names: Iterable[str]) -> set[str]:
        """Those of these that have no session, as the bucket's leader says."""
        wanted = set(names)

        async def ask(js: JetStreamContext) -> set[str]:
            await self._open(js)
            known = {n: await _entry(js, self._bucket, f"shipper.{n}") for n in wanted}
            return {name for name, said in known.items() if said is None}

        return self._bus.call(ask) if wanted else set()

    def take(self, wanted: Mapping[str, int]) -> list[str]:
        """Take free stations; which were got. ``wanted``: station → revision seen, 0: none."""

        async def ask(js: JetStreamContext) -> list[int | None]:
            kv = await self._open(js)
            one = asyncio.Lock()  # each key that is made disturbs the making of others
            taking = (self._taken(js, kv, name, seen, one) for name, seen in wanted.items())
            return await asyncio.gather(*taking)

        got = dict(zip(wanted, self._bus.call(ask) if wanted else [], strict=True))
        found = {name: epoch for name, epoch in got.items() if epoch is not None}
        with self._lock:
            self._held |= found
        return list(found)

    async def _taken(
        self, js: JetStreamContext, kv: KeyValue, station: str, seen: int, one: asyncio.Lock
    ) -> int | None:
        key, begun = f"lease.{token(station)}", seen or None
        if begun is None:
            async with one:
                begun = await self._begun(js, key, station)
        epoch = await _written(kv, key, _lease(self.id, station), begun) if begun else None
        if epoch is None:
            return None
        await asyncio.sleep(_SETTLE_SECONDS)
        found = await _entry(js, self._bucket, key)
        return epoch if found is not None and found[1] == epoch else None

    async def _begun(self, js: JetStreamContext, key: str, station: str) -> int | None:
        """Make a lease's key, free; its revision, None where another has made it."""
        subject = f"$KV.{self._bucket}.{key}"
        for _ in range(_TRIES):
            last = (await js.stream_info(f"KV_{self._bucket}")).state.last_seq
            if await _entry(js, self._bucket, key) is not None:
                return None
            expected = {"Nats-Expected-Last-Sequence": str(last)}
            try:
                return (await js.publish(subject, _lease("", station), headers=expected)).seq
            except APIError as error:
                if error.err_code not in _WRONG_LAST:
                    raise
        return None

    def adopt(self, leases: Mapping[str, Lease]) -> None:
        """Leases that name us and that we do not know of: their answer was lost."""
        held = self.held
        ours = {s: x for s, x in leases.items() if x.holder == self.id and s not in held}

        async def ask(js: JetStreamContext) -> dict[str, int]:
            await self._open(js)
            found = {s: await _entry(js, self._bucket, f"lease.{token(s)}") for s in ours}
            return {
                station: entry[1]
                for station, entry in found.items()
                if entry is not None and entry[0]["holder"] == self.id
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
            kv = await self._open(js)
            await _written(kv, f"lease.{token(station)}", _lease("", station), epoch)

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
                subject = f"$KV.{self._bucket}.shipper.{name}"
                await js.purge_stream(f"KV_{self._bucket}", subject=subject)

        self._bus.call(ask)

    def stations(self) -> set[str]:
        """Those that the stream has messages of."""

        async def ask(js: JetStreamContext) -> set[str]:
            info = await js.stream_info(self._stream, subjects_filter=f"{self._stream}.*.end")
            return set(info.state.subjects or ())

        return {name_of(subject.split(".")[1]) for subject in self._bus.call(ask)}

    def wake_on_news(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` (in another thread) when a lease changes; some may be missed."""
        self._bus.listen(f"$KV.{self._bucket}.lease.*", wake)

    async def _open(self, js: JetStreamContext) -> KeyValue:
        try:
            return await js.key_value(self._bucket)
        except BucketNotFoundError:
            return await js.create_key_value(bucket=self._bucket, replicas=self._replicas)


_Entry = tuple[dict[str, str], int]


def _lease(holder: str, station: str) -> bytes:
    return orjson.dumps({"holder": holder, "station": station})


async def _written(kv: KeyValue, key: str, value: bytes, last: int) -> int | None:
    """The revision; None where the last one was another than that."""
    try:
        return await kv.update(key, value, last=last)
    except KeyWrongLastSequenceError:
        return None


async def _entry(js: JetStreamContext, bucket: str, key: str) -> _Entry | None:
    found = await entry(js, bucket, key)
    return None if found is None else _read(found)


async def _entries(js: JetStreamContext, bucket: str, kind: str) -> dict[str, _Entry]:
    """Name behind the kind → entry."""
    found = await entries(js, bucket, f"{kind}.*")
    return {key.partition(".")[2]: _read(each) for key, each in found.items()}


def _read(found: Entry) -> _Entry:
    return orjson.loads(found.value or b"{}"), found.revision
