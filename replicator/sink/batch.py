"""From entries to what is sent next: rows with keys and lanes, one version a key. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

from replicator.change import Op
from replicator.delivery import Entry, QueuedRow
from replicator.model import TABLES
from replicator.sink.lanes import Lanes

REFERENCE_ROWS = 50


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the outbox: ``row_index`` rows of the entry after ``seq`` are behind it.

    ``position``  of entry ``seq``; ``row_total``  rows behind it since capture began.
    """

    seq: int
    row_index: int
    position: str
    row_total: int


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of one entry, from ``start`` on; ``before`` is the mark at the entry's first row."""

    entry: Entry
    start: int
    stop: int
    before: Mark

    def mark(self, index: int) -> Mark:
        """The mark behind ``index`` rows of the entry."""
        total = self.before.row_total + index
        if index == len(self.entry.rows):
            return Mark(self.entry.seq, 0, self.entry.position, total)
        return Mark(self.before.seq, index, self.before.position, total)


@dataclass(frozen=True, slots=True)
class Due:
    """What to deliver in one step: slices of the outbox in order. A reference entry comes alone."""

    start: Mark
    slices: Sequence[Slice]

    @property
    def end(self) -> Mark:
        """The mark behind everything in it."""
        return self.slices[-1].mark(self.slices[-1].stop) if self.slices else self.start

    def before(self, row: QueuedRow) -> Mark:
        """The mark just before one of its rows."""
        for piece in self.slices:
            if piece.entry.seq == row.seq:
                return piece.mark(row.index)
        raise ValueError(f"row {row.seq}/{row.index} is not in this batch")

    def __len__(self) -> int:
        """Rows in it."""
        return sum(piece.stop - piece.start for piece in self.slices)

    @property
    def last(self) -> Due:
        """Its last row alone."""
        piece = self.slices[-1]
        return Due(piece.mark(piece.stop - 1), [replace(piece, start=piece.stop - 1)])


def due(start: Mark, entries: Iterable[Entry], limit: int) -> Due:
    """The next rows behind a mark: at most ``limit``, stream rows or one reference entry.

    A reference row costs requests of its own, so at most ``REFERENCE_ROWS`` of them come at once.
    ``entries`` are read only as far as they are needed.
    """
    slices: list[Slice] = []
    first = Mark(start.seq, 0, start.position, start.row_total - start.row_index)
    begin, room = start.row_index, limit
    for entry in entries:
        stream = TABLES[entry.table].stream
        if slices and not stream:
            break
        room = room if stream else min(room, REFERENCE_ROWS)
        stop = min(len(entry.rows), begin + room)
        slices.append(Slice(entry, begin, stop, first))
        room -= stop - begin
        if room <= 0 or not stream:
            break
        first, begin = slices[-1].mark(stop), 0
    return Due(start, slices)


def queued_rows(batch: Due, lanes: Lanes) -> list[QueuedRow]:
    """The rows of a batch in order, each with its key and lane."""
    rows: list[QueuedRow] = []
    for piece in batch.slices:
        entry = piece.entry
        model = TABLES[entry.table]
        seq, table, op, columns = entry.seq, entry.table, entry.op, entry.columns
        key_columns = model.natural_key if model.stream else model.primary_key
        for index in range(piece.start, piece.stop):
            values = dict(zip(columns, entry.rows[index], strict=True))
            key = tuple([values.get(column) for column in key_columns])
            rows.append(QueuedRow(seq, index, table, op, values, key, lanes.of(table, values)))
    return rows


class LazyRows(Sequence[QueuedRow]):
    """``queued_rows`` of a batch, made only if somebody looks at them."""

    def __init__(self, batch: Due, lanes: Lanes) -> None:
        self._batch = batch
        self._lanes = lanes
        self._made: list[QueuedRow] | None = None

    def _rows(self) -> list[QueuedRow]:
        if self._made is None:
            self._made = queued_rows(self._batch, self._lanes)
        return self._made

    def __len__(self) -> int:
        return len(self._batch)

    def __iter__(self) -> Iterator[QueuedRow]:
        return iter(self._rows())

    @overload
    def __getitem__(self, place: int) -> QueuedRow: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[QueuedRow]: ...
    def __getitem__(self, place: int | slice) -> QueuedRow | Sequence[QueuedRow]:
        return self._rows()[place]


def folded(rows: Sequence[QueuedRow]) -> list[QueuedRow]:
    """Only the latest version of each key, in order: rows are upserts, so the last one decides.

    A key with a NULL identifies nothing, such rows all stay. A stream row inserted in the place of
    an older version is an update: the older one may be at the destination.
    """
    latest = {(row.table, row.key): place for place, row in enumerate(rows) if None not in row.key}
    if len(latest) == len(rows):
        return list(rows)
    kept, replaced = [], set()
    for place, row in enumerate(rows):
        name = (row.table, row.key)
        if None not in row.key and latest[name] != place:
            replaced.add(name)
        elif name in replaced and row.op is Op.INSERT and TABLES[row.table].stream:
            kept.append(replace(row, op=Op.UPDATE))
        else:
            kept.append(row)
    return kept
