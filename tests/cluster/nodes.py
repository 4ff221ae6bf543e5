"""Three NATS servers, each with a network and a disk of its own where the machine allows."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from demo.mariadbd import free_port
from demo.natsd import PrivateNats
from replicator.errors import OutboxError, OutboxUnavailable
from replicator.jetstream.bus import Bus
from replicator.jetstream.stream import StationStream
from tests.cluster import namespaces
from tests.cluster.stations import MAX_BYTES, REPLICAS, STREAM

DISK_MEGABYTES = 1024


class Nodes:
    """Node n is called "n<n>". ``partition_by``, ``disk_by``: how it is done on this machine."""

    def __init__(self, size: int = 3) -> None:
        self._own = namespaces.inside()
        self.partition_by = "network namespaces" if self._own else "SIGSTOP"
        self.disk_by = "a tmpfs that is filled" if self._own else ""
        homes = [namespaces.add_node(n) if self._own else ("127.0.0.1", []) for n in range(size)]
        routes = [f"{address}:{free_port()}" for address, _ in homes]
        known = ", ".join(f'"nats://{route}"' for route in routes)
        self.servers = [
            PrivateNats(
                more=f'server_name: n{n}\ncluster {{ name: c, listen: "{routes[n]}",'
                f" routes: [{known}] }}\n",
                host=address,
                within=within,
            )
            for n, (address, within) in enumerate(homes)
        ]

    def __enter__(self) -> Nodes:
        for server in self.servers:
            if self._own:
                namespaces.small_disk(self._disk(server), DISK_MEGABYTES)
            server.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.kill()
            if self._own:
                namespaces.unmount(self._disk(server))
            server.close()

    @property
    def hosts(self) -> str:
        """As [outbox] url takes them."""
        return ",".join(server.url.removeprefix("nats://") for server in self.servers)

    def ready(self) -> bool:
        """Whether the cluster takes orders for streams."""
        return self._ask("$JS.API.INFO") is not None

    def make_stream(self) -> bool:
        """As the first tail does; False: not yet. (Of many at once, some wait for an answer.)"""
        bus = Bus([server.url for server in self.servers])
        try:
            StationStream(bus, STREAM, "any").ensure(REPLICAS, MAX_BYTES)
        except OutboxUnavailable:
            return False
        finally:
            bus.close()
        return self.leader() is not None

    def leader(self) -> int | None:
        """The stream's leader, while there is one."""
        name = ((self._ask(f"$JS.API.STREAM.INFO.{STREAM}") or {}).get("cluster") or {}).get(
            "leader"
        )
        return int(name.removeprefix("n")) if name else None

    def whole(self) -> bool:
        """Whether stream and bucket have a leader, and all replicas are current."""
        return all(self._is_whole(name) for name in (STREAM, f"KV_{STREAM}_state"))

    def _is_whole(self, stream: str) -> bool:
        found = (self._ask(f"$JS.API.STREAM.INFO.{stream}") or {}).get("cluster") or {}
        replicas = found.get("replicas") or []
        return (
            bool(found.get("leader"))
            and len(replicas) == len(self.servers) - 1
            and all(each.get("current") and not each.get("offline") for each in replicas)
        )

    def _ask(self, subject: str) -> dict[str, Any] | None:
        for server in self.servers:
            bus = Bus([server.url])
            try:
                said = bus.call(lambda js: js._nc.request(subject, b"", timeout=1))
            except OutboxError:
                continue
            finally:
                bus.close()
            found: dict[str, Any] = json.loads(said.data)
            if "error" not in found:
                return found
        return None

    # --- what is done to them ------------------------------------------------------------------

    def cut_off(self, node: int) -> None:
        """No other can reach it, nor it them."""
        if self._own:
            namespaces.cable(node, plugged=False)
        else:
            self.servers[node].freeze()

    def join(self, node: int) -> None:
        """Undo ``cut_off``."""
        if self._own:
            namespaces.cable(node, plugged=True)
        else:
            self.servers[node].thaw()

    def fill(self, node: int) -> None:
        """Not a byte is free on its disk."""
        block = b"x" * (1 << 20)
        with suppress(OSError), self._filler(node).open("wb", buffering=0) as file:
            while True:
                os.write(file.fileno(), block)
        while True:  # and what the last block did not fit into
            try:
                with self._filler(node).open("ab", buffering=0) as file:
                    os.write(file.fileno(), block[:4096])
            except OSError:
                return

    def make_room(self, node: int) -> None:
        """Undo ``fill``, and begin anew: the others give it again what it had.

        Servers of version 2.9 come back from a full disk with holes in what they have stored, and
        say that they are current.
        """
        server = self.servers[node]
        server.kill()
        for each in self._disk(server).iterdir():
            if each.is_dir():
                shutil.rmtree(each)
            else:
                each.unlink()
        server.start()

    def _filler(self, node: int) -> Path:
        return self._disk(self.servers[node]) / "filler"

    @staticmethod
    def _disk(server: PrivateNats) -> Path:
        return server.folder / "data"
