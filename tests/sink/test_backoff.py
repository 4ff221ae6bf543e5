"""Waiting: bounded, growing, spread over a fleet."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.sink.backoff import FIRST_SECONDS, MOST_SECONDS, Backoff


class Extreme(random.Random):
    """Always the end of the range."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_the_ceiling_doubles_up_to_the_most_and_stays_there() -> None:
    backoff = Backoff(Extreme())
    ceilings = [backoff.delay() for _ in range(12)]
    assert ceilings == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


def test_a_success_starts_it_again() -> None:
    backoff = Backoff(Extreme())
    for _ in range(5):
        backoff.delay()
    backoff.reset()
    assert [backoff.delay(), backoff.delay()] == [FIRST_SECONDS, 2 * FIRST_SECONDS]


def test_a_most_below_the_first_is_kept() -> None:
    backoff = Backoff(Extreme(), most=0.5)
    assert [backoff.delay() for _ in range(3)] == [0.5, 0.5, 0.5]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.floats(0.1, MOST_SECONDS))
def test_every_delay_is_within_its_ceiling_and_not_nothing(
    seed: int, times: int, most: float
) -> None:
    backoff = Backoff(random.Random(seed), most)
    ceiling = FIRST_SECONDS
    for _ in range(times):
        assert 0 < backoff.delay() <= min(ceiling, most)
        ceiling *= 2


def test_it_does_not_grow_without_end() -> None:
    backoff = Backoff(random.Random(1))
    assert all(backoff.delay() <= MOST_SECONDS for _ in range(5_000))


def test_a_fleet_does_not_come_back_at_one_moment() -> None:
    fleet = [Backoff(random.Random(seed)) for seed in range(200)]
    for backoff in fleet:
        for _ in range(8):
            backoff.delay()
    delays = sorted(backoff.delay() for backoff in fleet)
    assert len(set(delays)) == len(delays)
    quarters = [sum(1 for d in delays if q * 64 <= d < (q + 1) * 64) for q in range(4)]
    assert min(quarters) > 25, "the whole delay is random, not only its end"
