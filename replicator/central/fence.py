"""Fencing: of a station's holders only the newest is heard, of a sender nothing that is late.

Where several shippers share stations, each request that changes something says by whom and in which
holding: ``Replicator-Station``, ``Replicator-Epoch``. Whoever has given a request up, not knowing
whether it was stored, begins a new turn before it sends another: ``Replicator-Turn``. Both are
marks that never fall (central.marks).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from replicator.central.marks import Claim
from replicator.central.problems import Problem
from replicator.central.schema import HOLDING, TURN
from replicator.central.store import Database
from replicator.central.tokens import Caller
from replicator.delivery import Holder, Turn

STATION_HEADER, EPOCH_HEADER, SEQ_HEADER, TURN_HEADER = (
    "Replicator-Station",
    "Replicator-Epoch",
    "Replicator-Seq",
    "Replicator-Turn",
)
log = logging.getLogger(__name__)

_TURN = re.compile(r"([0-9a-f]{32})/([0-9]{1,19})", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_MOST = 2**63 - 1
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class Said:
    """What the headers say: ``seq`` of the last entry in the request, where the holder told it."""

    holder: Holder | None
    seq: int | None
    turn: Turn | None


def said(headers: Mapping[str, str]) -> Said:
    """Whom a request comes from. Raises Problem 400."""
    headers = {name.lower(): value for name, value in headers.items()}
    turn, seq = headers.get(TURN_HEADER.lower()), headers.get(SEQ_HEADER.lower())
    return Said(
        _holder(headers.get(STATION_HEADER.lower()), headers.get(EPOCH_HEADER.lower())),
        None if seq is None else _number(SEQ_HEADER, seq, 0),
        None if turn is None else _turn(turn),
    )


def _holder(station: str | None, epoch: str | None) -> Holder | None:
    if station is None and epoch is None:
        return None
    if station is None or epoch is None:
        raise _bad(f"{STATION_HEADER} and {EPOCH_HEADER} come together")
    return Holder(_name(station), _number(EPOCH_HEADER, epoch, 1))


def _turn(text: str) -> Turn:
    found = _TURN.fullmatch(text)
    if found is None:
        raise _bad(f"{TURN_HEADER} is not 32 hexadecimal digits, a slash and a number")
    return Turn(found[1], _number(TURN_HEADER, found[2], 1))


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


def claims(said: Said) -> list[Claim]:
    """What a request is held to (marks). Refused are 409 ``superseded`` and 409 ``late``."""
    found = []
    if said.holder is not None:
        holder = said.holder
        refusal = partial(_superseded, holder, said.seq)
        found.append(Claim(HOLDING, holder.station, holder.epoch, refusal))
    if said.turn is not None:
        found.append(Claim(TURN, said.turn.sender, said.turn.number, partial(_late, said.turn)))
    return found


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


def _superseded(holder: Holder, seq: int | None, newest: int) -> Problem:
    until = "" if seq is None else f", up to entry {seq},"
    detail = (
        f"{holder.station!r} is held with epoch {newest} by now;"
        f" this request{until} comes with epoch {holder.epoch}"
    )
    log.info("refused: %s", detail)
    return Problem(409, "superseded", detail)


def _late(turn: Turn, newest: int) -> Problem:
    detail = f"its sender is at turn {newest} by now; this request comes with turn {turn.number}"
    log.info("refused: %s (sender %s)", detail, turn.sender)
    return Problem(409, "late", detail, turn=newest)
