"""Waiting: bounded, growing, spread over a fleet."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.sink.backoff import FIRST_SECONDS, MOST_SECONDS, Backoff
from replicator.sink.beat import phase


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


def crowd(moments: list[float], width: float) -> int:
    """The most of them within any ``width`` seconds."""
    moments = sorted(moments)
    return max(sum(1 for m in moments if first <= m < first + width) for first in moments)


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=20)
def test_while_delays_grow_stations_take_turns(seed: int) -> None:
    """Two hundred stations, by phase: no try crowds them more than their phases are crowded."""
    phases = [phase(f"house-{seed}-{number}") for number in range(200)]
    fleet = [Backoff(random.Random(0), phase=each) for each in phases]
    most = crowd([*phases, *(each + 1 for each in phases)], 0.106)  # a circle: delays turn it
    for number in range(8):
        delays = [backoff.delay() for backoff in fleet]
        assert all(0 < delay <= FIRST_SECONDS * 2**number for delay in delays)
        assert crowd(delays, 2.0**number / 10) <= most


def test_a_station_that_was_last_at_one_try_is_not_at_the_next() -> None:
    backoff = Backoff(random.Random(0), phase=0.999 - 0.6180339887498949)
    first, second = backoff.delay(), backoff.delay()
    assert first > 0.95
    assert second < 2 * 0.7


def test_at_the_end_of_its_growth_a_delay_is_left_to_chance() -> None:
    one, other = (Backoff(random.Random(seed), most=8.0, phase=0.5) for seed in (1, 2))
    assert [one.delay() for _ in range(3)] == [other.delay() for _ in range(3)]
    assert [one.delay() for _ in range(3)] != [other.delay() for _ in range(3)]


def test_what_the_server_asks_for_is_waited_before_a_delay_of_its_own() -> None:
    backoff = Backoff(Extreme())
    assert [backoff.wait(None), backoff.wait(5.0)] == [1.0, 5.0 + 2.0]
