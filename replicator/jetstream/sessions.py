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
from nats.js.errors import NotFoundError

from replicator.fleet.overview import Overview, Shipper, overview, shipper_of
from replicator.jetstream.bus import Bus
from replicator.jetstream.keys import Entry, entries

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
        bucket = f"{self.stream}_state"

        async def ask(js: JetStreamContext) -> dict[str, Entry]:
            try:
                return await entries(js, bucket, _KEYS)
            except NotFoundError:  # nobody has made the bucket yet
                return {}

        shippers, unread = [], 0
        for key, entry in self.bus.call(ask).items():
            try:
                shipper = _shipper(entry, at, self.lease)
            except ValueError as error:  # of another version: it is counted and told
                _LOG.warning("the words of %s are not understood: %s", key, error)
                unread += 1
                continue
            if shipper is not None:
                shippers.append(shipper)
        return overview(at_text, shippers, self.bus.subjects(self.stream), unread)


def _shipper(entry: Entry, at: datetime, lease: float) -> Shipper | None:
    """None of one that was declared dead. Raises ValueError."""
    said = orjson.loads(entry.value or b"{}")  # raises a ValueError of its own
    if not isinstance(said, Mapping):
        raise ValueError("not an object")  # noqa: TRY004  # all of these are one thing to the caller
    return shipper_of(said, (at - entry.at).total_seconds(), lease)
