"""A network and mounts of our own, where the machine allows it.

With them a node can be cut off, and its disk be full. ``enter`` starts the program again inside new
user, network and mount namespaces; they are gone with its last process, whatever it died of.
Nothing of the machine's own network or mounts changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_INSIDE = "CLUSTER_INSIDE"
_UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--mount")
_TRY = (
    "ip link set lo up && mount -t tmpfs none /run && ip netns add n0"
    " && ip link add v0 type veth peer name eth0 netns n0 && ip link add br0 type bridge"
)
_NET = "10.231.9"
HOST = f"{_NET}.1"


def enter(arguments: Sequence[str]) -> None:
    """Become ``python ARGUMENTS…`` inside, where that is possible; else return."""
    if _INSIDE in os.environ:
        return
    if not possible():
        return
    os.environ[_INSIDE] = "1"
    os.execvp(_UNSHARE[0], [*_UNSHARE, sys.executable, *arguments])


def possible() -> bool:
    """Whether this machine lets us make them."""
    if shutil.which("unshare") is None:
        return False
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    tried = subprocess.run(
        [*_UNSHARE, "sh", "-c", _TRY],
        capture_output=True,
        check=False,
        env={**os.environ, "PATH": path},
    )
    return tried.returncode == 0


def inside() -> bool:
    """Whether we are there."""
    return _INSIDE in os.environ


def set_up() -> None:
    """Once, inside: loopback, and a bridge that the nodes' networks hang on."""
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    _do("ip link set lo up")
    _do("mount -t tmpfs none /run")
    _do("ip link add br0 type bridge")
    _do(f"ip addr add {HOST}/24 dev br0")
    _do("ip link set br0 up")


def add_node(number: int) -> tuple[str, list[str]]:
    """A network for a node: its address, and what to write before a command to run it there."""
    name, address = f"n{number}", f"{_NET}.{number + 10}"
    _do(f"ip netns add {name}")
    _do(f"ip link add v{number} type veth peer name eth0 netns {name}")
    _do(f"ip link set v{number} master br0 up")
    _do(f"ip -n {name} addr add {address}/24 dev eth0")
    _do(f"ip -n {name} link set eth0 up")
    _do(f"ip -n {name} link set lo up")
    return address, ["nsenter", f"--net=/run/netns/{name}"]


def cable(number: int, *, plugged: bool) -> None:
    """Cut a node off from all others, or no longer; nobody is told."""
    _do(f"ip link set v{number} {'up' if plugged else 'down'}")


def small_disk(folder: Path, megabytes: int) -> None:
    """A file system of that size at an empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _do(f"mount -t tmpfs -o size={megabytes}m none {folder}")


def unmount(folder: Path) -> None:
    """Undo ``small_disk``; files are gone with it."""
    _do(f"umount -l {folder}")


def _do(command: str) -> None:
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr.strip()}")
