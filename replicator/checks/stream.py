"""A stream in the outbox's place: are its servers there, does it keep what it is given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from replicator.checks.finding import Finding, Target, failed, warned, well
from replicator.errors import ConfigError, OutboxError, OutboxUnavailable, ReplicatorError

if TYPE_CHECKING:
    from replicator.jetstream.facts import StreamFacts

_PART = "stream"
_FULL = 0.8
_CAREFUL = (2, 9, 21)  # before it, two writers may pass at once
_SYNCS_ALWAYS = (2, 10)  # from it on an acknowledgement can be made to mean the disk
_SAFE_REPLICAS = 3
_SILENT_SECONDS = 60.0


def stream(target: Target) -> Iterator[Finding]:
    """All findings on it; none where the outbox is a folder."""
    if target.stream is None:
        return
    try:
        facts = target.stream.facts()
    except ReplicatorError as error:
        yield _unwell("servers", error)
        return
    yield version(facts)
    yield from found(facts, target.config.outbox.replicas)
    if target.config.outbox.hub:
        yield _hub(target)


def version(facts: StreamFacts) -> Finding:
    """Which servers they are. Pure."""
    said = f"NATS {facts.version} answers"
    if _numbers(facts.version) >= _CAREFUL:
        return well(_PART, "servers", said)
    hint = "nothing is lost: replicator looks again after each write; NATS 2.9.21 does not need it"
    return warned(_PART, "servers", f"{said}: two writers may pass it at once", hint)


def found(facts: StreamFacts, wanted: int) -> Iterator[Finding]:
    """What is to be said of the stream itself. ``wanted``: [outbox] replicas. Pure."""
    if not facts.there:
        yield well(_PART, "settings", "there is no stream yet; `replicator tail` makes it")
        return
    yield _settings(facts)
    yield _replicas(facts, wanted)
    yield _durability(facts)
    yield _room(facts)
    if facts.sources:
        yield _leaves(facts)


def _settings(facts: StreamFacts) -> Finding:
    if not facts.losing:
        return well(_PART, "settings", "file storage, limits, discard new, nothing expires")
    hint = "nats stream edit: file storage, limits retention, discard new, no age, no other limit"
    said = f"it may drop what is not delivered: {', '.join(facts.losing)}"
    return failed(_PART, "settings", said, hint, OutboxError.exit_code)


def _replicas(facts: StreamFacts, wanted: int) -> Finding:
    said = f"{facts.replicas} of {wanted} replicas"
    if facts.behind:
        hint = f"start it, or wait until it has caught up: {', '.join(facts.behind)}"
        return warned(_PART, "replicas", f"{said}, not all of them are there and up to date", hint)
    if facts.replicas < wanted:
        hint = f"nats stream edit --replicas {wanted}, or [outbox] replicas = {facts.replicas}"
        return warned(_PART, "replicas", said, hint)
    return well(_PART, "replicas", said)


def _durability(facts: StreamFacts) -> Finding:
    said = "an acknowledgement means written by a majority, not yet on their disks"
    if facts.replicas >= _SAFE_REPLICAS:
        return well(_PART, "durability", f"{said}: put the servers on separate power")
    known = _numbers(facts.version) >= _SYNCS_ALWAYS
    hint = (
        "jetstream { sync_interval: always } on each server, or three replicas on separate power"
        if known
        else "three replicas on separate power; this version of NATS cannot wait for the disk"
    )
    return warned(_PART, "durability", f"{said}; a power cut may take two minutes", hint)


def _room(facts: StreamFacts) -> Finding:
    if not facts.limit:
        hint = "nats stream edit --max-bytes, below what the servers' disks have"
        return warned(_PART, "room", f"{facts.used:,} bytes, without a limit", hint)
    said = f"{facts.used / facts.limit:.0%} of {facts.limit:,} bytes used"
    if facts.used < _FULL * facts.limit:
        return well(_PART, "room", said)
    hint = "let ship deliver, or nats stream edit --max-bytes"
    return warned(_PART, "room", said, hint)


def _leaves(facts: StreamFacts) -> Finding:
    silent = [name for name, seconds in facts.sources if seconds < 0 or seconds > _SILENT_SECONDS]
    if facts.held:
        said = f"nothing is taken from {', '.join(facts.held)}: a reset was not finished"
        return warned(_PART, "leaves", said, "replicator leaf reset STATION --yes finishes it")
    said = f"{len(facts.sources)} stations' own servers, {len(silent)} not heard for a minute"
    if not silent:
        return well(_PART, "leaves", said)
    hint = "their links are down, or their servers; they go on capturing and catch up by themselves"
    return warned(_PART, "leaves", said, hint)


def _hub(target: Target) -> Finding:
    assert target.stream is not None
    try:
        target.stream.hub()
    except OutboxUnavailable as error:
        hint = "capture goes on here; the link of this machine, or the hub's servers"
        return warned(_PART, "hub", f"it does not answer: {error.detail}", hint)
    except ReplicatorError as error:
        return _unwell("hub", error)
    return well(_PART, "hub", f"domain {target.config.outbox.hub} answers")


def _unwell(name: str, error: ReplicatorError) -> Finding:
    code = error.exit_code or ConfigError.exit_code
    return failed(_PART, name, f"{error.message}: {error.detail}", error.hint, code)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
