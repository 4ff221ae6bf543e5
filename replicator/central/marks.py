"""Marks: numbers that only rise, one for each name. Whoever comes with a smaller one is refused.

The rules this file keeps:
  * the highest number of each name is a mark that never falls;
  * a smaller one is refused in the transaction that would have stored, under the mark's row lock:
    what came with it is stored before a higher one was first heard of, or never;
  * a higher number raises the mark before anything else, so also where nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from replicator.central.bulk import now
from replicator.central.problems import Problem
from replicator.central.store import Database

_REMEMBERED = 100_000  # names, some ten MiB


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request comes with.

    ``table``    of marks: a name, its number, since when
    ``refusal``  of a smaller number, given the mark
    """

    table: sa.Table
    name: str
    number: int
    refusal: Callable[[int], Problem]


def guard(claims: Sequence[Claim]) -> Callable[[Connection], None]:
    """For Database.guarded: raises Problem where a mark is higher."""

    def check(connection: Connection) -> None:
        for claim in claims:
            _admit(connection, claim)

    return check


class Marks:
    """Raises marks before the first request with a higher number; remembers which it has raised."""

    def __init__(self) -> None:
        self._raised: dict[tuple[str, str], int] = {}

    def reach(self, database: Database, claims: Sequence[Claim]) -> None:
        """The marks are at least these from now on. Raises Problem: refused, or 503."""
        for claim in claims:
            self._reach(database, claim)

    def _reach(self, database: Database, claim: Claim) -> None:
        name = (claim.table.name, claim.name)
        if self._raised.get(name) == claim.number:
            return
        try:
            database.write(lambda c: _admit(c, claim), references=False)
        except sa.exc.IntegrityError:  # the first two of a name at once: now there is a mark
            database.write(lambda c: _admit(c, claim), references=False)
        if len(self._raised) >= _REMEMBERED:
            self._raised = {}
        self._raised[name] = claim.number


def _admit(connection: Connection, claim: Claim) -> None:
    """Lock the mark, and raise it where this is higher. Raises what the claim says."""
    name, number, _since = claim.table.c
    mine = name == claim.name
    mark = connection.execute(sa.select(number).where(mine).with_for_update()).scalar()
    if mark == claim.number:
        return
    if mark is not None and mark > claim.number:
        raise claim.refusal(mark)
    row = {number.name: claim.number, "since": now()}
    if mark is None:
        connection.execute(sa.insert(claim.table).values({**row, name.name: claim.name}))
    else:
        connection.execute(sa.update(claim.table).where(mine).values(row))
