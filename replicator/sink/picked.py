"""Single rows of the outbox as a batch: what is sent again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from replicator.delivery import Entry
from replicator.sink.batch import Due, Mark, Slice

_NOWHERE = Mark(0, 0, "", 0)  # the cursor does not move over such rows


def picked(entries: Iterable[tuple[Entry, Sequence[int]]]) -> Due:
    """These places of these entries, in order; neighbours make one slice."""
    slices: list[Slice] = []
    for entry, places in entries:
        for place in places:
            last = slices[-1] if slices else None
            if last is not None and last.entry is entry and last.stop == place:
                slices[-1] = Slice(entry, last.start, place + 1, _NOWHERE)
            else:
                slices.append(Slice(entry, place, place + 1, _NOWHERE))
    return Due(_NOWHERE, slices)
