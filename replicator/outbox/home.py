"""Where a station's rows are: in this folder, in a stream, or on their way. One row of outbox.db.

The rule this file keeps: a folder whose rows go to a stream says so itself, so that nobody captures
into it, or delivers from it, with a configuration of before.

    (none) ── leaving ── stream ── returning ── clearing ── (none)

``leaving``    rows are being copied to the stream; the folder is still tail's own
``stream``     the stream has them all; the folder is where ship works
``returning``  the folder is reading what the stream still has
``clearing``   the folder is tail's own; the stream may still have what it had
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from typing import Literal

from sqlite_utils import Database

from replicator.errors import OutboxError
from replicator.outbox.clock import Clock, text
from replicator.outbox.clock import now as wall_clock
from replicator.outbox.store import OUTBOX_FILE, immediate, translated

State = Literal["leaving", "stream", "returning", "clearing"]

_READ = "SELECT state, url, station, move FROM home"
_FED_TO = "SELECT fed_to FROM capture"
_WRITE = "INSERT OR REPLACE INTO home VALUES (1, ?, ?, ?, ?, ?)"
_FORGET_MARKS = "DELETE FROM mark"
_FOLDED = "UPDATE folded SET seq = (SELECT coalesce(max(seq), 0) FROM entry)"


@dataclass(frozen=True, slots=True)
class Home:
    """``url``: without a login; ``move``: the number of the move that wrote this."""

    state: State
    url: str
    station: str
    move: str

    def now(self, state: State) -> Home:
        """The same move, further on."""
        return replace(self, state=state)


def home_of(database: Database) -> Home | None:
    """What the folder says. Raises OutboxError."""
    with translated(OUTBOX_FILE):
        row = database.conn.execute(_READ).fetchone()
    return Home(*row) if row else None


def fed_to(database: Database) -> int:
    """The stream's seq up to which the folder has been filled; 0: it is not filled from one."""
    with translated(OUTBOX_FILE):
        row = database.conn.execute(_FED_TO).fetchone()
    return row[0] if row else 0


def set_home(database: Database, home: Home | None, clock: Clock = wall_clock) -> None:
    """Say it, durably."""
    with translated(OUTBOX_FILE), immediate(database.conn):
        _set(database.conn, home, clock)


def hand_over(database: Database, home: Home | None, fed: int, clock: Clock = wall_clock) -> None:
    """Who fills the folder from now on, at once with what it says of it.

    ``fed``  the stream's seq that it is filled up to; 0: tail fills it. Marks are forgotten: what
    a stream brings is not held against them.
    """
    with translated(OUTBOX_FILE), immediate(database.conn):
        _set(database.conn, home, clock)
        database.conn.execute("UPDATE capture SET fed_to = ?", (fed,))
        database.conn.execute(_FORGET_MARKS)
        database.conn.execute(_FOLDED)


def _set(connection: sqlite3.Connection, home: Home | None, clock: Clock) -> None:
    if home is None:
        connection.execute("DELETE FROM home")
        return
    row = (home.state, home.url, home.station, home.move, text(clock()))
    connection.execute(_WRITE, row)


def refuse_for_folder(database: Database) -> None:
    """A configuration without a stream may use the folder. Raises OutboxError where not."""
    home = home_of(database)
    if home is not None and home.state in ("leaving", "clearing"):
        return
    if home is not None and home.state == "returning":
        raise OutboxError(
            "the move from the stream to this folder is not finished",
            f"station {home.station} from {home.url}",
            f"with `[outbox] url = {home.url}` run `replicator outbox move` again",
        )
    if home is not None or fed_to(database):
        url = home.url if home else "nats://HOST/STREAM"
        raise OutboxError(
            "this station's rows go to a stream; this folder is only filled from it",
            f"{OUTBOX_FILE} is where ship works; rows captured here would fork the log",
            f"set `[outbox] url = {url}`, or bring the rows back: `replicator outbox move`",
        )


def refuse_for_stream(database: Database, url: str) -> None:
    """A configuration with this stream may use the folder. Raises OutboxError where not."""
    home = home_of(database)
    if home is None:
        return
    if home.state == "leaving":
        raise OutboxError(
            "the move to the stream is not finished: this folder has rows that are not there",
            f"station {home.station} to {home.url}",
            f"with the folder's configuration run `replicator outbox move --to {home.url}` again",
        )
    if home.state == "clearing":
        raise OutboxError(
            "this station's rows are in the folder again",
            f"they were moved from {home.url}",
            "set `[outbox] path` alone, without `url`; to clear the stream, too, run"
            " `replicator outbox move` again",
        )
    if home.state == "returning":
        raise OutboxError(
            "the move from the stream to this folder is not finished",
            f"station {home.station} from {home.url}",
            "run `replicator outbox move` again",
        )
    if stream_name(home.url) != stream_name(url):
        raise OutboxError(
            "this folder is filled from another stream",
            f"{home.url}, not {url}",
            f"set `[outbox] url = {home.url}`",
        )


def stream_name(url: str) -> str:
    """The last part of a URL: servers may have other names from here than from there."""
    return url.rsplit("/", 1)[-1]
