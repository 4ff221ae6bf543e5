"""What ship does now and then, whatever it is doing: a sample a minute, a heartbeat."""

from __future__ import annotations

import logging
from collections.abc import Callable

from replicator.outbox import clock
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.history import History, delivery_sample
from replicator.outbox.reader import OutboxReader

_LOG = logging.getLogger("replicator.ship")


class DeliveryWatch:
    """Called in ship's loop, whatever it is doing; a sample of one destination a minute.

    ``beat``  called as well, each time; quick, raises nothing
    """

    def __init__(
        self, name: str, deliveries: Deliveries, outbox: OutboxReader, beat: Callable[[], None]
    ) -> None:
        self._beat = beat
        self._name = name
        self._deliveries = deliveries
        self._outbox = outbox
        self._history = History(deliveries.database, deliveries.path)

    def look(self) -> None:
        """Keep a sample; nothing before its time."""
        self._beat()
        if not self._history.due:
            return
        now = clock.now()
        database = self._deliveries.database
        said = self._history.keep(now, lambda: delivery_sample(database, self._outbox, now))
        if said:
            _LOG.warning("%s: %s", self._name, said)
