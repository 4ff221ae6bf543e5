"""A process that writes to an outbox until it is killed, and says what it was promised."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.contract.backends import Backend, place, readings, write
from tests.contract.conftest import backend_of

ROWS = 7


def main(spec: Sequence[str]) -> None:
    """Transaction n: the rows ROWS * n and on, in two entries. Prints n when it is durable."""
    backend: Backend = backend_of(spec)
    with backend.open() as outbox:
        if outbox.position is None:
            outbox.begin_at(place(0), None)
        assert outbox.position is not None
        number = outbox.position.offset
        while True:
            for _ in range(3):
                first = ROWS * number
                number += 1
                changes = (readings(ROWS - 1, first), readings(1, first + ROWS - 1))
                other = readings(0)
                write(outbox, number, changes[0], other, changes[1])
            outbox.flush()
            print(number, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
