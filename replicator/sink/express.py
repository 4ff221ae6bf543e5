"""The quick way of a batch: prepared as columns while another is under way, sent in one request.

It only ever makes the first attempt. Rows that need a look of their own do not come here, and every
answer but "all stored" goes to the way row by row (sink.round), which judges it as its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from replicator.change import Op
from replicator.delivery import Parcel
from replicator.sink.batch import Due
from replicator.sink.bulk import Attempt, BulkSender
from replicator.sink.columns import Ids, Part, parts, translated
from replicator.sink.encoding import Content
from replicator.sink.link import Link
from replicator.sink.round import Deliver

_STORED = frozenset({Op.INSERT, Op.SNAPSHOT, Op.UPDATE})


class Mappings(Protocol):
    """Local id → remote id, in memory. ``changes``: how often one was changed or forgotten."""

    changes: int

    def get(self, table: str, local_id: int) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Load:
    """A batch ready to be sent, as long as the mappings stay as they were."""

    parts: Sequence[Part]
    content: Content
    changes: int


class Express:
    """Prepares and sends. Nothing is asked of the destination by preparing."""

    def __init__(self, link: Link, bulk: BulkSender, mappings: Mappings) -> None:
        self._link = link
        self._bulk = bulk
        self._mappings = mappings

    def prepare(self, batch: Due) -> Load | None:
        """None where the batch, or a mapping not known yet, wants the way row by row."""
        if not self._link.is_known:
            return None
        found = parts(batch, self._is_stored)
        if found is None:
            return None
        ids: list[Ids] = []
        for part in found:
            of = translated(part, self._mappings.get)
            if of is None:
                return None
            ids.append(of)
        content = self._bulk.encoder.parts(found, ids, batch.slices[-1].entry.seq)
        return Load(found, content, self._mappings.changes)

    def _is_stored(self, table: str, op: Op) -> bool:
        """A NULL over a value, which this kind of server ignores, has to be looked for."""
        ignores = op in (Op.UPDATE, Op.SNAPSHOT) and table in self._link.dialect.keeps_on_null
        return op in _STORED and not ignores

    def holds(self, load: Load) -> bool:
        """Whether what it was made with is still so."""
        return load.changes == self._mappings.changes

    def send(self, load: Load, meanwhile: Callable[[], None]) -> Attempt:
        """One request; ``meanwhile`` is called while the destination works on it."""
        return self._bulk.attempt(load.content, meanwhile)

    def judging(self, attempt: Attempt) -> Deliver:
        """Delivers the rows of that request, beginning with its answer."""
        return lambda parcels: self._bulk.deliver(parcels, attempt)

    def saw(self, parcel: Parcel) -> None:
        """The last row of what was stored whole: a witness later."""
        self._bulk.saw(parcel)
