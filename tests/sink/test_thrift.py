"""Compression by the link's speed, and batches by what it carries."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from replicator.sink.codec import ZLIB, Codec, Level, zlib_levels
from replicator.sink.pace import Pace

RAW = b"0123456789" * 1_000


class Clock:
    """Time passes by compressing: so many seconds a call."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def codec(costs: Sequence[float]) -> Codec:
    """Levels that take so many seconds a byte, and are told by what they make."""
    clock = Clock()

    def level(number: int, cost: float) -> Level:
        def compress(raw: bytes) -> bytes:
            clock.now += cost * len(raw)
            return b"%d" % number

        return Level(compress, cost)

    return Codec("x", [level(n, cost) for n, cost in enumerate(costs)], clock)


def test_the_stronger_the_slower_the_link() -> None:
    made = codec([1e-9, 1e-8, 1e-7])
    assert made.compress(RAW) == ("x", b"1"), "nothing is known yet"
    for per_byte, chosen in ((1e-9, b"0"), (3e-7, b"1"), (1e-5, b"2"), (1e-9, b"0")):
        for _ in range(100):
            made.exchanged(len(RAW), per_byte * len(RAW))
        assert made.compress(RAW) == ("x", chosen)


def test_a_level_that_proves_dear_is_left() -> None:
    clock = Clock()

    def slow(raw: bytes) -> bytes:
        clock.now += 1e-3 * len(raw)
        return b"slow"

    made = Codec("x", [Level(lambda _: b"quick", 1e-9), Level(slow, 1e-9)], clock)
    made.exchanged(len(RAW), 1e-6 * len(RAW))
    assert made.compress(RAW) == ("x", b"slow")
    assert made.compress(RAW) == ("x", b"quick")


def test_small_bodies_are_zlib_for_everybody() -> None:
    encoding, content = codec([1e-9]).compress(b"[1]")
    assert (encoding, zlib.decompress(content)) == (ZLIB, b"[1]")


def test_all_levels_make_what_zlib_reads() -> None:
    for level in zlib_levels(1):
        assert zlib.decompress(level.compress(RAW)) == RAW
    assert len(zlib_levels(6)) < len(zlib_levels(1))


def test_batches_shrink_on_failures_and_grow_again() -> None:
    pace = Pace(1_000, 1 << 20)
    assert pace.limit() == 1_000
    pace.learn(0, 0, 0.1, failed=True)
    assert pace.limit() == 10, "an outage: it begins with few"
    for expected in (20, 40, 80):
        pace.learn(10, 100, 0.1, failed=False)
        assert pace.limit() == expected
    pace.learn(80, 800, 5.0, failed=False)
    assert pace.limit() == 80, "slow enough"
    pace.learn(80, 800, 20.0, failed=False)
    assert pace.limit() == 40


def test_bytes_bound_a_batch() -> None:
    pace = Pace(1_000, 2_000)
    for _ in range(50):
        pace.learn(100, 2_000, 0.1, failed=False)
    assert 90 <= pace.limit() <= 110
