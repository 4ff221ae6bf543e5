"""Compression as strong as the link is slow: its work stays a small share of the wait. Pure."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

_ZSTANDARD = "zstandard"  # an extra: pip install replicator[zstd]

ZLIB, ZSTD = "deflate", "zstd"  # as Content-Encoding names them

_SHARE = 0.1  # of the time that an exchange takes
_WEIGHT = 0.2  # of the newest measurement
_SMALL = 4_096  # bytes; so few every destination reads as zlib, and they cost nothing


@dataclass(frozen=True, slots=True)
class Level:
    """A way to compress. ``cost``: seconds a byte until it has been measured."""

    compress: Callable[[bytes], bytes]
    cost: float


def zlib_levels(weakest: int) -> tuple[Level, ...]:
    """zlib, weakest first, beginning at a level."""
    costs = {1: 4e-9, 6: 15e-9, 9: 40e-9}
    return tuple(
        Level(partial(zlib.compress, level=level), cost)
        for level, cost in costs.items()
        if level >= weakest
    )


def zstandard() -> Any:
    """The library, None where it is not installed."""
    return import_module(_ZSTANDARD) if find_spec(_ZSTANDARD) else None


def zstd_levels() -> tuple[Level, ...]:
    """Zstandard, weakest first; empty where its library is not installed."""
    library = zstandard()
    if library is None:
        return ()
    costs = {3: 5e-9, 9: 25e-9, 17: 200e-9}
    return tuple(
        Level(library.ZstdCompressor(level=level).compress, cost) for level, cost in costs.items()
    )


class Codec:
    """Compresses bodies of one kind for one link. ``encoding``: what the levels make."""

    def __init__(
        self,
        encoding: str,
        levels: Sequence[Level],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._encoding = encoding
        self._levels = levels
        self._costs = [level.cost for level in levels]
        self._clock = clock
        self._exchange: float | None = None

    def compress(self, raw: bytes) -> tuple[str, bytes]:
        """By the strongest level that the link is worth; encoding and content."""
        if len(raw) <= _SMALL:
            return ZLIB, zlib.compress(raw, 9)
        number = self._chosen()
        began = self._clock()
        content = self._levels[number].compress(raw)
        taken = (self._clock() - began) / len(raw)
        self._costs[number] += _WEIGHT * (taken - self._costs[number])
        return self._encoding, content

    def exchanged(self, raw_bytes: int, seconds: float) -> None:
        """A body of so many bytes before compression took so long, from request to answer."""
        if raw_bytes > _SMALL:
            taken = seconds / raw_bytes
            known = taken if self._exchange is None else self._exchange
            self._exchange = known + _WEIGHT * (taken - known)

    def _chosen(self) -> int:
        if self._exchange is None:
            return len(self._levels) // 2
        worth = [
            number
            for number, cost in enumerate(self._costs)
            if cost <= _SHARE * self._exchange or number == 0
        ]
        return worth[-1]
