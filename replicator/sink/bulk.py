"""Sends rows in batches, and finds the ones to blame when a batch is refused.

The rules this file keeps:
  * rows go out in order, and nothing behind a row that may not be stored is claimed to be;
  * a batch that is refused as a whole is halved until the bad rows stand alone, at a cost of about
    2·log₂(n) requests a bad row;
  * a row is only called bad by a server that is well and stores (sink.witness).
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence

import orjson

from replicator.delivery import Delivered, Delivery, Outcome, Parcel, Rejected, Retry
from replicator.errors import DestinationUnavailable
from replicator.sink.blanks import Blanks
from replicator.sink.directory import Directory, Refused
from replicator.sink.judge import Bad, Denied, Failure, Stored, TooLarge, Wait, judged_bulk
from replicator.sink.link import Link
from replicator.sink.witness import Body, Witness

_LEVEL = 6
_HEADERS = {"Content-Type": "application/json", "Content-Encoding": "deflate"}
_RECEIPTS = {**_HEADERS, "X-Replicator-Receipt": "1"}


class BulkSender:
    """Delivers parcels to ``bulk/``; see replicator.delivery.Delivery."""

    def __init__(
        self, link: Link, directory: Directory, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._link = link
        self._directory = directory
        self._monotonic = monotonic
        self._witness = Witness(link, directory, self._post)
        self._blanks = Blanks(link, directory)

    def deliver(self, parcels: Sequence[Parcel]) -> Delivery:
        """Raises DestinationRefused; a link or server that fails makes the rest Retry."""
        rest, began = self._link.rest, self._monotonic()
        requests, sent = rest.requests, rest.bytes_sent
        outcomes: list[Outcome] = []
        retry: Retry | None = None
        too_large = doubted = False
        waiting = [parcels] if parcels else []
        try:
            while waiting and retry is None:
                part = waiting.pop()
                found = self._attempt(part)
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

    def _attempt(self, parcels: Sequence[Parcel]) -> Sequence[Outcome] | Wait | Bad | TooLarge:
        """Outcomes of one request; Bad and TooLarge only for what can be halved."""
        found = self._post([parcel.body for parcel in parcels])
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
        objection = self._witness.objection(parcel)
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

    def _post(self, bodies: Sequence[Body]) -> Stored | Failure:
        receipts = self._link.dialect.receipts
        rows = [body if type(body) is dict else dict(body) for body in bodies]
        content = zlib.compress(orjson.dumps(rows), _LEVEL)
        reply = self._link.rest.call("POST", "bulk/", content, _RECEIPTS if receipts else _HEADERS)
        return judged_bulk(reply, len(bodies), receipts=receipts)

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
        objection = self._witness.doubt()
        if objection:
            raise self._link.error(Wait(f"the central server stores nothing now: {objection}"))
