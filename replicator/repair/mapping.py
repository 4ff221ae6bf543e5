"""Correcting a mapping: which rows it concerns, and having exactly those sent again.

Whoever calls this plays ship's role (outbox.orders), so nothing is under way meanwhile.

The rule this file keeps: new ids are looked up first and kept last, behind the rows that are to be
sent again; so a crash in between repeats, and forgets nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from replicator.change import Op
from replicator.delivery import Blocked, Rejected
from replicator.errors import DestinationUnavailable, OutboxError
from replicator.model import TABLES, Identity, Table
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.journal import Deed
from replicator.outbox.mappings import Mappings
from replicator.outbox.parking import Parking
from replicator.outbox.reader import OutboxReader
from replicator.outbox.store import immediate, translated
from replicator.repair.affected import Concerned, Name, concerned
from replicator.repair.again import Again, send_again
from replicator.repair.drafts import Draft
from replicator.sink.bulk import BulkSender
from replicator.sink.directory import Directory, RemoteRow
from replicator.sink.identities import Identities
from replicator.sink.link import Link
from replicator.sink.resolve import Values, conflict
from replicator.sink.resolve import translated as in_their_ids
from replicator.sink.resolver import RemoteResolver

MENDED = frozenset({"conflict", "unknown-reference", "refused", "dangling", "id-reused"})


@dataclass(frozen=True, slots=True)
class Corrected:
    """What came of it.

    ``changed``   (table, local id, remote id before, remote id now)
    ``again``     rows sent again; None where no remote id changed
    ``parked``    parked rows sent again
    ``left``      table → rows at the centre that named the old id when this was done
    ``problems``  what could not be looked up or brought up to date
    """

    changed: Sequence[tuple[str, int, int, int | None]]
    again: Again | None
    parked: int
    left: dict[str, int]
    problems: Sequence[str]


class Desk:
    """One destination's mappings, its centre, and the station's rows."""

    def __init__(self, outbox: OutboxReader, deliveries: Deliveries, link: Link) -> None:
        self._outbox = outbox
        self._deliveries = deliveries
        self._link = link
        self._directory = Directory(link)
        self._bulk = BulkSender(link, self._directory)
        self._mappings = Mappings(deliveries.database, deliveries.path)

    def set(self, table: str, local_id: int, remote_id: int, deed: Deed) -> Corrected:
        """Map by hand. The caller has asked ``objection`` and ``differences``."""
        draft = Draft(self._mappings)
        there = self.remote_row(table, remote_id)
        key = {column: there.get(column) for column in TABLES[table].natural_key} if there else {}
        draft.put(table, local_id, remote_id, key, "by hand", self._outbox.born_at(table, local_id))
        return self._correct([(table, local_id)], draft, deed)

    def refresh(self, names: Sequence[Name], deed: Deed) -> Corrected:
        """Forget mappings and look them up again, creating at the centre what is not there."""
        draft = Draft(self._mappings)
        for name in names:
            draft.forget(*name)
        return self._correct(names, draft, deed)

    def _correct(self, names: Sequence[Name], draft: Draft, deed: Deed) -> Corrected:
        rests = concerned(names, self._outbox.references)
        problems = self._looked_up(rests.mappings, draft)
        changed = draft.changed(rests.mappings)
        moved = concerned(changed, self._outbox.references)
        ids = [(t, i, self._mappings.get(t, i) or 0, draft.get(t, i)) for t, i in changed]
        left = dict(self._left(ids))
        again = None
        if changed:
            again = send_again(self._outbox, self._deliveries, moved.to_send, deed)
        parked = self._parked_again(rests)
        draft.keep()
        problems += self._brought_up_to_date(moved.bodies)
        return Corrected(ids, again, parked, left, problems)

    def _looked_up(self, names: Iterable[Name], draft: Draft) -> list[str]:
        """Look up all but what is set by hand; what can't be, in words."""
        by_hand = set(draft.found)
        known = {name for name in names if self._mappings.get(*name) is not None}
        for name in known - by_hand:
            draft.forget(*name)
        identities = Identities(self._link, self._directory, self._bulk, draft, self._outbox)
        problems = []
        for table, local_id in sorted(names):
            if (table, local_id) not in known | draft.forgotten:
                continue  # nobody has needed it yet
            found = identities.remote(table, local_id)
            if isinstance(found, Blocked | Rejected):
                problems.append(f"{table}:{local_id}: {said(found)}")
        return problems

    def _left(self, ids: Sequence[tuple[str, int, int, int | None]]) -> Iterator[tuple[str, int]]:
        """Readings at the centre in each place that is another now."""
        for table, _, before, _ in ids:
            if table == "Location":
                count = self._directory.referring(TABLES["Reading"], "locationId", before)
                if count:
                    yield f"Location {before}", count

    def _parked_again(self, rests: Concerned) -> int:
        connection: sqlite3.Connection = self._deliveries.database.conn
        parking = Parking(self._deliveries.database, self._deliveries.path)
        with translated(self._deliveries.path), immediate(connection):
            rows = connection.execute(
                "SELECT seq, row_index, table_name, row, reason FROM parked WHERE kind = 'rejected'"
            )
            wanted = [
                (seq, place)
                for seq, place, table, row, reason in rows
                if reason in MENDED and _rests_on(rests, table, orjson.loads(row))
            ]
            return parking.send_again(wanted)

    def _brought_up_to_date(self, bodies: Iterable[Name]) -> list[str]:
        """Rows that name a corrected one; those of entries that are held ship sends, too."""
        mappings = Mappings(self._deliveries.database, self._deliveries.path)
        identities = Identities(self._link, self._directory, self._bulk, mappings, self._outbox)
        resolver = RemoteResolver(self._link, self._directory, self._bulk, identities, self._outbox)
        problems: list[str] = []
        for table, local_id in sorted(bodies):
            if mappings.get(table, local_id) is None:
                continue
            try:
                found = resolver.apply(table, local_id, Op.UPDATE)
            except DestinationUnavailable as error:
                return [*problems, f"{table}:{local_id}: {error}"]
            if isinstance(found, Blocked | Rejected):
                problems.append(f"{table}:{local_id}: {said(found)}")
        return problems

    # --- before a mapping is set by hand --------------------------------------------------------

    def remote_row(self, table: str, remote_id: int) -> RemoteRow | None:
        """The centre's row, where it can show it."""
        if table not in self._link.dialect.listed:
            return None
        return self._directory.get(TABLES[table], remote_id)

    def objection(self, table: str, local_id: int, remote_id: int) -> OutboxError | None:
        """Why a row cannot be mapped to this id."""
        model, name = TABLES[table], f"{table}:{local_id}"
        mine, there = self._outbox.reference(table, local_id), self.remote_row(table, remote_id)
        if mine is None:
            return OutboxError(
                "the station has no such row", name, "`replicator map show` lists what is mapped"
            )
        if there is None:
            return OutboxError(
                "the central server has no such row, or cannot show it",
                f"{table} {remote_id} at {self._link.rest.address.url}",
                "give the id of a row that is there",
            )
        clash = conflict(model, mine, there) or self._owned(model, local_id, remote_id)
        if clash is None:
            return None
        return OutboxError(
            "these two are not the same", said(clash), "choose another row, or mend one of them"
        )

    def _owned(self, model: Table, local_id: int, remote_id: int) -> Rejected | None:
        others = (i for i in self._mappings.owners(model.name, remote_id) if i != local_id)
        owner = next((i for i in others if not self._outbox.is_deleted(model.name, i)), None)
        if owner is None or not (model.distinct or model.identity is Identity.SAME_ID):
            return None
        return Rejected("conflict", f"{model.name}:{owner} is mapped to it, and still there")

    def differences(self, table: str, local_id: int, remote_id: int) -> list[str]:
        """Where the two rows' natural keys differ, in words."""
        model = TABLES[table]
        mine, there = self._outbox.reference(table, local_id), self.remote_row(table, remote_id)
        if mine is None or there is None or model.identity is Identity.SAME_ID:
            return []
        identities = Identities(
            self._link, self._directory, self._bulk, self._mappings, self._outbox
        )
        key: Values | Blocked | Rejected = in_their_ids(
            model, mine, model.natural_key, identities.remote
        )
        if isinstance(key, Blocked | Rejected):
            return [said(key)]
        return [
            f"{column}: {key[column]!r} here, {there.get(column)!r} there"
            for column in model.natural_key
            if key[column] != there.get(column)
        ]


def _rests_on(rests: Concerned, table: str, row: Values) -> bool:
    """The row is one of those whose mapping is corrected, or refers to one."""
    return rests.names(table, row) or (table, row.get("id")) in rests.mappings


def said(problem: Blocked | Rejected) -> str:
    """A problem in one line."""
    if isinstance(problem, Blocked):
        return f"waits for {problem.waits_for}: {problem.detail}"
    return f"{problem.reason}: {problem.detail}"
