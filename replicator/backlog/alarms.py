"""What in a backlog is worth waking somebody for, and what to do about it. Pure.

docs/operations.md has a line for every kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from replicator.backlog.values import Backlog, Daemon, Waiting
from replicator.backlog.words import age_text, size_text, span_text
from replicator.outbox.clock import parse

FINE, WARNING, CRITICAL = "fine", "warning", "critical"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Seconds, percent of the budget, rows; 0 turns an alarm off."""

    lag_warning: float = 3_600.0
    lag_critical: float = 86_400.0
    outbox_warning: int = 70
    outbox_critical: int = 90
    parked_warning: int = 1
    parked_critical: int = 10_000
    purge_warning: float = 86_400.0
    purge_critical: float = 21_600.0
    silent_warning: float = 900.0


@dataclass(frozen=True, slots=True)
class Alarm:
    """``level``: warning or critical; ``about``: "tail" or a destination; ``help``: what to do.

    ``kind``: stopped, gone, full, silent, lag, outbox, purge, parked, paused, refused, gap
    """

    level: str
    kind: str
    about: str
    text: str
    help: str


def worst(alarms: Sequence[Alarm]) -> str:
    """fine, warning or critical."""
    levels = {alarm.level for alarm in alarms}
    return CRITICAL if CRITICAL in levels else WARNING if levels else FINE


def alarms_of(found: Backlog, limits: Thresholds) -> list[Alarm]:
    """All alarms, the critical ones first; a destination that is switched off gives none."""
    alarms = list(_of_tail(found, limits))
    for each in found.destinations:
        if each.enabled:
            alarms += _of_destination(each, parse(found.at), limits)
    return sorted(alarms, key=lambda alarm: alarm.level != CRITICAL)


def _level(value: float, warning: float, critical: float) -> str | None:
    """Of something that is worse the larger it is."""
    if critical and value >= critical:
        return CRITICAL
    return WARNING if warning and value >= warning else None


def _of_tail(found: Backlog, limits: Thresholds) -> Iterator[Alarm]:
    tail = found.tail
    yield from _of_daemon(tail.daemon, "tail", "tail")
    yield from _silence(tail.daemon, "tail", tail.lag_known_at, parse(found.at), limits)
    lag = tail.lag_seconds or 0.0
    level = _level(lag, limits.lag_warning, limits.lag_critical)
    if level and tail.daemon.state in ("running", "waiting", "paused"):
        text = f"capture is behind the source by {age_text(lag)} at most: {_why(tail.daemon)}"
        yield Alarm(level, "lag", "tail", text, "see what tail waits for; the log keeps the rest")
    if tail.budget_bytes:
        percent = 100.0 * tail.used_bytes / tail.budget_bytes
        level = _level(percent, limits.outbox_warning, limits.outbox_critical)
        if level:
            text = f"the outbox has used {percent:.0f} % of its {size_text(tail.budget_bytes)}"
            help_ = "let ship deliver, `replicator prune`, or raise [outbox] max_size"
            yield Alarm(level, "outbox", "tail", text, help_)
    yield from _purge(found, limits)
    for gap in found.gaps:
        if gap.state != "healed":
            level = CRITICAL if gap.state == "open" else WARNING
            text = f"a gap in the source's log ({gap.kind}) is {gap.state}, found {gap.found_at}"
            help_ = "`replicator heal`, then start tail" if gap.state == "open" else "tail heals it"
            yield Alarm(level, "gap", "tail", text, help_)


def _purge(found: Backlog, limits: Thresholds) -> Iterator[Alarm]:
    forecast = found.tail.forecast
    if forecast is None or forecast.seconds is None or not forecast.unread_bytes:
        return
    left = forecast.seconds
    if left < limits.purge_critical:
        level = CRITICAL
    elif left < limits.purge_warning:
        level = WARNING
    else:
        return
    when = f"in {span_text(left)}" if left > 0 else f"ever since {forecast.safe_until}"
    text = f"the source may purge what is unread {when} ({forecast.rule})"
    help_ = "start tail, let ship deliver, or raise the source's setting"
    yield Alarm(level, "purge", "tail", text, help_)


def _of_destination(each: Waiting, at: datetime, limits: Thresholds) -> Iterator[Alarm]:
    ship = f"ship for {each.name}"
    yield from _of_daemon(each.daemon, each.name, ship, ordered=each.paused is not None)
    yield from _silence(each.daemon, f"ship for {each.name}", each.sampled_at, at, limits)
    if each.paused:
        why = f": {each.paused.why}" if each.paused.why else ""
        text = f"paused by {each.paused.by} since {each.paused.at}{why}"
        yield Alarm(WARNING, "paused", each.name, text, f"`replicator resume {each.name}`")
    level = _level(each.lag_seconds, limits.lag_warning, limits.lag_critical)
    if level and each.waiting_rows:
        age = age_text(each.lag_seconds)
        text = f"{each.waiting_rows:,} rows wait, the oldest for {age}: {_why(each.daemon)}"
        yield Alarm(
            level, "lag", each.name, text, "mend the link or the centre; what waits is kept"
        )
    level = _level(each.parked_rows, limits.parked_warning, limits.parked_critical)
    if level:
        text = (
            f"{each.parked_rows:,} rows are parked: {', '.join(p.reason for p in each.parked[:3])}"
        )
        yield Alarm(level, "parked", each.name, text, "`replicator parked list` says what helps")


def _of_daemon(daemon: Daemon, about: str, name: str, *, ordered: bool = False) -> Iterator[Alarm]:
    start = f"start it: `replicator {'tail' if about == 'tail' else f'ship {about}'}`"
    why = f": {daemon.detail}" if daemon.detail else ""
    if daemon.state in ("stopped", "never started"):
        help_ = "do what it says, then " + start if why else start
        since = f" since {daemon.since}" if daemon.since else ""
        yield Alarm(CRITICAL, "stopped", about, f"{name}: {daemon.state}{since}{why}", help_)
    elif daemon.state == "gone":
        yield Alarm(CRITICAL, "gone", about, f"{name} is gone{why}", start)
    elif daemon.state == "refused":
        help_ = f"mend token or url in [destination {about}]"
        yield Alarm(CRITICAL, "refused", about, f"{about} refuses us{why}", help_)
    elif daemon.state == "paused" and not ordered:
        help_ = "free space, let ship deliver, or raise [outbox] max_size; it goes on by itself"
        yield Alarm(CRITICAL, "full", about, f"{name} is paused{why}", help_)


def _silence(
    daemon: Daemon, name: str, sampled_at: str | None, at: datetime, limits: Thresholds
) -> Iterator[Alarm]:
    """A daemon that lives notes a sample a minute."""
    heard = max(filter(None, (sampled_at, daemon.since)), default=None)
    if daemon.state not in ("running", "waiting") or heard is None or not limits.silent_warning:
        return
    silent = (at - parse(heard)).total_seconds()
    if silent >= limits.silent_warning:
        about = "tail" if name == "tail" else name.removeprefix("ship for ")
        text = f"{name} lives, and has noted nothing for {age_text(silent)}"
        yield Alarm(WARNING, "silent", about, text, "look into its log; restart it if it hangs")


def _why(daemon: Daemon) -> str:
    until = f" until {daemon.wait_until}" if daemon.wait_until else ""
    return f"{daemon.state}{until}" + (f": {daemon.detail}" if daemon.detail else "")
