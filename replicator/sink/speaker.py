"""Who a request that changes something is from, and in which turn: what a server fences by.

The rules this file keeps:
  * from when a change is sent until its whole answer is here, its outcome is not known;
  * behind a change whose outcome is not known, and at the begin, nothing is sent before a new turn
    is durable: what was given up may arrive late, and is then refused, wherever it was held;
  * a holding's turns are behind those of all holdings before it, whatever its file is made from;
  * a server that has heard of a newer turn has heard it from a copy of this sender's file: an older
    disk was put back, or somebody else sends from it. That is told, and the turn goes beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from replicator.delivery import Holder, Turn
from replicator.errors import DestinationUnavailable, HoldingLost
from replicator.sink.judge import Reply, late, superseded, words

_OTHERS_MAY_GO_ON = 500  # an answer from here on may be a gateway's
_TIMED_OUT = 408
_TURNS_OF_A_HOLDING = 20  # bits

BeginTurn = Callable[[int], Turn]
"""The next turn, from a number on; durable."""


class Speaker:
    """One connection's.

    ``holder``  where several may deliver the station
    ``begin``   of turns; None: no request is repeated that must not be late
    ``fenced``  the server knows turns; told once that is known
    """

    def __init__(self, holder: Holder | None = None, begin: BeginTurn | None = None) -> None:
        self.holder = holder
        self.fenced = False
        self._begin = begin
        self._held = _held_by(holder)
        self._least = 1 if holder is None else holder.epoch << _TURNS_OF_A_HOLDING
        self._turn: Turn | None = None
        self._sent: Turn | None = None

    def headers(self, method: str) -> Mapping[str, str]:
        """Of each request that may change something. Raises what beginning a turn does."""
        if method == "GET":
            return {}
        if self._begin is None or not self.fenced:
            return self._held
        if self._turn is None:
            self._turn = self._begin(self._least)
        turn = self._turn
        return {**self._held, "Replicator-Turn": f"{turn.sender}/{turn.number}"}

    def sends(self, method: str) -> None:
        """From now on until ``heard`` the outcome is not known."""
        if method != "GET":
            self._sent, self._turn = self._turn, None

    def heard(self, method: str, reply: Reply, url: str) -> None:
        """A whole answer. Raises HoldingLost; DestinationUnavailable where the request was late."""
        if method == "GET":
            return
        lost = superseded(reply) if self.holder is not None else None
        if lost is not None:
            raise self._lost(lost, url)
        newest = late(reply) if self._begin is not None and self.fenced else None
        if newest is not None:
            raise self._behind(newest, reply, url)
        if reply.status < _OTHERS_MAY_GO_ON and reply.status != _TIMED_OUT:
            self._turn = self._sent

    def _lost(self, words: str, url: str) -> HoldingLost:
        assert self.holder is not None
        return HoldingLost(
            f"another shipper delivers {self.holder.station} by now",
            f"{url}: {words}",
            "nothing to do where that one runs: it sends what this one had not delivered. Where the"
            " leases were lost and begin anew: `replicator central --forget-holders STATION`",
        )

    def _behind(self, newest: int, reply: Reply, url: str) -> DestinationUnavailable:
        assert self._begin is not None
        self._begin(newest + 1)
        return DestinationUnavailable(
            "the central server has heard from a copy of this destination's file",
            f"{url}: {words(reply)}",
            "it goes on by itself. If an older disk was put back, nothing is to be done; else find"
            " the machine that runs from a copy of this one's disk, and stop it",
        )


def _held_by(holder: Holder | None) -> dict[str, str]:
    """The headers that name a holder: station names may be in any script."""
    if holder is None:
        return {}
    station = quote(holder.station, safe="")
    return {"Replicator-Station": station, "Replicator-Epoch": str(holder.epoch)}
