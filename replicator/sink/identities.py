"""Identities at one destination: one recursive rule over the model, no code per table.

A row's remote id is its mapping; else that of the row with its natural key there, whose references
are resolved by the same rule; else that of a new row. A mapping is durable before its first use.

The rules this file keeps:
  * creating is look-up, create, look-up (or a server's own idempotent create): a lost answer or a
    second station at the same moment does not make a second row that counts;
  * what the destination cannot take now blocks (it may yet); what means something else there is
    rejected; what the station never had is for the caller to tell (sink.round).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from replicator.change import Op, Value
from replicator.delivery import Blocked, Rejected
from replicator.model import TABLES, Identity, Table
from replicator.sink.bulk import BulkSender
from replicator.sink.directory import Directory, Refused, RemoteRow, matches_key
from replicator.sink.link import Link
from replicator.sink.resolve import Values, blind_id, conflict, incomplete_key, translated

_REMEMBER_SECONDS = 30.0

Problem = Blocked | Rejected
Body = dict[str, Value]


class References(Protocol):
    """The station's own reference rows, as captured last."""

    def reference(self, table: str, local_id: int) -> Values | None:
        """A row by local id; a deleted one is still found."""

    def is_deleted(self, table: str, local_id: int) -> bool:
        """Whether the station has deleted it."""

    def born_at(self, table: str, local_id: int) -> int:
        """The entry that gave an id to another row than had it before; 0 where none did."""


class Mappings(Protocol):
    """Local id → remote id, durable."""

    def get(self, table: str, local_id: int) -> int | None: ...
    def put(
        self,
        table: str,
        local_id: int,
        remote_id: int,
        natural_key: Values,
        matched_by: str,
        born: int = ...,
    ) -> None: ...
    def owners(self, table: str, remote_id: int) -> list[int]: ...
    def forget(self, table: str, local_id: int) -> None: ...
    def retire(self, table: str, local_id: int) -> None: ...
    def is_retired(self, table: str, local_id: int) -> bool: ...


class Identities:
    """Finds and makes remote ids. Raises DestinationUnavailable and DestinationRefused.

    ``current``  bodies of reference rows known to be at the destination as they are
    """

    def __init__(
        self,
        link: Link,
        directory: Directory,
        bulk: BulkSender,
        mappings: Mappings,
        station: References,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._directory = directory
        self._bulk = bulk
        self._mappings = mappings
        self._station = station
        self._monotonic = monotonic
        self._rejected: dict[tuple[str, int], tuple[float, Rejected]] = {}
        self._unseen: dict[str, Body] = {}
        self.current: dict[tuple[str, int], Body] = {}

    def remote(self, table: str, local_id: int) -> int | Problem:
        """The remote id of a local row; found or created where it is not known yet."""
        known = self._mappings.get(table, local_id)
        if known is not None:
            return known
        until, rejected = self._rejected.get((table, local_id), (0.0, None))
        if rejected is not None and self._monotonic() < until:
            return rejected
        row = self._station.reference(table, local_id)
        if row is None:
            return Blocked(f"{table}:{local_id}", "the station's row has not come yet")
        found = incomplete_key(TABLES[table], row) or self._establish(TABLES[table], local_id, row)
        if isinstance(found, Rejected):
            self._rejected[table, local_id] = (self._monotonic() + _REMEMBER_SECONDS, found)
        return found

    def _establish(self, model: Table, local_id: int, row: Values) -> int | Problem:
        key = translated(model, row, model.natural_key, self.remote)
        if not isinstance(key, dict):
            return key
        if model.name not in self._link.dialect.listed:
            return self._establish_blindly(model, local_id, row, key)
        finds = self._link.dialect.finds_by_key
        found = None if finds else self._look_up(model, local_id, key)
        how = "found"
        if found is None:
            body = self.body(model, row)
            if not isinstance(body, dict):
                return body
            made = self._create(model, local_id, row, key, body)
            if isinstance(made, Blocked):
                return made
            found, new = made
            how = "created" if new else "found"
            if new:
                self.current[model.name, local_id] = body
        clash = conflict(model, row, found) or self._owned(model, local_id, found["id"])
        if clash is not None:
            return clash
        if model.identity is Identity.SAME_ID and how == "found":
            how = "same id"
        born = self._born(model, local_id)
        self._mappings.put(model.name, local_id, found["id"], key, how, born)
        return int(found["id"])

    def _look_up(self, model: Table, local_id: int, key: Body) -> RemoteRow | None:
        if model.identity is Identity.SAME_ID:
            return self._directory.get(model, local_id)
        return self._directory.find(model, key)

    def _create(
        self, model: Table, local_id: int, row: Values, key: Body, body: Body
    ) -> tuple[RemoteRow, bool] | Blocked:
        me = f"{model.name}:{local_id}"
        if self._unseen.get(me) == key:  # every further try would make another row
            return Blocked(me, "created, but the centre does not show it as it is here")
        made = self._directory.create(model, body)
        if isinstance(made, Refused):
            made = self._create_again(model, local_id, key, body)
        if isinstance(made, Refused):
            if not self.outdated(model, row):
                self._bulk.ensure_it_stores()
            return Blocked(me, f"the central server answers {made.words}")
        self._unseen[me] = key
        if not matches_key(made[0], key):
            return Blocked(me, "the centre answered with another row")
        there = made[0]
        if not self._link.dialect.finds_by_key:
            found = self._look_up(model, local_id, key)
            if found is None:
                return Blocked(me, "created, but the centre does not show it")
            there = found
        del self._unseen[me]
        return there, made[1] and there["id"] == made[0]["id"]

    def _create_again(
        self, model: Table, local_id: int, key: Body, body: Body
    ) -> tuple[RemoteRow, bool] | Refused:
        """A refusal may be a moment's, or come after the row was stored."""
        finds = self._link.dialect.finds_by_key
        found = None if finds else self._look_up(model, local_id, key)
        return self._directory.create(model, body) if found is None else (found, False)

    def _establish_blindly(
        self, model: Table, local_id: int, row: Values, key: Body
    ) -> int | Problem:
        number = blind_id([key[column] for column in model.natural_key])
        if isinstance(number, Rejected):
            return number
        body = self.body(model, row)
        if not isinstance(body, dict):
            return body
        refused = self._bulk.store_one({"__table__": model.name, **body, "id": number})
        if refused is not None:
            return Blocked(
                f"{model.name}:{local_id}", f"the central server answers {refused.words}"
            )
        born = self._born(model, local_id)
        self._mappings.put(model.name, local_id, number, key, "computed", born)
        self.current[model.name, local_id] = body
        return number

    def _owned(self, model: Table, local_id: int, remote_id: int) -> Rejected | None:
        """Two rows of the station, both there still, that would become one at the centre."""
        if not model.distinct or self._station.is_deleted(model.name, local_id):
            return None
        others = (i for i in self._mappings.owners(model.name, remote_id) if i != local_id)
        owner = next((i for i in others if not self._station.is_deleted(model.name, i)), None)
        if owner is None:
            return None
        return Rejected(
            "conflict",
            f"{model.name} {local_id} and {model.name} {owner} have the same identity; "
            f"the centre can hold only one of them (id {remote_id} there)",
        )

    def _born(self, model: Table, local_id: int) -> int:
        """The entry since which the row is this one: its id, and those in its natural key."""
        born = [self._station.born_at(model.name, local_id)]
        row = self._station.reference(model.name, local_id) or {}
        for column, target in model.references.items():
            number = row.get(column)
            if column in model.natural_key and isinstance(number, int):
                born.append(self._born(TABLES[target], number))
        return max(born)

    def body(self, model: Table, row: Values) -> Body | Problem:
        """All columns of a reference row; its own id only where ids are the same everywhere."""
        keeps_id = model.identity is Identity.SAME_ID
        columns = [column for column in model.columns if keeps_id or column != "id"]
        return translated(model, row, columns, self.remote)

    def reconsider(self, table: str, local_id: int) -> None:
        """The row has changed here: what was wrong with it may be mended."""
        self._rejected.pop((table, local_id), None)

    def retire(self, table: str, local_id: int) -> None:
        """The station has deleted the row; late rows still find it, another one of that id not."""
        self._mappings.retire(table, local_id)

    def renew(self, table: str, local_id: int, op: Op) -> None:
        """The station has the row: what was mapped for an earlier one of that id is not it."""
        if op is Op.INSERT and self._station.born_at(table, local_id):
            self._mappings.retire(table, local_id)  # whose delete may not have been seen
        retired = self._mappings.is_retired(table, local_id)
        if retired and not self._station.is_deleted(table, local_id):
            self.forget(table, local_id)

    def outdated(self, model: Table, row: Values) -> bool:
        """Forget the mappings of what a refused row refers to and the destination no longer has.

        True where there were any: the row may be taken once they are made anew.
        """
        references = [(t, row.get(column)) for column, t in model.references.items()]
        gone = [self._is_gone(t, i) for t, i in references if isinstance(i, int)]
        return any(gone)

    def _is_gone(self, table: str, local_id: int) -> bool:
        remote_id = self._mappings.get(table, local_id)
        if remote_id is None or table not in self._link.dialect.listed:
            return False
        if self._directory.get(TABLES[table], remote_id) is not None:
            return False
        self.forget(table, local_id)
        row = self._station.reference(table, local_id)
        if row is not None:  # a house takes its locations along
            self.outdated(TABLES[table], row)
        return True

    def forget(self, table: str, local_id: int) -> None:
        """The destination no longer bears the mapping out."""
        self._mappings.forget(table, local_id)
        self.current.pop((table, local_id), None)
