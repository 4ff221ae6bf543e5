"""The plot of `replicator simulate`: one SVG file, without scripts, light or dark as the viewer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from replicator.backlog.words import span_text
from replicator.simulation.plan import Plan
from replicator.simulation.run import Series

_WIDTH, _HEIGHT = 720, 110
_LEFT, _RIGHT, _TOP, _GAP = 80, 130, 50, 34
_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800)

_STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #444 } .title { font-size: 15px; fill: #111 }
.grid { stroke: #ddd } .away { fill: #f2e3dc } polyline { fill: none; stroke-width: 1.5 }
.a { stroke: #1668a8 } .b { stroke: #c2410c } .c { stroke: #888 } text { stroke: none }
text.a { fill: #1668a8 } text.b { fill: #c2410c } text.c { fill: #777 }
@media (prefers-color-scheme: dark) {
svg { background: #16181b } text { fill: #bbb } .title { fill: #eee }
.grid { stroke: #333 } .away { fill: #35261f } .a { stroke: #5aa9e6 } .b { stroke: #fb923c }
text.a { fill: #5aa9e6 } text.b { fill: #fb923c } text.c { fill: #999 } }
text.a, text.b, text.c { stroke: none }"""


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    lines: Sequence[tuple[str, str, Sequence[float]]]  # class, name, values


def plot(over_time: Series, plan: Plan) -> str:
    """The load as five plots above one axis: seconds since the outage's end."""
    panels = (
        _Panel(
            "requests/s",
            (
                ("c", "in vain", over_time.in_vain_per_s),
                ("a", "at the centre", over_time.requests_per_s),
                ("b", "refused", over_time.refused_per_s),
            ),
        ),
        _Panel("rows/s", (("a", "stored", over_time.rows_per_s),)),
        _Panel("bytes/s", (("a", "received", over_time.bytes_per_s),)),
        _Panel("connections", (("a", "waiting", over_time.waiting),)),
        _Panel("backlog", (("a", "rows", over_time.backlog),)),
    )
    width = _LEFT + _WIDTH + _RIGHT
    height = _TOP + len(panels) * (_HEIGHT + _GAP) + 20
    kind = "naive stations" if plan.naive else "stations"
    title = f"{plan.stations:,} {kind}, back after {span_text(plan.outage)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="{_LEFT}" y="24">{title}</text>',
    ]
    times = [at - plan.outage for at in over_time.at]
    for number, panel in enumerate(panels):
        parts += _panel(panel, times, over_time.step, _TOP + number * (_HEIGHT + _GAP))
    bottom = _TOP + len(panels) * (_HEIGHT + _GAP)
    parts.append(f'<text x="{_LEFT}" y="{bottom + 8}">minutes since the outage’s end</text>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: _Panel, times: Sequence[float], step: int, top: float) -> Iterator[str]:
    first, last = (times[0], times[-1] + step) if times else (0.0, 1.0)
    most = _round_up(max((max(values, default=0) for *_, values in panel.lines), default=0))
    base = top + _HEIGHT

    def x(moment: float) -> float:
        return round(_LEFT + _WIDTH * (moment - first) / (last - first), 1)

    def y(value: float) -> float:
        return round(base - _HEIGHT * value / most, 1)

    if first < 0:
        away = min(x(0.0), _LEFT + _WIDTH) - _LEFT
        yield f'<rect class="away" x="{_LEFT}" y="{top}" width="{away:.1f}" height="{_HEIGHT}"/>'
    yield f'<text x="{_LEFT}" y="{top - 6}">{panel.title}</text>'
    for value in (0.0, most / 2, most):
        yield f'<path class="grid" d="M{_LEFT} {y(value)}H{_LEFT + _WIDTH}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{_short(value)}</text>'
    for moment in _ticks(first, last):
        yield f'<path class="grid" d="M{x(moment)} {top}V{base}"/>'
        yield f'<text x="{x(moment)}" y="{base + 14}" text-anchor="middle">{moment / 60:g}</text>'
    for number, (style, name, values) in enumerate(panel.lines):
        points = " ".join(f"{x(t)},{y(v)}" for t, v in zip(times, values, strict=True))
        yield f'<polyline class="{style}" points="{points}"/>'
        place = f'x="{_LEFT + _WIDTH + 10}" y="{top + 14 + 16 * number}"'
        yield f'<text class="{style}" {place}>{name}</text>'


def _ticks(first: float, last: float) -> Iterator[float]:
    step = next((s for s in _STEPS if (last - first) / s <= 12), _STEPS[-1])
    number = math.ceil(first / step)
    while number * step <= last:
        yield float(number * step)
        number += 1


def _round_up(most: float) -> float:
    """1, 2, 4, 5 or 10 times a power of ten, not below ``most``."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(n * power for n in (1, 2, 4, 5, 10) if n * power >= most)


def _short(value: float) -> str:
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"
