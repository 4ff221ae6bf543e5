"""A process that fills a folder from a stream until it is killed."""

from __future__ import annotations

import sys

from tests.contract.conftest import backend_of

if __name__ == "__main__":
    backend = backend_of(sys.argv[1:])
    with backend.feed() as feed:  # type: ignore[attr-defined]  # a JetStream
        while True:
            print(feed.step(0.2).rows, flush=True)
