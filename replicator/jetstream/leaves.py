"""Stations with servers of their own: what the hub has settled is removed from their streams.

The rules this file keeps:
  * a leaf's messages go when every reader at the hub has settled them, and not by age or size;
  * nothing goes while what the hub has, or what a reader has settled, is not of this very stream.
"""

from __future__ import annotations

from replicator.errors import OutboxError
from replicator.jetstream.shelf import Shelf
from replicator.jetstream.stream import StationStream


class Trimmer:
    """Removes from a leaf's stream what the hub has settled. The link may be down: then nothing."""

    def __init__(self, leaf: StationStream, hub: StationStream, shelf: Shelf) -> None:
        self._leaf = leaf
        self._hub = hub
        self._shelf = shelf

    def trim(self) -> int:
        """Below which seq everything is gone now; 0: nothing was done.

        Raises OutboxUnavailable, and OutboxError where the hub has another stream's messages.
        """
        newest, oldest = self._hub.newest(), self._hub.next_end(1)
        if newest is None or newest.origin is None or oldest is None:
            return 0
        here = self._leaf.end_at(newest.origin)
        if (
            here is None
            or here.message.group != newest.message.group
            or oldest.message.chain != newest.message.chain
        ):
            raise self._other(newest.origin)
        floor = min(self._settled(newest.message.chain), newest.origin)
        self._leaf.purge(floor)
        return floor

    def _settled(self, chain: str) -> int:
        """Smaller seqs are settled by all readers; 0: not that of this stream."""
        floors = self._shelf.leaf_floors().values()
        if not floors or any(floor.chain != chain for floor in floors):
            return 0
        least = min(floors, key=lambda floor: floor.seq)
        if least.follows:
            before = self._leaf.end_at(least.seq - 1)
            if before is None:  # that is gone already
                return 0
            if before.message.group != least.follows:
                raise self._other(least.seq - 1)
        return least.seq

    def _other(self, seq: int) -> OutboxError:
        return OutboxError(
            "the hub has messages of an earlier stream of this station; nothing is trimmed",
            f"message {seq} is another one there",
            f"the stream here was made anew, or fell back: `replicator leaf reset"
            f' {self._leaf.station}` at the hub (docs/scaling.md, "A leaf\'s disk is lost")',
        )
