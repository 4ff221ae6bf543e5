"""A stream in the outbox's place: no servers, one that drops rows, replicas that lag."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from nats.js import JetStreamContext
from nats.js.api import StreamInfo

from demo.mariadbd import free_port
from demo.natsd import PrivateNats
from replicator.checks.finding import Finding
from replicator.checks.listed import why
from replicator.checks.stream import found, stream, version
from replicator.jetstream.bus import Bus
from replicator.jetstream.facts import StreamFacts
from tests.checks.conftest import Find

GOOD = StreamFacts("2.10.20", True, (), 3, (), 10, 1_000)


def judged(facts: StreamFacts, wanted: int = 3) -> dict[str, str]:
    """name → status; a finding that is not well says why and how to mend it."""
    findings: Iterable[Finding] = [version(facts), *found(facts, wanted)]
    for one in findings:
        assert why(one.part, one.check)
        assert bool(one.hint) == (one.status != "ok")
    return {one.name: one.status for one in findings}


def test_where_all_is_well() -> None:
    assert set(judged(GOOD).values()) == {"ok"}


@pytest.mark.parametrize(
    ("facts", "name", "status"),
    [
        (replace(GOOD, version="2.9.10"), "servers", "warning"),
        (replace(GOOD, losing=["max_age"]), "settings", "failure"),
        (replace(GOOD, behind=["n2"]), "replicas", "warning"),
        (replace(GOOD, replicas=1), "replicas", "warning"),
        (replace(GOOD, replicas=1), "durability", "warning"),
        (replace(GOOD, used=800), "room", "warning"),
        (replace(GOOD, limit=0), "room", "warning"),
        (replace(GOOD, sources=[("A", 2.0), ("B", 90.0)]), "leaves", "warning"),
        (replace(GOOD, sources=[("A", 2.0)]), "leaves", "ok"),
        (replace(GOOD, sources=[("A", 2.0)], held=["north"]), "leaves", "warning"),
    ],
)
def test_what_is_wrong_is_told(facts: StreamFacts, name: str, status: str) -> None:
    assert judged(facts)[name] == status


def test_a_folder_has_no_stream(find: Find) -> None:
    assert find(stream) == {}


def test_nobody_answers(find: Find, tmp_path: Path) -> None:
    ini = f"[outbox]\npath = {tmp_path}\nurl = nats://127.0.0.1:{free_port()}/S\n"
    assert find(stream, ini)["servers"].exit_code == 12


def test_a_real_server(find: Find, tmp_path: Path, nats_server: PrivateNats) -> None:
    name = tmp_path.name.replace(".", "_")
    ini = f"[outbox]\npath = {tmp_path}\nurl = {nats_server.url}/{name}\nreplicas = 1\n"
    assert find(stream, ini)["settings"].message.startswith("there is no stream yet")

    async def make(js: JetStreamContext) -> StreamInfo:
        return await js.add_stream(name=name, subjects=[f"{name}.>"], max_age=60.0)

    with closing(Bus([nats_server.url])) as bus:
        bus.call(make)
    there = find(stream, ini)
    assert there["settings"].status == "failure"
    assert "max_age" in there["settings"].message
    assert there["replicas"].message == "1 of 1 replicas"
