"""What `replicator simulate` prints: a summary, and the load as rows of bars."""

from __future__ import annotations

from collections.abc import Iterator

from replicator.backlog.words import size_text, span_text
from replicator.simulation.run import Series, Simulated, series

_BARS = "▁▂▃▄▅▆▇█"
_COLUMNS = 60


def around_the_end(done: Simulated) -> Series:
    """The load from a little before the outage's end on."""
    before = max(30.0, 0.1 * (done.end - done.plan.outage))
    return series(done, done.plan.outage - before)


def lines(done: Simulated) -> Iterator[str]:
    """The summary, and the load around the outage's end as rows of bars."""
    plan, told = done.plan, done.summary
    kind = "naive stations" if plan.naive else "stations"
    yield (
        f"{plan.stations:,} {kind}, {plan.rows_per_hour:,.0f} rows an hour each, "
        f"without their centre for {span_text(plan.outage)}"
    )
    yield f"rows       {told.captured_rows:,} captured, {told.waiting_rows:,} wait at the end"
    yield (
        f"requests   {told.peak_requests_per_s:,} in the busiest second, "
        f"{told.mean_requests_per_s:,.0f} a second on average; {told.refused_share:.1%} refused"
    )
    yield (
        f"centre     {told.peak_rows_per_s:,} rows in the busiest second, "
        f"{told.longest_queue:,} requests waiting at most"
    )
    yield from _caught_up(done)
    over_time = around_the_end(done)
    if over_time.at:
        yield ""
        yield from _bars(over_time, plan.outage)


def _caught_up(done: Simulated) -> Iterator[str]:
    told = done.summary
    times = (told.first_caught_up, told.half_caught_up, told.last_caught_up)
    first, half, last = ("never" if t is None else span_text(t) for t in times)
    if told.left_behind:
        yield f"caught up  first {first}; {told.left_behind:,} stations not at the end"
    else:
        yield f"caught up  first {first}, half {half}, last {last} after the outage's end"
    if told.rows_again:
        yield f"again      {told.rows_again:,} rows stored again: a station had given up waiting"


def _bars(over_time: Series, outage: float) -> Iterator[str]:
    shown = (
        ("requests/s", over_time.requests_per_s, "{:,.0f}".format),
        ("refused/s", over_time.refused_per_s, "{:,.0f}".format),
        ("rows/s", over_time.rows_per_s, "{:,.0f}".format),
        ("bytes/s", over_time.bytes_per_s, lambda most: size_text(round(most))),
        ("waiting", over_time.waiting, "{:,.0f}".format),
        ("backlog", over_time.backlog, "{:,.0f}".format),
    )
    group = max(1, -(-len(over_time.at) // _COLUMNS))
    for name, values, said in shown:
        highest = [max(values[i : i + group]) for i in range(0, len(values), group)]
        most = max(highest)
        bars = "".join(_BARS[min(7, int(8 * v / most))] if v else " " for v in highest)
        yield f"{name:10} {bars:{_COLUMNS}} up to {said(most)}"
    begin, end = over_time.at[0] - outage, over_time.at[-1] + over_time.step - outage
    left, right = f"{begin / 60:+.1f} min", f"{end / 60:+.1f} min of the outage's end"
    yield f"{'':10} {left}{right:>{max(len(highest) - len(left), len(right) + 1)}}"
