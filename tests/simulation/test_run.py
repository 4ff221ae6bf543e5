"""The simulation: no row goes astray, one seed tells one thing, a fleet does not come in step."""

from __future__ import annotations

from dataclasses import replace
from datetime import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.allowance import Window
from replicator.simulation import station
from replicator.simulation.plan import Capacity, Line, Plan, Shipping
from replicator.simulation.run import series, simulate
from replicator.sink.pace import Pace

FLEET = Plan(stations=300, outage=1800.0)
SMALL = Plan(stations=12, outage=600.0, until=3600.0)

plans = st.builds(
    Plan,
    stations=st.integers(1, 12),
    outage=st.floats(1.0, 900.0),
    rows_per_hour=st.floats(100.0, 50_000.0),
    line=st.builds(
        Line, rtt=st.floats(0, 2), bandwidth=st.floats(500, 1e6), loss=st.floats(0, 0.3)
    ),
    centre=st.builds(
        Capacity,
        rows_per_s=st.floats(20, 50_000),
        request_seconds=st.floats(0, 0.5),
        threads=st.integers(1, 4),
        queue=st.integers(0, 8),
        retry_after=st.sampled_from([0.0, 5.0]),
    ),
    shipping=st.builds(
        Shipping,
        batch_rows=st.integers(1, 10_000),
        timeout=st.floats(2, 60),
        daily_bytes=st.sampled_from([0, 20_000]),
        windows=st.sampled_from([(), (Window(time(6, 2), time(6, 20)),)]),
    ),
    seed=st.integers(0, 2**32),
    naive=st.booleans(),
    until=st.just(1800.0),
)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(plans)
def test_every_row_is_delivered_once_or_waits(plan: Plan) -> None:
    done = simulate(plan)
    for each in done.fleet:
        assert 0 <= each.acknowledged <= each.stored <= each.captured
    told = done.summary
    assert told.captured_rows == told.acknowledged_rows + told.waiting_rows
    assert done.load.total("acknowledged") == told.acknowledged_rows
    assert told.rows_again >= 0
    assert done.load.total("rows") == told.rows_again + sum(each.stored for each in done.fleet)


def test_what_is_captured_is_what_the_plan_says() -> None:
    done = simulate(SMALL)
    hours = (done.end - done.start) / 3600
    expected = SMALL.stations * SMALL.rows_per_hour * hours
    assert abs(done.summary.captured_rows - expected) <= SMALL.stations * SMALL.packet_rows


@settings(deadline=None, max_examples=8, derandomize=True)
@given(plans)
def test_the_same_seed_tells_the_same(plan: Plan) -> None:
    one, other = simulate(plan), simulate(plan)
    assert (one.summary, one.fleet, series(one)) == (other.summary, other.fleet, series(other))


def test_another_seed_tells_something_else() -> None:
    assert simulate(SMALL).load != simulate(replace(SMALL, seed=1)).load


@pytest.mark.parametrize("seed", [0, 1])
def test_a_fleet_comes_back_spread_where_a_naive_one_comes_in_step(seed: int) -> None:
    ours = simulate(replace(FLEET, seed=seed)).summary
    naive = simulate(replace(FLEET, seed=seed, naive=True)).summary
    assert ours.left_behind == naive.left_behind == 0
    assert ours.peak_requests_per_s <= 3 * ours.mean_requests_per_s
    assert naive.peak_requests_per_s > 5 * naive.mean_requests_per_s
    assert naive.peak_requests_per_s > 5 * ours.peak_requests_per_s
    assert naive.longest_queue > 20 * ours.longest_queue


def test_batches_keep_to_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []

    class Watched(Pace):
        def learn(self, rows: int, bytes_sent: int, seconds: float, *, failed: bool) -> None:
            sent.append((rows, self.limit()))
            super().learn(rows, bytes_sent, seconds, failed=failed)

    monkeypatch.setattr(station, "batching", lambda _plan: Watched(500, 1 << 10))
    done = simulate(replace(SMALL, rows_per_hour=20_000.0))
    assert done.summary.left_behind == 0
    assert max(rows for rows, _ in sent) > 200, "they do grow"
    assert all(rows <= limit <= 500 for rows, limit in sent)
    after_outage = next(i for i, (_, limit) in enumerate(sent) if limit == 10)
    assert after_outage, "an outage begins again with few rows"


def test_nothing_is_sent_outside_the_windows() -> None:
    shut = Shipping(windows=(Window(time(6, 30), time(6, 40)),), heartbeat=0.0)
    done = simulate(replace(SMALL, shipping=shut))
    moments = [second + done.start for second in done.load.seconds["requests"]]
    assert min(moments) >= 1800
    assert max(moments) < 2400 + 2


def test_a_budget_is_overdrawn_by_one_request_at_most() -> None:
    budget = Shipping(daily_bytes=10_000, batch_rows=100, heartbeat=0.0)
    done = simulate(replace(SMALL, stations=1, shipping=budget))
    largest = SMALL.request_bytes + 100 * SMALL.row_bytes
    assert 0 < done.load.total("bytes") <= 10_000 + 2 * largest
    assert done.summary.waiting_rows > 0


def test_a_centre_that_is_too_slow_does_work_again_and_says_so() -> None:
    slow = Capacity(rows_per_s=40.0, threads=1, queue=1000)
    told = simulate(replace(SMALL, centre=slow, shipping=Shipping(timeout=5.0))).summary
    assert told.rows_again > 0
    assert told.waiting_rows > 0


def test_a_queue_is_never_longer_than_it_may_be() -> None:
    short = Capacity(rows_per_s=2_000.0, threads=1, queue=3)
    done = simulate(replace(SMALL, stations=100, centre=short, naive=True))
    assert done.summary.longest_queue == 3
    assert done.summary.refused_share > 0
    assert max(series(done).waiting) <= 3


def test_losses_cost_time() -> None:
    clean, lossy = Line(rtt=0.5), Line(rtt=0.5, loss=0.05)
    assert lossy.rate() < clean.rate() / 5
    assert lossy.to_connect(0.01) > lossy.to_connect(0.5) == clean.to_connect(0.01)


def test_the_load_over_time_adds_up() -> None:
    done = simulate(SMALL)
    told = series(done)
    end = done.start + told.step * len(told.at)
    assert round(sum(told.rows_per_s) * told.step) == done.load.total("rows", until=end)
    waits = SMALL.stations * SMALL.packet_rows  # a packet of each, at most
    assert abs(told.backlog[-1] - done.summary.waiting_rows) <= 2 * waits
    assert max(told.backlog) > SMALL.outage / 3600 * SMALL.rows_per_hour * SMALL.stations


def test_a_part_of_the_load_is_finer_and_ends_alike() -> None:
    done = simulate(SMALL)
    whole, part = series(done), series(done, since=SMALL.outage)
    assert part.at[0] == SMALL.outage
    assert part.step < whole.step
    assert abs(part.backlog[-1] - whole.backlog[-1]) <= 2 * SMALL.stations * SMALL.packet_rows


def test_stations_that_are_never_idle_catch_up_all_the_same() -> None:
    busy = replace(SMALL, stations=3, outage=20.0, rows_per_hour=350 * 3600.0)
    assert simulate(busy).summary.left_behind == 0
