"""The kills of tests/crash with the outbox on a stream that three servers keep."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from demo.natsd import PrivateNats, cluster
from replicator.errors import OutboxError
from replicator.jetstream.bus import Bus
from tests.crash.conftest import MakeRig, make_rig
from tests.crash.plan import Victim
from tests.crash.rig import Killable
from tests.faults.world import until

__all__ = ["make_rig"]
LONG = bool(os.environ.get("FIRE_LONG"))
KILLS = 12 if LONG else 3


@dataclass
class Leader:
    """Whichever server leads the stream when it is killed."""

    servers: list[PrivateNats]
    down: PrivateNats | None = field(default=None, init=False)

    def kill(self) -> None:
        name = self._leader()
        self.down = self.servers[int(name.removeprefix("n"))]
        self.down.kill()

    def start(self) -> None:
        assert self.down is not None
        self.down.start()

    def _leader(self) -> str:
        bus = Bus([server.url for server in self.servers])
        try:
            until(lambda: bool(_leaders(bus)), "a leader of the stream")
            return next(iter(_leaders(bus)), "n0")
        finally:
            bus.close()


def _leaders(bus: Bus) -> list[str]:
    """The one there is, while there is one."""
    try:
        said = bus.call(lambda js: js._nc.request("$JS.API.STREAM.INFO.STATIONS", b"", timeout=0.5))
    except OutboxError:
        return []
    leader = json.loads(said.data).get("cluster", {}).get("leader")
    return [leader] if leader else []


@pytest.fixture
def servers() -> Iterator[list[PrivateNats]]:
    with ExitStack() as stack:
        made = cluster()
        for server in made:
            stack.callback(server.close)
        for server in made:
            server.start()
        bus = Bus([made[0].url])
        until(lambda: _has_leader(bus), "a leader of the cluster")
        bus.close()
        yield made


def _has_leader(bus: Bus) -> bool:
    try:
        bus.call(lambda js: js._nc.request("$JS.API.INFO", b"", timeout=0.5))
    except OutboxError:
        return False
    return True


def test_killed_again_and_again(make_rig: MakeRig, servers: list[PrivateNats]) -> None:
    rig = make_rig("ours")
    hosts = ",".join(server.url.removeprefix("nats://") for server in servers)
    rig.outbox_keys = f"url = nats://{hosts}/STATIONS\nmax_size = 64 MiB\n"
    rig.furnish(readings=2_000, watched=True)
    rig.configure(snapshot_chunk=100)
    nats: tuple[Victim, Killable] = ("nats", Leader(servers))
    with rig.logger() as logger:
        tail: tuple[Victim, Killable] = ("tail", rig.daemon("tail"))
        ship: tuple[Victim, Killable] = ("ship", rig.daemon("ship"))
        database: tuple[Victim, Killable] = ("database", rig.server)
        rig.storm([tail, nats, ship, database], KILLS, logger)
    rig.settle()
    rig.stop()
    proof, conservation = rig.judge()
    assert proof.holds, proof
    assert conservation.holds, conservation
    assert proof.source == proof.central > 2_300
    assert rig.judged_acts > 50
    assert rig.kills == KILLS
    assert rig.complaints() == ""
