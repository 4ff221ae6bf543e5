"""What becomes of rows: resolve, send and judge them in order, up to the first to try again.

The rules this file keeps:
  * a row of a held lane is held too, so that a lane stays in order;
  * a row that waits for something the station does not have is rejected, not waited for;
  * no call of the sender holds two versions of one row;
  * a row that is refused because of a mapping that no longer holds is sent again, not rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from replicator.change import Op, Value
from replicator.delivery import (
    Blocked,
    Delivered,
    Delivery,
    Outcome,
    Parcel,
    QueuedRow,
    Rejected,
    Retry,
)
from replicator.errors import DestinationUnavailable
from replicator.model import TABLES

_MAPPING_REASONS = frozenset({"refused", "unknown-reference"})

Result = Delivered | Rejected | Blocked
Deliver = Callable[[Sequence[Parcel]], Delivery]


class Sender(Protocol):
    """Delivers stream rows."""

    def deliver(self, parcels: Sequence[Parcel]) -> Delivery:
        """See replicator.delivery.Delivery."""


class Resolver(Protocol):
    """Makes ids the destination's, and reference rows current there."""

    def body(self, row: QueuedRow) -> Mapping[str, Value] | Blocked | Rejected:
        """What to send for a stream row."""

    def apply(self, table: str, local_id: int, op: Op) -> Delivered | Rejected | Blocked:
        """Make the destination's row like the station's latest."""

    def outdated(self, row: QueuedRow) -> bool:
        """Whether a refused row referred to what is gone at the destination; that is forgotten."""


@dataclass(slots=True)
class Round:
    """The rows of one step, and their results as far as it came: ``results[i]`` for row i.

    ``held``   lanes that are or became held
    ``retry``  why it stopped before the last row; None when every row has a result
    ``first``  delivers the first rows, instead of the sender: they were sent once already
    """

    held: set[str]
    first: Deliver | None = None
    results: dict[int, Result] = field(default_factory=dict)
    retry: Retry | None = None
    sent: int = 0
    requests: int = 0
    bytes_sent: int = 0
    seconds: float = 0.0
    receipt: str = ""
    too_large: bool = False

    def settled(self, rows: Sequence[QueuedRow]) -> list[Result]:
        """The results from the first row on, up to the first row without one."""
        count = next((i for i in range(len(rows)) if i not in self.results), len(rows))
        return [self.results[index] for index in range(count)]


class Rounds:
    """Carries out rounds. ``hopeless(waits_for, op)``: why a row need not wait for that one."""

    def __init__(
        self, sender: Sender, resolver: Resolver, hopeless: Callable[[str, Op], Rejected | None]
    ) -> None:
        self._sender = sender
        self._resolver = resolver
        self._hopeless = hopeless

    def carry_out(
        self,
        rows: Sequence[QueuedRow],
        held: set[str],
        known: Mapping[int, Rejected] = MappingProxyType({}),
        first: Deliver | None = None,
    ) -> Round:
        """``known``: results of rows that need not be tried. Raises DestinationRefused.

        A link that fails ends the round with a Retry.
        """
        done = Round(held, first, dict(known))
        waiting: dict[tuple[str, tuple[Value, ...]], tuple[int, Parcel]] = {}
        try:
            for index, row in enumerate(rows):
                if index in known:
                    continue
                if row.lane in done.held:
                    done.results[index] = Blocked(row.lane, "waits behind older rows of its lane")
                elif TABLES[row.table].stream:
                    self._prepare(index, row, done, waiting)
                elif self._send(done, waiting):
                    self._apply(index, row, done)
                if done.retry is not None:
                    return done
            self._send(done, waiting)
        except DestinationUnavailable as error:
            done.retry = Retry(str(error), error.after)
        return done

    def _prepare(
        self,
        index: int,
        row: QueuedRow,
        done: Round,
        waiting: dict[tuple[str, tuple[Value, ...]], tuple[int, Parcel]],
    ) -> None:
        body = self._resolver.body(row)
        if isinstance(body, Rejected):
            done.results[index] = body
        elif isinstance(body, Blocked):
            self._hold(index, row, body, done)
        elif (row.table, row.key) not in waiting or self._send(done, waiting):
            waiting[row.table, row.key] = (index, Parcel(row, body))

    def _apply(self, index: int, row: QueuedRow, done: Round) -> None:
        local_id = row.values["id"]
        assert isinstance(local_id, int)
        result = self._resolver.apply(row.table, local_id, row.op)
        if isinstance(result, Blocked):
            self._hold(index, row, result, done)
        else:
            done.results[index] = result

    def _hold(self, index: int, row: QueuedRow, why: Blocked, done: Round) -> None:
        hopeless = self._hopeless(why.waits_for, row.op)
        done.results[index] = hopeless or why
        if hopeless is None:
            done.held.add(row.lane)

    def _send(
        self, done: Round, waiting: dict[tuple[str, tuple[Value, ...]], tuple[int, Parcel]]
    ) -> bool:
        """Send what waits; True when all of it has a result."""
        if not waiting:
            return True
        places = list(waiting.values())
        waiting.clear()
        deliver, done.first = done.first or self._sender.deliver, None
        delivery = deliver([parcel for _, parcel in places])
        for (index, parcel), outcome in zip(places, delivery.outcomes, strict=True):
            if isinstance(outcome, Retry):
                done.retry = done.retry or outcome
                continue
            if self._may_yet_be_taken(parcel, outcome, done):
                done.retry = Retry("the destination no longer has what a row refers to")
                continue
            done.results[index] = outcome
            if isinstance(outcome, Delivered) and outcome.receipt:
                done.receipt = outcome.receipt
        _add_cost(done, delivery, len(places))
        return done.retry is None

    def _may_yet_be_taken(self, parcel: Parcel, outcome: Outcome, done: Round) -> bool:
        refused = isinstance(outcome, Rejected) and outcome.reason in _MAPPING_REASONS
        return refused and done.retry is None and self._resolver.outdated(parcel.row)


def _add_cost(done: Round, delivery: Delivery, sent: int) -> None:
    done.sent += sent
    done.requests += delivery.requests
    done.bytes_sent += delivery.bytes_sent
    done.seconds += delivery.seconds
    done.too_large = done.too_large or delivery.too_large
