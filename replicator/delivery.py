"""Values of delivery: what waits in the outbox, what is sent, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from replicator.change import Op, Row, Value


@dataclass(frozen=True, slots=True)
class Entry:
    """A change in the outbox. ``seq``: total order of capture, never reused.

    ``position``      text of the Position after its transaction
    ``committed_at``  commit at the source, ISO 8601, UTC, seconds
    """

    seq: int
    table: str
    op: Op
    columns: tuple[str, ...]
    rows: Sequence[Row]
    position: str
    committed_at: str


@dataclass(frozen=True, slots=True)
class QueuedRow:
    """One row on its way to one destination.

    ``seq``, ``index``  its entry, and its place in that entry
    ``values``          as captured: local ids, all columns
    ``key``             what makes it the same row again, local ids: a stream row's natural key, a
                        reference row's primary key
    ``lane``            its ordering key: "house:3", or "node:69" where no house is known
    """

    seq: int
    index: int
    table: str
    op: Op
    values: Mapping[str, Value]
    key: tuple[Value, ...]
    lane: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """A queued row with the body to send: the model's columns, ids already the destination's."""

    row: QueuedRow
    body: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who delivers a station's rows, where several may take turns.

    ``epoch``  from 1 on, larger with every holding: a destination that fences refuses smaller ones
    """

    station: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of one sender's requests, in which the outcome of each is known before the next.

    ``sender``  32 hexadecimal digits, made at random for each destination's file
    ``number``  from 1 on, larger with every turn: a destination that knows turns refuses smaller
                ones, so a request that was given up and arrives after all changes nothing there
    """

    sender: str
    number: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """Stored at the destination, known from its answer or from a look-up there."""

    receipt: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """This row cannot be stored there, and sending it again unchanged will not help.

    ``reason``  a short code ("null-key", "refused", "conflict", "cannot-delete", …)
    ``detail``  one sentence for the operator, with the server's own words where there are any
    ``superseded``  a newer version is sure to come: nothing is asked of the operator
    """

    reason: str
    detail: str
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """Not known to be stored: the link or the server failed. ``after``: seconds it asked for."""

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """The row waits for a mapping. ``waits_for``: "House:3"; ``detail``: why it is not there."""

    waits_for: str
    detail: str


Outcome = Delivered | Rejected | Retry


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the parcels of one call: ``outcomes[i]`` belongs to ``parcels[i]``.

    Nothing behind the first Retry was attempted or proven: from there on all are Retry.
    ``requests``, ``bytes_sent`` (bodies, compressed), ``seconds``: what it cost.
    ``too_large``: the server answered 413 at least once; send less at a time.
    """

    outcomes: Sequence[Outcome]
    requests: int
    bytes_sent: int
    seconds: float
    too_large: bool = False
