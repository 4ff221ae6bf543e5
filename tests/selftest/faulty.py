"""A self-test of a broken program, as a process of its own (it forks): prints what it found.

``python -m tests.selftest.faulty FAULT FOLDER``
"""

from __future__ import annotations

import json
import random
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from replicator.delivery import Delivered, Delivery, Parcel
from replicator.outbox.writer import OutboxWriter
from replicator.selftest import children
from replicator.selftest.trial import Child, Trial


def apart(folder: Path, channel: socket.socket) -> None:
    """Capture that commits rows first, and the position a moment later."""
    whole = OutboxWriter._insert_ready

    def first(self: OutboxWriter) -> None:
        whole(self)
        self._connection.execute("COMMIT")
        time.sleep(0.01)
        self._begin()

    OutboxWriter._insert_ready = first  # type: ignore[method-assign]  # only in this process
    children.capture(folder, channel)


class Liar(children.Caller):
    """A sender that takes nothing for something, now and then."""

    def deliver(self, parcels: Sequence[Parcel]) -> Delivery:
        if parcels[-1].body["nodeId"] == 3:
            parcels = parcels[:-1]
            super().deliver(parcels)
            return Delivery([Delivered()] * (len(parcels) + 1), 1, 0, 0.0)
        return super().deliver(parcels)


class Shuffler(children.Caller):
    """A sender that sends the second half first."""

    def deliver(self, parcels: Sequence[Parcel]) -> Delivery:
        half = len(parcels) // 2
        super().deliver(parcels[half:])
        super().deliver(parcels[:half])
        return Delivery([Delivered()] * len(parcels), 2, 0, 0.0)


def lies(folder: Path, channel: socket.socket) -> None:
    """Delivery that says more is there than is."""
    children.deliver(folder, channel, Liar)


def shuffles(folder: Path, channel: socket.socket) -> None:
    """Delivery in no order."""
    children.deliver(folder, channel, Shuffler)


FAULTS: dict[str, tuple[Child, Child]] = {
    "none": (children.capture, children.deliver),
    "apart": (apart, children.deliver),
    "lies": (children.capture, lies),
    "shuffles": (children.capture, shuffles),
}


def main() -> None:
    fault, folder = sys.argv[1:]
    capture, deliver = FAULTS[fault]
    trial = Trial(Path(folder), kills=20, chance=random.Random(1), capture=capture, deliver=deliver)
    print(json.dumps(list(trial.run().findings)))


if __name__ == "__main__":
    main()
