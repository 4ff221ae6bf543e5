"""What to send for a row, and keeping reference rows at the destination as they are here."""

from __future__ import annotations

from collections.abc import Mapping

from replicator.change import Op, Value
from replicator.delivery import Blocked, Delivered, QueuedRow, Rejected
from replicator.model import TABLES, Identity, Table
from replicator.sink.bulk import BulkSender
from replicator.sink.directory import Directory, Refused, RemoteRow
from replicator.sink.identities import Body, Identities, Problem, References
from replicator.sink.judge import Bad
from replicator.sink.link import Link
from replicator.sink.resolve import agrees, blind_id, conflict, incomplete_key, translated


class RemoteResolver:
    """Makes ids the destination's, and reference rows current there.

    Every method raises DestinationUnavailable and DestinationRefused.
    """

    def __init__(
        self,
        link: Link,
        directory: Directory,
        bulk: BulkSender,
        identities: Identities,
        station: References,
    ) -> None:
        self._link = link
        self._directory = directory
        self._bulk = bulk
        self._identities = identities
        self._station = station

    def body(self, row: QueuedRow) -> Mapping[str, Value] | Problem:
        """What to send for a stream row."""
        model = TABLES[row.table]
        if None in row.key:
            problem = incomplete_key(model, row.values)
            if problem is not None:
                return problem
        delete = row.op is Op.DELETE
        if delete and not self._link.dialect.deletes:
            return Rejected(
                "cannot-delete", f"this kind of server cannot delete a row of {row.table}"
            )
        columns = model.natural_key if delete else model.body_columns
        found = translated(model, row.values, columns, self._identities.remote)
        if not isinstance(found, dict):
            return found
        return {"__table__": row.table, **({"__op__": "delete"} if delete else {}), **found}

    def outdated(self, row: QueuedRow) -> bool:
        """Whether a refused row referred to what is gone at the destination; that is forgotten."""
        return self._identities.outdated(TABLES[row.table], row.values)

    def apply(self, table: str, local_id: int, op: Op) -> Delivered | Problem:
        """Make the destination's row like the station's latest."""
        if op is Op.DELETE:
            self._identities.retire(table, local_id)
            return Rejected(
                "reference-delete",
                f"the station deleted {table} {local_id}; the centre keeps it, others may use it",
            )
        model = TABLES[table]
        row = self._station.reference(table, local_id)
        if row is None:
            return Rejected("dangling", f"the outbox no longer has {table} {local_id}")
        self._identities.reconsider(table, local_id)
        self._identities.renew(table, local_id, op)
        problem = incomplete_key(model, row)
        if problem is not None:
            return problem
        remote_id = self._identities.remote(table, local_id)
        if not isinstance(remote_id, int):
            return _own_fault(remote_id, table, local_id)
        if op is Op.SNAPSHOT and model.shared:
            return Delivered()
        body = self._identities.body(model, row)
        if not isinstance(body, dict):
            return body
        if self._identities.current.get((table, local_id)) == body:
            return Delivered()
        return self._update(model, local_id, remote_id, body)

    def _update(
        self, model: Table, local_id: int, remote_id: int, body: Body
    ) -> Delivered | Problem:
        """Bring a row that is mapped up to date."""
        dialect = self._link.dialect
        if model.name not in dialect.listed:
            if remote_id != blind_id([body[column] for column in model.natural_key]):
                return self._anew(model, local_id)  # the id says to what it belongs
            refused = self._bulk.store_one({"__table__": model.name, **body, "id": remote_id})
            return self._done(model, local_id, body, refused)
        theirs = self._directory.get(model, remote_id)
        if theirs is None:  # gone there since it was mapped
            return self._anew(model, local_id)
        clash = conflict(model, body, theirs)
        if clash is not None:
            self._identities.forget(model.name, local_id)
            return clash
        if agrees({**body, "id": remote_id}, theirs, exact_floats=dialect.exact_floats):
            return self._done(model, local_id, body, None)
        taken = self._taken(model, remote_id, body)
        if taken is not None:
            return taken
        whole = {**theirs, **body, "id": remote_id}
        refused = self._directory.update(model, remote_id, whole)
        if refused is not None:
            self._ensure_it_stores(model, theirs, refused)
            row = self._station.reference(model.name, local_id)
            if row is not None and self._identities.outdated(model, row):
                why = f"the central server answers {refused.words}"
                return Blocked(f"{model.name}:{local_id}", why)
        return self._done(model, local_id, body, refused)

    def _ensure_it_stores(self, model: Table, theirs: RemoteRow, refused: Refused) -> None:
        """A row is only to blame where the server takes the one that it has. Raises for the others.

        Not asked where its FLOATs may lack bits: they would be taken away there too.
        """
        exact = self._link.dialect.exact_floats
        if not exact and any(isinstance(value, float) for value in theirs.values()):
            return
        if self._directory.update(model, theirs["id"], theirs) is not None:
            raise self._link.error(Bad(f"it changes no row now: {refused.words}"))

    def _anew(self, model: Table, local_id: int) -> Delivered | Problem:
        """The mapping no longer holds: find or create the row again."""
        self._identities.forget(model.name, local_id)
        again = self._identities.remote(model.name, local_id)
        return Delivered() if isinstance(again, int) else _own_fault(again, model.name, local_id)

    def _taken(self, model: Table, remote_id: int, body: Body) -> Rejected | None:
        """Another row already has the new natural key, on a server that would let it be doubled."""
        if model.identity is Identity.SAME_ID or self._link.dialect.finds_by_key:
            return None
        there = self._directory.find(model, _key(model, body))
        if there is None or there["id"] == remote_id:
            return None
        return Rejected("conflict", f"the centre has another {model.name} of that name already")

    def _done(
        self, model: Table, local_id: int, body: Body, refused: Refused | None
    ) -> Delivered | Rejected:
        if refused is not None:
            return Rejected("refused", f"the central server answers {refused.words}")
        self._identities.current[model.name, local_id] = body
        return Delivered()


def _key(model: Table, body: Body) -> Body:
    return {column: body[column] for column in model.natural_key}


def _own_fault(problem: Problem, table: str, local_id: int) -> Problem:
    """A row that waits for itself is refused, and parked as such; its children wait."""
    if isinstance(problem, Blocked) and problem.waits_for == f"{table}:{local_id}":
        return Rejected("refused", problem.detail)
    return problem
