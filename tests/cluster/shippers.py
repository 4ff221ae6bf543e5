"""`replicator ship` as processes: a fleet that shares the stations, or one for each station."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nats.js import JetStreamContext

from demo.processes import Child, ChildFailed
from replicator.errors import OutboxError
from replicator.jetstream.bus import Bus
from replicator.naming import token
from tests.cluster.history import History
from tests.cluster.stations import REPLICAS, STREAM

KEEP_SECONDS = 10  # of what is delivered, so that folders and stream stay small


class Shipper(Child):
    """One of them. ``station``: the only one that it ships; None: its share of all."""

    def __init__(
        self,
        number: int,
        folder: Path,
        hosts: str,
        centre: str,
        lease: float,
        station: int | None = None,
    ) -> None:
        self.station = station
        alone = f"[station]\nname = {History(0, station or 0).name}\n"
        fleet = f"[fleet]\nstations = *\nlease = {lease:g} s\n"
        ini = folder / f"shipper-{number}.ini"
        ini.write_text(
            f"{fleet if station is None else alone}"
            f"[outbox]\nurl = nats://{hosts}/{STREAM}\npath = {folder}/shipper-{number}\n"
            f"replicas = {REPLICAS}\nkeep = {KEEP_SECONDS}\n"
            f"[destination central]\nurl = {centre}/\nretry_blocked = 1\n"
        )
        command = ["replicator", "ship", "--config", str(ini)]
        super().__init__(f"shipper-{number}", command, folder, {})

    def freeze(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)


def held(hosts: str, shippers: Sequence[Shipper], stations: Sequence[int]) -> dict[int, int]:
    """Station → number of the shipper that holds its lease now, where one of them does."""
    alone = {each.station: n for n, each in enumerate(shippers) if each.station is not None}
    if alone:
        return alone
    names = {token(History(0, station).name): station for station in stations}
    bus = Bus([f"nats://{host}" for host in hosts.split(",")])
    try:
        kept = bus.call(_leases)
    except OutboxError:
        return {}
    finally:
        bus.close()
    pids = {}
    for number, shipper in enumerate(shippers):
        try:
            pids[shipper.pid] = number
        except ChildFailed:
            continue
    sessions = {
        key.removeprefix("shipper."): pids.get(_field(value, "pid", 0), -1)
        for key, value in kept.items()
        if key.startswith("shipper.")
    }
    found = {}
    for key, value in kept.items():
        station = names.get(key.removeprefix("lease."))
        holder = sessions.get(str(_field(value, "holder", "")), -1)
        if station is not None and holder >= 0:
            found[station] = holder
    return found


async def _leases(js: JetStreamContext) -> dict[str, bytes]:
    kv = await js.key_value(f"{STREAM}_state")
    found = {}
    for pattern in ("lease.>", "shipper.>"):
        watcher = await kv.watch(pattern, ignore_deletes=True)
        while (entry := await watcher.updates(5)) is not None:  # type: ignore[no-untyped-call]
            found[entry.key] = entry.value or b""
        await watcher.stop()  # type: ignore[no-untyped-call]
    return found


def _field(value: bytes, name: str, other: Any) -> Any:
    try:
        said = json.loads(value or b"{}")
    except ValueError:
        return other
    return said.get(name, other) if isinstance(said, dict) else other
