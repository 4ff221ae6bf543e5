"""The life of one stream row, as the outbox's files tell it: captured, tried, settled, parked.

Reads only, also a copied folder. What is not kept is said, not guessed: a receipt stands for a
request's rows together, and of an attempt that failed it is known that the row waited then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from replicator.model import TABLES
from replicator.outbox.files import OUTBOX_FILE, destination_file, open_file, translated
from replicator.outbox.older import as_newest

_DEEDS_SHOWN = 20

_HOLDING = """
SELECT seq, op, columns, rows, position, committed_at, captured_at FROM entry
 WHERE table_name = ? AND instr(rows, ?) > 0 ORDER BY seq
"""
_HELD = "SELECT min(committed_at) FROM entry WHERE seq = (SELECT min(seq) FROM entry)"
_CURSOR = "SELECT seq, row_index FROM cursor"
_RECEIPTS = """
SELECT id, seq, row_index, settled_at, delivered, parked, requests, bytes, seconds, receipt
  FROM receipt ORDER BY id
"""
_PARKED = "SELECT kind, reason, detail, parked_at FROM parked WHERE seq = ? AND row_index = ?"
_DROPPED = """
SELECT o.at, o.who, o.why FROM dropped AS d JOIN operation AS o ON o.id = d.operation
 WHERE d.seq = ? AND d.row_index = ? ORDER BY o.id DESC LIMIT 1
"""
_RESEND = "SELECT rows FROM resend WHERE seq = ?"
_MAPPING = """
SELECT remote_id, matched_by, mapped_at FROM mapping WHERE table_name = ? AND local_id = ?
"""
_DEEDS = """
SELECT at, who, command, what, why FROM operation WHERE at >= ? ORDER BY id LIMIT ?
"""
_FAILED = """
SELECT at, state, why, seconds FROM attempt
 WHERE at >= ?1 AND seq < ?2 AND NOT (seq = ?2 - 1 AND row_index > ?3) ORDER BY id
"""
_STATUS = "SELECT last_error, last_error_at FROM status"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row of a stream by what people know of it: ``cells`` that it must have (the station's ids).

    ``time``: as stream rows have it, ISO 8601, UTC, no zone
    """

    table: str
    time: str
    cells: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Version:
    """The row as one entry has it. ``place``: which of the entry's rows; times ISO 8601, UTC."""

    seq: int
    place: int
    op: str
    row: Mapping[str, Any]
    position: str
    committed_at: str
    captured_at: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What settled it, together with other rows: so many ``delivered``, ``parked``.

    ``requests``, ``bytes``, ``seconds``: of all of them together; ``receipt``: the destination's
    """

    settled_at: str
    delivered: int
    parked: int
    requests: int
    bytes: int
    seconds: float
    receipt: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One that failed while the row waited; whether it had sent this row is not kept.

    ``state``: waiting (the link or the server), refused (credentials); ``seconds``: that it took
    """

    at: str
    state: str
    why: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a version at a destination.

    ``state``          waiting, settled (delivered as far as can be told), blocked, rejected,
                       superseded or dropped
    ``to_send_again``  an operator wants it sent again
    ``receipts``       of each time that it was settled; [] where waiting, or no longer kept
    ``failed``         attempts of the destination that failed while it waited, oldest first
    """

    seq: int
    place: int
    state: str
    detail: str
    since: str | None
    to_send_again: bool
    receipts: Sequence[Receipt]
    failed: Sequence[Attempt] = ()


@dataclass(frozen=True, slots=True)
class Mapped:
    """A row it refers to, and the id it goes by there; None: none yet."""

    row: str
    remote_id: int | None
    matched_by: str | None
    mapped_at: str | None


@dataclass(frozen=True, slots=True)
class Deed:
    """Something an operator did to the destination since the row was captured."""

    at: str
    who: str
    command: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One destination. ``fates``: of each version; ``mappings``: of the latest."""

    name: str
    started: bool
    fates: Sequence[Fate]
    mappings: Sequence[Mapped]
    operations: Sequence[Deed]
    last_error: str | None
    last_error_at: str | None


@dataclass(frozen=True, slots=True)
class Trace:
    """``held_since``: commit time of the oldest entry held; None where none is."""

    wanted: Wanted
    versions: Sequence[Version]
    held_since: str | None
    deliveries: Sequence[Delivery]


def trace(folder: Path, wanted: Wanted, destinations: Sequence[str]) -> Trace:
    """All that is known of a row. Reads every entry of its table. Raises OutboxError."""
    path = folder / OUTBOX_FILE
    outbox = open_file(path, "outbox", as_newest)
    try:
        with translated(path):
            outbox.execute("BEGIN")
            versions = list(_versions(outbox, wanted))
            held_since = outbox.execute(_HELD).fetchone()[0]
    finally:
        outbox.close()
    found = [_delivery(folder, name, wanted, versions) for name in destinations]
    return Trace(wanted, versions, held_since, found)


def _versions(outbox: sqlite3.Connection, wanted: Wanted) -> Iterator[Version]:
    written = orjson.dumps(wanted.time).decode()
    for seq, op, columns, rows, *when in outbox.execute(_HOLDING, (wanted.table, written)):
        names = orjson.loads(columns)
        for place, cells in enumerate(orjson.loads(rows)):
            row = dict(zip(names, cells, strict=True))
            if row.get("time") == wanted.time and wanted.cells.items() <= row.items():
                yield Version(seq, place, op, row, *when)


def _delivery(folder: Path, name: str, wanted: Wanted, versions: Sequence[Version]) -> Delivery:
    path = folder / destination_file(name)
    if not path.exists():
        waiting = [Fate(v.seq, v.place, "waiting", "", None, False, ()) for v in versions]
        return Delivery(name, False, waiting, (), (), None, None)
    file = open_file(path, "destination", as_newest)
    try:
        with translated(path):
            file.execute("BEGIN")
            receipts = file.execute(_RECEIPTS).fetchall()
            fates = [_fate(file, receipts, version) for version in versions]
            row = versions[-1].row if versions else wanted.cells
            since = versions[0].captured_at if versions else ""
            deeds = file.execute(_DEEDS, (since, _DEEDS_SHOWN)) if versions else ()
            error = file.execute(_STATUS).fetchone() or (None, None)
            mappings = list(_mappings(file, wanted.table, row))
            return Delivery(name, True, fates, mappings, [Deed(*deed) for deed in deeds], *error)
    finally:
        file.close()


def _fate(file: sqlite3.Connection, receipts: Sequence[Any], version: Version) -> Fate:
    seq, place = version.seq, version.place
    again = file.execute(_RESEND, (seq,)).fetchone()
    to_send_again = again is not None and place in orjson.loads(again[0])
    settled = list(settlements(receipts, seq, place))
    parked = file.execute(_PARKED, (seq, place)).fetchone()
    dropped = file.execute(_DROPPED, (seq, place)).fetchone()
    if parked is not None:
        kind, reason, detail, at = parked
        state, said, since = kind, f"{reason}: {detail}", at
    elif not _covers(file.execute(_CURSOR).fetchone(), seq, place):
        state, said, since = "waiting", "", None
    elif dropped is not None:
        at, who, why = dropped
        state, said, since = "dropped", f"by {who}" + (f": {why}" if why else ""), at
    else:
        state, said, since = "settled", "", settled[-1].settled_at if settled else None
    failed = file.execute(_FAILED, (version.captured_at, seq, place))
    attempts = [Attempt(*row) for row in failed]
    return Fate(seq, place, state, said, since, to_send_again, settled, attempts)


def _covers(cursor: tuple[int, int], seq: int, place: int) -> bool:
    """Whether a cursor (entry, rows of the next one) has passed a row."""
    return cursor[0] >= seq or (cursor[0] == seq - 1 and cursor[1] > place)


def settlements(receipts: Sequence[Any], seq: int, place: int) -> Iterator[Receipt]:
    """The receipts with which the cursor passed a row: more than one after a rewind. Pure.

    None for a row that was passed before the oldest receipt kept.
    """
    before: bool | None = None
    for number, at_seq, at_index, *rest in receipts:
        passed = _covers((at_seq, at_index), seq, place)
        if passed and (before is False or (before is None and number == 1)):
            yield Receipt(*rest)
        before = passed


def _mappings(file: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> Iterator[Mapped]:
    for column, target in TABLES[table].references.items():
        local_id = row.get(column)
        if local_id is not None:
            kept = file.execute(_MAPPING, (target, local_id)).fetchone()
            yield Mapped(f"{target}:{local_id}", *(kept or (None, None, None)))
