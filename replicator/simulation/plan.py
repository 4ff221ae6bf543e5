"""What is simulated: the fleet, its links, the outage and the centre, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timezone

from replicator.allowance import Window

_SEGMENT_BYTES = 1460
_MATHIS = 1.22
_SYN_AGAIN_SECONDS = 1.0
_AGAIN_SECONDS = 0.2
_HANDSHAKES = 2  # TCP, TLS 1.3


@dataclass(frozen=True, slots=True)
class Line:
    """A station's link. ``rtt``: seconds; ``bandwidth``: bytes/s up; ``loss``: of packets, 0 to 1.

    TCP hides losses, at a price: throughput after Mathis et al. (1997), and a wait for a packet
    that is sent again. No slow start, no TLS bytes.
    """

    rtt: float = 0.1
    bandwidth: float = 125_000.0
    loss: float = 0.0

    def rate(self) -> float:
        """Bytes a second that one connection carries."""
        hindrance = self.rtt * math.sqrt(self.loss)
        if not hindrance:
            return self.bandwidth
        return min(self.bandwidth, _MATHIS * _SEGMENT_BYTES / hindrance)

    def to_connect(self, chance: float) -> float:
        """Seconds until a connection stands. ``chance``: 0 to 1, evenly."""
        return _HANDSHAKES * self.rtt + (_SYN_AGAIN_SECONDS if chance < self.loss else 0.0)

    def to_send(self, size: int, chance: float) -> float:
        """Seconds until a request of so many bytes is at the other end."""
        again = max(_AGAIN_SECONDS, 2 * self.rtt) if chance < self.loss else 0.0
        return self.rtt / 2 + size / self.rate() + again


@dataclass(frozen=True, slots=True)
class Capacity:
    """A central server: ``threads`` side by side, each at its share of ``rows_per_s``.

    ``request_seconds``  of a thread for each request, beside its rows
    ``queue``            requests that may wait; one more is answered 503
    ``retry_after``      seconds, in that answer; 0: no such header
    """

    rows_per_s: float = 40_000.0
    request_seconds: float = 0.003
    threads: int = 4
    queue: int = 256
    retry_after: float = 5.0

    def seconds(self, rows: int) -> float:
        """How long a thread is at a request."""
        return self.request_seconds + rows * self.threads / self.rows_per_s


@dataclass(frozen=True, slots=True)
class Shipping:
    """Of [destination]: batch_rows, batch_bytes, timeout, heartbeat, windows, daily_bytes."""

    batch_rows: int = 10_000
    batch_bytes: int = 256 << 10
    timeout: float = 60.0
    heartbeat: float = 3600.0
    windows: tuple[Window, ...] = ()
    daily_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Times are seconds since the outage began, which is at ``begins``.

    ``rows_per_hour``  that a station captures, ``packet_rows`` in a transaction
    ``row_bytes``      of a row in a request, as sent; ``request_bytes``: of its headers and frame
    ``own_seconds``    that ship takes between two requests
    ``naive``          all stations try again every minute, in step, with full batches
    ``warm_up``        seconds before the outage; ``calm``: after the last has caught up
    ``until``          the end at the latest
    """

    stations: int = 2000
    rows_per_hour: float = 3360.0
    outage: float = 6 * 3600.0
    line: Line = field(default_factory=Line)
    centre: Capacity = field(default_factory=Capacity)
    shipping: Shipping = field(default_factory=Shipping)
    seed: int = 0
    naive: bool = False
    packet_rows: int = 7
    row_bytes: float = 4.0
    request_bytes: int = 600
    own_seconds: float = 0.01
    begins: datetime = datetime(2026, 3, 1, 6, tzinfo=timezone.utc)
    warm_up: float = 300.0
    calm: float = 300.0
    until: float = 30 * 3600.0

    @property
    def interval(self) -> float:
        """Seconds between two packets of a station."""
        return self.packet_rows * 3600.0 / self.rows_per_hour

    def names(self) -> list[str]:
        """Of the stations."""
        return [f"station-{number:05}" for number in range(1, self.stations + 1)]
