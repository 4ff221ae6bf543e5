"""Whether the log was read without a gap, and can be read on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from replicator.backlog import Backlog, read_backlog
from replicator.change import Position
from replicator.checks.finding import Finding, Target, failed, well
from replicator.errors import PositionLost, ReplicatorError
from replicator.outbox import clock
from replicator.outbox.store import OUTBOX_FILE
from replicator.source.forecast import Forecaster, Outlook
from replicator.source.loss import Log, Loss, assess

_PART = "continuity"


def continuity(target: Target) -> Iterator[Finding]:
    """All findings on it; none before the first start."""
    folder = target.config.outbox.path
    if not (folder / OUTBOX_FILE).exists():
        return
    now = clock.now()
    try:
        found = read_backlog(folder, (), now, clock.text(now))
        yield gaps(found)
        if found.tail.position:
            place = Position.parse(found.tail.position)
            yield position(assess(target.endpoint, place))
            if found.tail.committed_at:
                read_to = clock.parse(found.tail.committed_at)
                look = Forecaster(target.endpoint, time.monotonic).look(place, read_to, now)
                yield kept(look, now, target.config.source.purge_warning)
    except ReplicatorError:
        return  # the checks of the source and of the outbox say it


def gaps(found: Backlog) -> Finding:
    """The worst of the gaps on record. Pure."""
    opened = [gap for gap in found.gaps if gap.state != "healed"]
    if not opened:
        return well(_PART, "gaps", f"none open, {len(found.gaps)} healed")
    gap = min(opened, key=lambda one: one.state != "open")
    more = f", and {len(opened) - 1} more" if len(opened) > 1 else ""
    said = f"a gap ({gap.kind}) after {gap.last_position}, found {gap.found_at}: {gap.state}{more}"
    hint = "replicator heal" if gap.state == "open" else "let tail run until it is healed"
    return failed(_PART, "gaps", said, hint, PositionLost.exit_code)


def position(loss: Loss) -> Finding:
    """What became of the log that capture reads on from. Pure."""
    if loss.log is Log.GOES_ON:
        return well(_PART, "position", f"the log goes on: {loss.found}")
    said = f"the log cannot be read on ({loss.log.value}): {loss.found}"
    hint = "start `replicator tail`, which heals it where that is safe, or `replicator heal`"
    return failed(_PART, "position", said, hint, PositionLost.exit_code)


def kept(look: Outlook, now: datetime, warn_below: float) -> Finding:
    """``warn_below``: seconds that what is unread must be kept at least. Pure."""
    unread = f"{look.unread_bytes:,} bytes of the log unread"
    if look.safe_until is None:
        return well(_PART, "log kept", f"{unread}; {look.rule}")
    seconds = (look.safe_until - now).total_seconds()
    said = f"{unread}, kept until {clock.text(look.safe_until)} at least ({look.rule})"
    if seconds >= warn_below:
        return well(_PART, "log kept", said)
    hint = (
        "start `replicator tail`, or see in `replicator backlog` what holds it; "
        "SET GLOBAL expire_logs_days = 14; -- and in my.cnf"
    )
    return failed(_PART, "log kept", said, hint, PositionLost.exit_code)
