"""What ship notes down once a minute, for people: how delivery goes."""

from __future__ import annotations

import logging

from replicator.outbox import clock
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.history import History, delivery_sample
from replicator.outbox.reader import OutboxReader

_LOG = logging.getLogger("replicator.ship")


class DeliveryWatch:
    """Called in ship's loop, whatever it is doing; a sample of one destination a minute."""

    def __init__(self, name: str, deliveries: Deliveries, outbox: OutboxReader) -> None:
        self._name = name
        self._deliveries = deliveries
        self._outbox = outbox
        self._history = History(deliveries.database, deliveries.path)

    def look(self) -> None:
        """Keep a sample; nothing before its time."""
        if not self._history.due:
            return
        now = clock.now()
        database = self._deliveries.database
        said = self._history.keep(now, lambda: delivery_sample(database, self._outbox, now))
        if said:
            _LOG.warning("%s: %s", self._name, said)
