"""Storing a bulk body: all or nothing for plain clients, row by row for receipt clients."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from sqlalchemy.engine import Connection

from replicator.central import batch
from replicator.central.batch import Group
from replicator.central.packed import PackedBody
from replicator.central.problems import Problem
from replicator.central.quick import quick
from replicator.central.references import Existing, store_group
from replicator.central.schema import BULK_TABLES, RECEIPT, TABLES
from replicator.central.store import Database
from replicator.central.upsert import delete, upsert
from replicator.central.validate import Refusals

_NAMED_ROWS = 10  # bad rows named in the answer to a plain client


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a body: ``rejected`` by place, everything else is stored."""

    id: str
    stored: int
    rejected: Refusals


def store(database: Database, body: Sequence[object], station: str, *, plain: bool) -> Receipt:
    """Store the rows of one body in one transaction, durable when this returns.

    ``plain``  as the original: one bad row and nothing is stored (Problem 422 names the first bad
               rows); a NULL does not overwrite a reading's value or location.
    Otherwise bad rows are left out and named in the receipt.
    """
    groups, refused = batch.sort_out(body)
    if plain:
        _refuse_all(refused, len(body))
    receipt = uuid.uuid4().hex
    references = any(not TABLES[name].stream for name in groups)

    def work(connection: Connection) -> Refusals:
        bad = {**refused, **_store_groups(connection, groups, plain)}
        if plain:
            _refuse_all(bad, len(body))
        _keep(connection, receipt, station, len(body) - len(bad), len(bad))
        return bad

    bad = database.write(work, references=references)
    return Receipt(receipt, len(body) - len(bad), bad)


def store_packed(database: Database, body: PackedBody, station: str) -> Receipt:
    """As ``store`` for a client that wants a receipt; by column where every row is good."""
    made = [quick(part) for part in body.parts]
    ready = [part for part in made if part is not None]
    if len(ready) == len(made):
        total = sum(part.rows for part in body.parts)
        receipt = uuid.uuid4().hex

        def work(connection: Connection) -> bool:
            existing = Existing(connection)
            for part in ready:
                if any(existing.missing(t, set(ids)) for t, ids in part.references.items()):
                    return False
            for part in ready:
                upsert(connection, part.table, part.columns, part.rows, in_order=True)
            _keep(connection, receipt, station, total, 0)
            return True

        if database.write(work, references=False):
            return Receipt(receipt, total, {})
    return store(database, body.as_rows(), station, plain=False)


def _keep(connection: Connection, receipt: str, station: str, rows: int, rejected: int) -> None:
    row = {"id": receipt, "station": station, "rows": rows, "rejected": rejected, "at": now()}
    connection.execute(RECEIPT.insert().values(row))


def now() -> str:
    """The time, UTC, in whole seconds, without zone: as every time in the database."""
    return datetime.now(timezone.utc).replace(tzinfo=None).isoformat(timespec="seconds")


def _store_groups(connection: Connection, groups: dict[str, list[Group]], plain: bool) -> Refusals:
    refused: Refusals = {}
    existing = Existing(connection)
    for name in BULK_TABLES:
        if name not in groups:
            continue
        good = []
        for group in groups[name]:
            bad = existing.refuse(group)
            refused.update({group.indexes[place]: refusal for place, refusal in bad.items()})
            good.append(group.without(bad))
        refused.update(_store_table(connection, [g for g in good if g.rows], plain))
        existing.forget(name)
    return refused


def _store_table(connection: Connection, groups: Sequence[Group], plain: bool) -> Refusals:
    if not groups:
        return {}
    table = groups[0].table
    keep = table.keeps if plain else frozenset()
    actions = batch.fold(groups, keep)
    if actions.deletes:
        delete(connection, table, actions.deletes)
    refused: Refusals = {}
    for group in actions.upserts:
        if table.stream:
            upsert(connection, table, group.columns, group.rows, keep=keep)
            continue
        for place, refusal in store_group(connection, group).items():
            index = group.indexes[place]
            same = [index, *actions.earlier.get(index, ())]
            refused.update(dict.fromkeys(same, refusal))
    return refused


def _refuse_all(refused: Refusals, rows: int) -> None:
    if not refused:
        return
    first = [
        {"index": index, "reason": refused[index].reason, "detail": refused[index].detail}
        for index in sorted(refused)[:_NAMED_ROWS]
    ]
    detail = f"{len(refused)} of {rows} rows cannot be stored, so none was; the first are named"
    raise Problem(422, "rejected", detail, rejected=first)
