"""How long a shipper may believe in its own session, and when it may call another's dead. Pure.

The rules this file keeps:
  * a shipper believes for ``lease`` seconds after the *start* of its last successful write;
  * another is silent when its key has not changed for ``lease + margin`` by one's own clock,
    counted from when that value was first seen: it began to be written before;
  * who was away itself (frozen, or without servers) can call nobody silent: it counts anew. A look
    that takes long is no absence: it has its answers.
So whatever is frozen for how long, a session is buried only when its owner believes in it no more,
as long as no clock goes slower than another by more than ``margin`` in ``lease``.
"""

from __future__ import annotations

from collections.abc import Mapping

_MARGIN = 0.2
_LEAST_MARGIN = 0.5


def margin_of(lease: float) -> float:
    """Seconds more than a lease before others call a session dead."""
    return max(_LEAST_MARGIN, _MARGIN * lease)


class Belief:
    """Whether this shipper may act. Times are of a clock that goes on while it is frozen."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._until = float("-inf")

    def renewed(self, began: float) -> None:
        """A write that was begun then has succeeded."""
        self._until = max(self._until, began + self._lease)

    def lost(self) -> None:
        """Somebody else has ended the session."""
        self._until = float("-inf")

    def holds(self, now: float) -> bool:
        """Whether it may act now."""
        return now < self._until


class Observer:
    """When each other session's key was first seen as it is."""

    def __init__(self, lease: float, margin: float) -> None:
        self._lease = lease
        self._silence = lease + margin
        self._seen: dict[str, tuple[int, float]] = {}  # id → (revision, since when)
        self._changed: set[str] = set()
        self._looked = float("-inf")

    def look(self, now: float, sessions: Mapping[str, int], began: float | None = None) -> None:
        """These are there, id → revision; ``now``: after they were read; ``began``: before."""
        began = now if began is None else began
        before = {} if began - self._looked > self._lease else self._seen
        self._looked = now
        self._seen = {
            name: before[name] if before.get(name, (0, 0.0))[0] == revision else (revision, now)
            for name, revision in sessions.items()
        }
        self._changed = {
            name
            for name in sessions
            if name in self._changed or (name in before and before[name][0] != sessions[name])
        }

    def silent(self, now: float) -> dict[str, int]:
        """Those that may be called dead: id → the revision that has not changed."""
        return {
            name: revision
            for name, (revision, since) in self._seen.items()
            if now - since > self._silence
        }

    def lives(self, name: str) -> bool:
        """Whether it was seen to say something since we look."""
        return name in self._changed
