"""What the shippers of a fleet say of themselves, read at once: as many keys as there are shippers.

Stations are not listed, neither their subjects nor their leases: a million cost as much as ten.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson
from nats.js import JetStreamContext
from nats.js.errors import BucketNotFoundError
from nats.js.kv import KeyValue

from replicator.fleet.overview import Overview, Shipper, overview, shipper_of
from replicator.jetstream.bus import ANSWER_SECONDS, Bus

_LOG = logging.getLogger("replicator.fleet")
_KEYS = "shipper.*"


@dataclass(frozen=True, slots=True)
class Sessions:
    """The session keys beside a stream; ``lease`` in seconds. Raises as Bus.call."""

    bus: Bus
    stream: str
    lease: float

    def look(self, at: datetime, at_text: str) -> Overview:
        """The fleet as its shippers say; ``at``: now, aware."""

        async def ask(js: JetStreamContext) -> list[KeyValue.Entry]:
            try:
                kv = await js.key_value(f"{self.stream}_state")
            except BucketNotFoundError:
                return []
            return await _entries(kv)

        shippers, unread = [], 0
        for entry in self.bus.call(ask):
            try:
                shipper = _shipper(entry, at, self.lease)
            except ValueError as error:  # of another version: it is counted and told
                _LOG.warning("the words of %s are not understood: %s", entry.key, error)
                unread += 1
                continue
            if shipper is not None:
                shippers.append(shipper)
        return overview(at_text, shippers, self.bus.subjects(self.stream), unread)


async def _entries(kv: KeyValue) -> list[KeyValue.Entry]:
    watcher = await kv.watch(_KEYS, ignore_deletes=True)
    found: list[KeyValue.Entry] = []
    try:
        while (entry := await watcher.updates(ANSWER_SECONDS)) is not None:  # type: ignore[no-untyped-call]
            found.append(entry)
    finally:
        await watcher.stop()  # type: ignore[no-untyped-call]
    return found


def _shipper(entry: KeyValue.Entry, at: datetime, lease: float) -> Shipper | None:
    """None of one that was declared dead. Raises ValueError."""
    said = orjson.loads(entry.value or b"{}")  # raises a ValueError of its own
    if not isinstance(said, Mapping):
        raise ValueError("not an object")  # noqa: TRY004  # all of these are one thing to the caller
    created: object = entry.created
    ago = (at - created).total_seconds() if isinstance(created, datetime) else 0.0
    return shipper_of(said, ago, lease)
