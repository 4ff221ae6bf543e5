"""What may be done from the page: rows sent again, a destination paused and resumed.

Written into the destination's own file beside a ship that runs, and on record there with who asked.
"""

from __future__ import annotations

from contextlib import closing

from replicator.outbox.deliveries import Deliveries
from replicator.outbox.orders import Orders
from replicator.outbox.parking import Parking, Requeued, Wanted
from replicator.web.settings import WebSettings


def requeue(settings: WebSettings, name: str, wanted: Wanted, who: str) -> Requeued:
    """Send rejected rows again, and try blocked ones now. Raises OutboxError."""
    with closing(_opened(settings, name)) as deliveries:
        return Parking(deliveries.database, deliveries.path).requeue(wanted, who)


def pause(settings: WebSettings, name: str, who: str, why: str) -> None:
    """Send nothing there until resumed. Raises OutboxError."""
    with closing(_opened(settings, name)) as deliveries:
        Orders(deliveries.database, deliveries.path).pause(who, why)


def resume(settings: WebSettings, name: str, who: str) -> None:
    """End the pause. Raises OutboxError."""
    with closing(_opened(settings, name)) as deliveries:
        Orders(deliveries.database, deliveries.path).resume(who)


def _opened(settings: WebSettings, name: str) -> Deliveries:
    return Deliveries(settings.folder, name, settings.synchronous)
