"""What an answer of a central server means. Pure: status, headers and body in, a verdict out.

The rule this file keeps: only the expected status *and* the expected shape are a success. The
original server answers 200 with a page of HTML for a wrong path, and 500 for nearly everything
else; a captive portal answers 200 for everything. docs/delivery.md is the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from replicator.delivery import Rejected
from replicator.model import TABLES

_PATIENCE = frozenset({408, 425, 429, 502, 503, 504, 507})
_CREDENTIALS = frozenset({401, 403})
_ROWS = frozenset({400, 409, 422, 500})
_LONGEST_WAIT = 86_400.0
_LAST_TURN = 1 << 62
_WORDS = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None where it is none (no answer that we expect is ``null``)."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


@dataclass(frozen=True, slots=True)
class Stored:
    """All rows are stored but ``rejected``, by their place in the request."""

    receipt: str
    rejected: Mapping[int, Rejected]


@dataclass(frozen=True, slots=True)
class Wait:
    """The link or the server failed; what became of the rows is not known."""

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Bad:
    """The server takes the request for bad, or is ill: a probe tells which. ``words``: its own."""

    words: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """Send less at a time."""


@dataclass(frozen=True, slots=True)
class Denied:
    """It answers, but not to us: credentials, or not such a server."""

    message: str
    detail: str
    hint: str


Failure = Wait | Bad | TooLarge | Denied


def failure(reply: Reply) -> Failure | None:
    """What a status that is no success means; None for 2xx."""
    status = reply.status
    if 200 <= status < 300:
        return None
    said = words(reply)
    if status in _PATIENCE:
        return Wait(f"the central server answered {said}", retry_after(reply))
    if status in _ROWS:
        return Bad(said)
    if status == 413:
        return TooLarge()
    if status in _CREDENTIALS:
        hint = "[destination NAME] token; `replicator central --create-token` makes one"
        return Denied("the central server does not let us in", said, hint)
    if status >= 500:
        return Wait(f"the central server answered {said}", retry_after(reply))
    where = _line(reply.headers.get("location", ""))
    detail = f"{said} → {where}" if where else said
    return Denied("this is not a central server", detail, "[destination NAME] url")


def superseded(reply: Reply) -> str | None:
    """Why a newer holder's server refuses this one, in its words; None: it does not."""
    said = reply.json() if reply.status == 409 else None
    known = isinstance(said, dict) and said.get("error") == "superseded"
    return words(reply) if known else None


def late(reply: Reply) -> int | None:
    """The newest turn of whose requests a server takes some, where it refuses this; None: no."""
    said = reply.json() if reply.status == 409 else None
    if not isinstance(said, dict) or said.get("error") != "late":
        return None
    turn = said.get("turn")
    return turn if type(turn) is int and 0 < turn <= _LAST_TURN else None


def judged_bulk(reply: Reply, rows: int, *, receipts: bool) -> Stored | Failure:
    """The verdict on a bulk request of so many rows.

    ``receipts``: our central server, which answers row by row; else the original's 201 ``[]``.
    """
    failed = failure(reply)
    if failed is not None:
        return failed
    said = reply.json()
    if not receipts:
        known = reply.status == 201 and said == []
        return Stored("", {}) if known else _not_understood(reply)
    if reply.status != 200 or not isinstance(said, dict):
        return _not_understood(reply)
    rejected = _rejected(said.get("rejected"), rows)
    receipt, stored = said.get("receipt"), said.get("stored")
    if rejected is None or not isinstance(receipt, str) or type(stored) is not int:
        return _not_understood(reply)
    return Stored(receipt, rejected) if stored == rows - len(rejected) else _not_understood(reply)


def _rejected(said: object, rows: int) -> dict[int, Rejected] | None:
    """The rejected rows by place; None where the list is not one."""
    if not isinstance(said, list):
        return None
    found = {}
    for item in said:
        match item:
            case {"index": int(index), "reason": str(reason), "detail": str(detail)} if (
                type(index) is int and 0 <= index < rows  # JSON's true is no index
            ):
                found[index] = Rejected(reason, detail)
            case _:
                return None
    return found if len(found) == len(said) else None


def _not_understood(reply: Reply) -> Wait:
    return Wait(f"the central server's answer is not understood: {words(reply)}")


def row_of(reply: Reply, table: str) -> Mapping[str, Any] | Failure:
    """The one row that answers a create (200, 201) or an update (201) of a table's row."""
    failed = failure(reply)
    if failed is not None:
        return failed
    said = reply.json()
    known = reply.status in (200, 201) and _is_row(said, table)
    return said if known else _not_understood(reply)


def rows_of(reply: Reply, table: str) -> list[Mapping[str, Any]] | Failure:
    """The rows that answer a list of a table."""
    failed = failure(reply)
    if failed is not None:
        return failed
    said = reply.json()
    if reply.status != 200 or not isinstance(said, list):
        return _not_understood(reply)
    return said if all(_is_row(row, table) for row in said) else _not_understood(reply)


def _is_row(said: object, table: str) -> bool:
    if not isinstance(said, dict) or said.get("__table__") != table:
        return False
    return "id" not in TABLES[table].columns or type(said.get("id")) is int


def words(reply: Reply) -> str:
    """Status and the server's own words, one short line of printable text."""
    said = reply.json()
    if isinstance(said, dict) and isinstance(said.get("detail"), str):
        text = said["detail"]
    else:
        text = reply.body[: 4 * _WORDS].decode("utf-8", "replace")
    shown = _line(text)
    return f"{reply.status}: {shown}" if shown else str(reply.status)


def _line(text: str) -> str:
    printable = (c if c.isprintable() else " " for c in text[: 4 * _WORDS])
    line = " ".join("".join(printable).split())
    return line if len(line) <= _WORDS else line[:_WORDS] + "…"


def retry_after(reply: Reply) -> float | None:
    """Seconds of a Retry-After header, at most a day; a date counts from the answer's own Date."""
    value = reply.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        number = value.isascii() and value.isdigit()
        seconds = float(value) if number else _until(value, reply.headers.get("date", ""))
    except (ValueError, TypeError, OverflowError, IndexError):  # all of them from email.utils
        return None  # neither form: as if it had not been sent
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _until(moment: str, now: str) -> float:
    return (_aware(moment) - _aware(now)).total_seconds()


def _aware(date: str) -> datetime:
    """A date with the zone "-0000" comes without one; it is in UTC."""
    found = parsedate_to_datetime(date)
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
