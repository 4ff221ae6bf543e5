"""Python's search for cycles, made rarer: rows come by the thousand, and none is part of one."""

from __future__ import annotations

import gc

_NEW_OBJECTS = 100_000  # more than the rows of a batch in hand and of the next one


def calm() -> None:
    """For the whole process. With the usual 700 the search takes half the time of a delivery."""
    gc.set_threshold(_NEW_OBJECTS, 20, 100)


def sweep() -> None:
    """Look for cycles now, some milliseconds: an ended connection to a database is full of them."""
    gc.collect()
