"""Sends rows in batches, and finds the ones to blame when a batch is refused.

The rules this file keeps:
  * rows go out in order, and nothing behind a row that may not be stored is claimed to be;
  * a batch that is refused as a whole is halved until the bad rows stand alone, at a cost of about
    2·log₂(n) requests a bad row;
  * a row is only called bad by a server that is well and stores (sink.witness).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from replicator.delivery import Delivered, Delivery, Outcome, Parcel, Rejected, Retry
from replicator.errors import DestinationUnavailable
from replicator.sink.blanks import Blanks
from replicator.sink.directory import Directory, Refused
from replicator.sink.encoding import Content, Encoder
from replicator.sink.judge import Bad, Denied, Failure, Stored, TooLarge, Wait, judged_bulk
from replicator.sink.link import Link
from replicator.sink.witness import Body, Witness


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one request for a whole batch was answered, and what it cost; None: it was not made."""

    found: Stored | Failure | None
    rows: int
    requests: int
    bytes_sent: int
    seconds: float

    @property
    def receipt(self) -> str | None:
        """The destination's, where it stored every row."""
        whole = isinstance(self.found, Stored) and not self.found.rejected
        return self.found.receipt if whole and isinstance(self.found, Stored) else None


_NONE_YET = Attempt(None, 0, 0, 0, 0.0)


class BulkSender:
    """Delivers parcels to ``bulk/``; see replicator.delivery.Delivery."""

    def __init__(
        self, link: Link, directory: Directory, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._link = link
        self._directory = directory
        self._monotonic = monotonic
        self._witness = Witness(link, directory)
        self._blanks = Blanks(link, directory)
        self._encoder: Encoder | None = None

    @property
    def encoder(self) -> Encoder:
        """Makes the bodies. Raises as Link.dialect."""
        if self._encoder is None:
            self._encoder = Encoder(self._link.dialect)
        return self._encoder

    def attempt(self, content: Content, meanwhile: Callable[[], None]) -> Attempt:
        """Send a whole batch once; do ``meanwhile`` while the answer is awaited."""
        began = self._monotonic()
        found: Stored | Failure
        try:
            with self._link.rest.meanwhile(meanwhile):
                found = self._send(content)
        except DestinationUnavailable as error:
            found = Wait(str(error), error.after)
        took = self._monotonic() - began
        return Attempt(found, content.rows, 1, len(content.body), took)

    def deliver(self, parcels: Sequence[Parcel], first: Attempt | None = None) -> Delivery:
        """Raises DestinationRefused; a link or server that fails makes the rest Retry.

        ``first``: all of them were sent once already, and this is what came of it.
        """
        if first is None or first.rows != len(parcels):
            first = _NONE_YET
        rest, began = self._link.rest, self._monotonic() - first.seconds
        requests, sent = rest.requests - first.requests, rest.bytes_sent - first.bytes_sent
        outcomes: list[Outcome] = []
        retry: Retry | None = None
        too_large = doubted = False
        waiting = [parcels] if parcels else []
        try:
            while waiting and retry is None:
                part = waiting.pop()
                found = self._attempt(part, first)
                first = _NONE_YET
                too_large = too_large or isinstance(found, TooLarge)
                if isinstance(found, Wait):
                    retry = Retry(found.reason, found.after)
                elif isinstance(found, TooLarge | Bad):
                    if not doubted:
                        self._link.ensure_well()
                        doubted = True
                    half = len(part) // 2
                    waiting += [part[half:], part[:half]]
                else:
                    outcomes += found
        except DestinationUnavailable as error:
            retry = Retry(str(error), error.after)
        if retry is not None:
            outcomes += [retry] * (len(parcels) - len(outcomes))
        cost = (rest.requests - requests, rest.bytes_sent - sent, self._monotonic() - began)
        return Delivery(outcomes, *cost, too_large)

    def _attempt(
        self, parcels: Sequence[Parcel], first: Attempt
    ) -> Sequence[Outcome] | Wait | Bad | TooLarge:
        """Outcomes of one request; Bad and TooLarge only for what can be halved."""
        found = first.found or self._post([p.body for p in parcels], parcels[-1].row.seq)
        if isinstance(found, Stored):
            return self._outcomes(parcels, found)
        if isinstance(found, Denied):
            raise self._link.error(found)
        if isinstance(found, Wait) or len(parcels) > 1:
            return found
        return self._blamed(parcels[0], found)

    def _blamed(self, parcel: Parcel, found: Bad | TooLarge) -> Sequence[Outcome] | Wait:
        """A row that is refused alone, by a server that is well and stores."""
        self._link.ensure_well()
        objection = self._witness.objection(parcel, self._post)
        if objection:
            return Wait(f"the central server stores nothing now: {objection}")
        again = self._post([parcel.body])  # the refusal may have been a moment's
        if isinstance(again, Stored):
            return self._outcomes([parcel], again)
        if isinstance(again, Wait):
            return again
        if isinstance(again, Denied):
            raise self._link.error(again)
        if isinstance(found, TooLarge):
            return [Rejected("too-large", "413: the row alone is too large for the server")]
        return [Rejected("refused", f"the central server answers {found.words}")]

    def _post(self, bodies: Sequence[Body], seq: int | None = None) -> Stored | Failure:
        return self._send(self.encoder.rows(bodies, seq))

    def _send(self, content: Content) -> Stored | Failure:
        began = self._monotonic()
        rest, headers = self._link.rest, content.headers
        if rest.speaker.holder is not None and content.seq is not None:
            headers = {**headers, "Replicator-Seq": str(content.seq)}
        reply = rest.call("POST", "bulk/", content.body, headers)
        content.codec.exchanged(content.raw_bytes, self._monotonic() - began)
        return judged_bulk(reply, content.rows, receipts=self._link.dialect.receipts)

    def saw(self, parcel: Parcel) -> None:
        """The last row of a batch that was stored whole."""
        self._witness.saw(parcel, applied=True)

    def _outcomes(self, parcels: Sequence[Parcel], stored: Stored) -> list[Outcome]:
        outcomes: list[Outcome] = []
        delivered = Delivered(stored.receipt)
        kept = self._blanks.kept(parcels)
        for index, parcel in enumerate(parcels):
            rejected = stored.rejected.get(index) or kept.get(index)
            outcomes.append(rejected or delivered)
            if index not in stored.rejected:
                self._witness.saw(parcel, applied=rejected is None)
        return outcomes

    def store_one(self, body: Body) -> Refused | None:
        """Store one row of a table that has no other way. Raises DestinationUnavailable, …."""
        found = self._post([body])
        if isinstance(found, Bad):  # it may have been a moment's
            self._link.ensure_well()
            found = self._post([body])
        if isinstance(found, Stored):
            bad = found.rejected.get(0)
            return Refused(bad.detail) if bad else None
        if isinstance(found, Bad):
            self._link.ensure_well()
            self.ensure_it_stores()
            return Refused(found.words)
        raise self._link.error(found)

    def ensure_it_stores(self) -> None:
        """Tell "this row is bad" from "no row is stored now": raises DestinationUnavailable."""
        objection = self._witness.doubt(self._post)
        if objection:
            raise self._link.error(Wait(f"the central server stores nothing now: {objection}"))
