"""Fencing: of a station's holders only the newest is heard.

Where several shippers take turns at a station, each request that changes something says by whom and
in which holding: ``Replicator-Station``, ``Replicator-Epoch``. The rules this file keeps:
  * the highest epoch of each station is a mark that never falls; a smaller one is refused;
  * that is decided in the transaction that stores, under the mark's row lock: what an older holder
    sent is stored before a newer one was first heard of, or never;
  * a newer epoch raises the mark before anything else, so also where nothing is stored.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from replicator.central.bulk import now
from replicator.central.problems import Problem
from replicator.central.schema import HOLDING
from replicator.central.store import Database
from replicator.central.tokens import Caller
from replicator.delivery import Holder

STATION_HEADER, EPOCH_HEADER, SEQ_HEADER = (
    "Replicator-Station",
    "Replicator-Epoch",
    "Replicator-Seq",
)
log = logging.getLogger(__name__)

_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_MOST = 2**63 - 1
_LONGEST = 255
_REMEMBERED = 100_000  # stations, some ten MiB


@dataclass(frozen=True, slots=True)
class Said:
    """What the headers say: ``seq`` of the last entry in the request, where the holder told it."""

    holder: Holder
    seq: int | None


def said(headers: Mapping[str, str]) -> Said | None:
    """The holder that a request comes from; None where it names none. Raises Problem 400."""
    headers = {name.lower(): value for name, value in headers.items()}
    station, epoch = headers.get(STATION_HEADER.lower()), headers.get(EPOCH_HEADER.lower())
    if station is None and epoch is None:
        return None
    if station is None or epoch is None:
        raise _bad(f"{STATION_HEADER} and {EPOCH_HEADER} come together")
    seq = headers.get(SEQ_HEADER.lower())
    holder = Holder(_name(station), _number(EPOCH_HEADER, epoch, 1))
    return Said(holder, None if seq is None else _number(SEQ_HEADER, seq, 0))


def _name(text: str) -> str:
    try:
        name = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise _bad(f"{STATION_HEADER} is not percent-encoded UTF-8") from None
    if not text.isascii() or not 1 <= len(name) <= _LONGEST or not name.isprintable():
        raise _bad(f"{STATION_HEADER} is not a name of 1 to {_LONGEST} characters")
    if name != name.strip():  # a database may take "a" and "a " for one
        raise _bad(f"{STATION_HEADER} begins or ends with a blank")
    return name


def _number(header: str, text: str, least: int) -> int:
    number = int(text) if _NUMBER.fullmatch(text) else -1
    if not least <= number <= _MOST:
        raise _bad(f"{header} is not a whole number from {least} on")
    return number


def _bad(detail: str) -> Problem:
    return Problem(400, "bad-holder", detail)


def check_speaker(caller: Caller, holder: Holder) -> None:
    """Raises Problem 403 where the token is another station's. Without tokens all may speak."""
    if caller.station and caller.station != holder.station:
        detail = f"the token is {caller.station!r}'s; a fleet's may speak for all stations"
        raise Problem(403, "not-your-station", detail)


def guard(said: Said) -> Callable[[Connection], None]:
    """For Database.guarded: raises Problem 409 where a newer holder was heard of."""
    return lambda connection: _admit(connection, said)


class Marks:
    """Raises the mark before a newer holder's first request; remembers for which it was done."""

    def __init__(self) -> None:
        self._raised: dict[str, int] = {}

    def reach(self, database: Database, said: Said) -> None:
        """The mark is at least this holder's from now on. Raises Problem 409, 503."""
        holder = said.holder
        if self._raised.get(holder.station) == holder.epoch:
            return
        try:
            database.write(lambda c: _admit(c, said), references=False)
        except sa.exc.IntegrityError:  # the station's first two at once: now there is a mark
            database.write(lambda c: _admit(c, said), references=False)
        if len(self._raised) >= _REMEMBERED:
            self._raised = {}
        self._raised[holder.station] = holder.epoch


def forget(engine: Engine, pattern: str) -> int:
    """Forget the marks of stations whose names fit a shell pattern; how many there were.

    Only where epochs begin anew: until its next request a station is open to every holder.
    """

    def work(connection: Connection) -> int:
        names = connection.execute(sa.select(HOLDING.c.station)).scalars()
        gone = [name for name in names if fnmatchcase(name, pattern)]
        for name in gone:
            connection.execute(sa.delete(HOLDING).where(HOLDING.c.station == name))
        return len(gone)

    return Database(engine).write(work, references=False)


def _admit(connection: Connection, said: Said) -> None:
    """Lock the station's mark, and raise it where this holder is newer. Raises Problem 409."""
    holder = said.holder
    mine = HOLDING.c.station == holder.station
    newest = connection.execute(sa.select(HOLDING.c.epoch).where(mine).with_for_update()).scalar()
    if newest == holder.epoch:
        return
    if newest is not None and newest > holder.epoch:
        raise _superseded(said, newest)
    row = {"epoch": holder.epoch, "since": now()}
    if newest is None:
        connection.execute(sa.insert(HOLDING).values({**row, "station": holder.station}))
    else:
        connection.execute(sa.update(HOLDING).where(mine).values(row))


def _superseded(said: Said, newest: int) -> Problem:
    holder = said.holder
    until = "" if said.seq is None else f", up to entry {said.seq},"
    detail = (
        f"{holder.station!r} is held with epoch {newest} by now;"
        f" this request{until} comes with epoch {holder.epoch}"
    )
    log.info("refused: %s", detail)
    return Problem(409, "superseded", detail)
