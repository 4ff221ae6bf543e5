"""Each enabled central server: does it answer, how fast, whom does it believe, until when."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from replicator.checks.certificates import expires
from replicator.checks.finding import Finding, Target, failed, warned, well
from replicator.errors import DestinationUnavailable, ReplicatorError
from replicator.outbox.store import destination_file, open_readonly
from replicator.sink.link import Link
from replicator.sink.rest import Address, Rest

_REQUESTS = 5
_SLOW_SECONDS = 2.0
_CLOCK_SECONDS = 60.0
_DAYS_LEFT = 21
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def destinations(target: Target) -> Iterator[Finding]:
    """All findings on the enabled ones."""
    for name, address in target.addresses.items():
        part = f"destination {name}"
        server = _server(part, address)
        yield server
        yield token(part, address.url, bool(address.token))
        if urlsplit(address.url).scheme == "https":
            yield _certificate(part, address)
        if server.ok:
            yield from link(part, address)
        yield from _mappings(part, target.config.outbox.path / destination_file(name))


def _server(part: str, address: Address) -> Finding:
    there = Link(Rest(address))
    try:
        kind = there.dialect.name
        there.ensure_well()
    except ReplicatorError as error:
        said = f"{error.message}: {error.detail}"
        return failed(part, "server", said, error.hint, error.exit_code)
    finally:
        there.close()
    return well(part, "server", f"{address.url} is a {kind} server and lets us in")


def token(part: str, url: str, given: bool) -> Finding:
    """Whether the token is safe on its way. Pure."""
    parts = urlsplit(url)
    if not given:
        return well(part, "token", "none is configured")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        hint = f"url = https://{parts.netloc}{parts.path}"
        return warned(part, "token", "it is sent in the clear", hint)
    return well(part, "token", "encrypted on its way, or not leaving this machine")


def _certificate(part: str, address: Address) -> Finding:
    try:
        until = expires(address)
    except OSError as error:  # an SSLError is one too
        hint = f"[{part}] ca_file, or a new certificate at the server"
        return failed(part, "certificate", str(error), hint, DestinationUnavailable.exit_code)
    return certificate(part, until, datetime.now(timezone.utc))


def certificate(part: str, until: datetime, now: datetime) -> Finding:
    """A trusted certificate's last moment beside now. Pure."""
    left = (until - now).days
    said = f"trusted, valid until {until:%Y-%m-%d}, {left} days"
    if left >= _DAYS_LEFT:
        return well(part, "certificate", said)
    return warned(part, "certificate", said, "renew it at the server: certbot renew")


def link(part: str, address: Address) -> Iterator[Finding]:
    """Some small requests: how long they take, and what time it is there."""
    rest = Rest(address)
    took: list[float] = []
    date = ""
    try:
        for _ in range(_REQUESTS):
            start = time.perf_counter()
            try:
                date = rest.call("GET", "capabilities/").headers.get("date", date)
            except ReplicatorError:  # counted: the finding says how many
                continue
            took.append(time.perf_counter() - start)
    finally:
        rest.close()
    yield quality(part, took, _REQUESTS)
    yield clock_there(part, date, datetime.now(timezone.utc))


def quality(part: str, took: Sequence[float], asked: int) -> Finding:
    """Seconds that the requests took which were answered, of so many. Pure."""
    lost = asked - len(took)
    usual = f"{1000 * statistics.median(took):.0f} ms usually" if took else "no answer"
    said = f"{usual}, {lost} of {asked} requests without an answer"
    if lost:
        return warned(part, "link", said, "mtr or ping along the way; ship sends again by itself")
    if statistics.median(took) > _SLOW_SECONDS:
        return warned(part, "link", said, f"[{part}] timeout = 5 min, batch_bytes = 64 KiB")
    return well(part, "link", said)


def clock_there(part: str, date: str, now: datetime) -> Finding:
    """``date``: the Date header of the last answer, whole seconds. Pure."""
    try:
        ahead = (parsedate_to_datetime(date) - now).total_seconds()
    except (TypeError, ValueError):  # none, or not one: there is nothing to compare
        return well(part, "clock there", "the server does not tell its time")
    said = f"{ahead:+.0f} s from this machine's"
    if abs(ahead) <= _CLOCK_SECONDS:
        return well(part, "clock there", said)
    return warned(part, "clock there", said, "timedatectl set-ntp true -- here or there")


def _mappings(part: str, path: Path) -> Iterator[Finding]:
    if not path.exists():
        return
    try:
        database = open_readonly(path, "destination")
    except ReplicatorError:  # the check of its schema says it
        return
    try:
        held = database.execute("SELECT lane, waits_for FROM lane ORDER BY blocked_at").fetchall()
        counts = database.execute(
            "SELECT table_name, count(*) FROM mapping WHERE table_name IN ('House', 'Node') "
            "GROUP BY table_name"
        ).fetchall()
    finally:
        database.conn.close()
    yield mappings(part, [(str(a), str(b)) for a, b in held], dict(counts))


def mappings(part: str, held: Sequence[tuple[str, str]], counts: dict[str, int]) -> Finding:
    """``held``: lanes and what each waits for; ``counts``: mapped rows by table. Pure."""
    known = f"{counts.get('House', 0)} houses and {counts.get('Node', 0)} nodes are mapped"
    if not held:
        return well(part, "mappings", f"{known}, none waits")
    shown = ", ".join(f"{lane} for {what}" for lane, what in held[:5])
    hint = f"replicator map explain {held[0][1]}"
    return warned(part, "mappings", f"{known}; {len(held)} wait: {shown}", hint)
