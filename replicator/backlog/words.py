"""Spans of time and sizes as people read them."""

from __future__ import annotations


def span_text(seconds: float) -> str:
    """ "3 d 4 h", "5 h 10 min", "50 s"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def age_text(seconds: float) -> str:
    """ "45 s", "12 min", "3.5 h", "2.1 d"."""
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h")):
        if seconds < limit:
            shown = seconds / unit
            return f"{shown:.0f} {name}" if unit < 3600 else f"{shown:.1f} {name}"
    return f"{seconds / 86_400:.1f} d"


def size_text(size: int) -> str:
    """ "1.5 MiB"."""
    amount = float(size)
    for name in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or name == "GiB":
            return f"{amount:.1f} {name}" if name != "B" else f"{size} B"
        amount /= 1024
    raise AssertionError("unreachable")
