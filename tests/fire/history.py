"""A history of what was done to files, and what may be on the disk when the power goes. Pure.

What was synced is there. Of what was written since, any sector may be there or not, in any
combination: a disk writes in the order it likes. A file that was made and never synced may be
missing; a deleted one may still be there until something is synced after it.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SECTOR = 512
Survival = Literal["none", "all", "some"]


@dataclass(frozen=True, slots=True)
class Act:
    """One operation: open, write, truncate, sync, delete; or a mark of something beside.

    ``place``: offset of a write, size of a truncation, 1 for a deletion that is synced at once.
    """

    op: str
    name: str
    place: int
    data: bytes = b""


def read_history(file: Path) -> list[Act]:
    """What tests.fire.disk recorded, names relative to its folder."""
    acts = []
    with file.open("rb") as stream:
        while stream.peek(1):
            op, name, place, data = pickle.load(stream)
            acts.append(Act(op, name if op == "mark" else Path(name).name, place, data))
    return acts


@dataclass
class _File:
    """``kept``: what is certainly on the disk, None where the file may be missing."""

    kept: bytes | None
    waiting: list[Act] = field(default_factory=list)
    deleted: bool = False


class Disk:
    """A folder of files under a history, taken act by act."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = {name: _File(content) for name, content in files.items()}

    def take(self, act: Act) -> None:
        """One more act was done."""
        if act.op == "mark":
            return
        file = self._files.get(act.name)
        if file is None or (file.deleted and act.op == "open"):
            file = self._files[act.name] = _File(None)
        if act.op == "sync":
            file.kept = self._content(file, "all", random.Random(0)) or b""
            file.waiting.clear()
            for name in [name for name, each in self._files.items() if each.deleted]:
                del self._files[name]
        elif act.op == "delete" and act.place:
            del self._files[act.name]
        elif act.op == "delete":
            file.deleted = True
        elif act.op != "open":
            file.waiting.append(act)

    def after_the_cut(self, survival: Survival, chance: random.Random) -> dict[str, bytes]:
        """Files that may be there now. ``some``: chosen by chance, file by file and sector."""
        found = {}
        for name, file in self._files.items():
            how: Survival = survival
            if survival == "some":
                how = chance.choice(("none", "all", "some", "some"))
            if file.deleted and how == "all":
                continue
            content = self._content(file, how, chance)
            if content is not None:
                found[name] = content
        return found

    def _content(self, file: _File, survival: Survival, chance: random.Random) -> bytes | None:
        if file.kept is None and survival == "none":
            return None
        content = bytearray(file.kept or b"")
        for act in file.waiting if survival != "none" else ():
            if act.op == "truncate":
                if survival == "all" or chance.random() < 0.5:
                    content[:] = content[: act.place].ljust(act.place, b"\0")
                continue
            for start, part in _sectors(act):
                if survival == "all" or chance.random() < 0.7:
                    if len(content) < start:
                        content.extend(bytes(start - len(content)))
                    content[start : start + len(part)] = part
        return bytes(content)


def _sectors(act: Act) -> Iterator[tuple[int, bytes]]:
    """A write cut where the disk's sectors end."""
    start, end = act.place, act.place + len(act.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        yield start, act.data[start - act.place : stop - act.place]
        start = stop


def cuts(
    files: Mapping[str, bytes], acts: Sequence[Act], random_ones: int
) -> Iterator[tuple[int, Survival, dict[str, bytes]]]:
    """(acts done, what survived, files) for a cut at every place; each different folder once."""
    disk = Disk(files)
    seen: set[int] = set()
    for done in range(len(acts) + 1):
        if done:
            disk.take(acts[done - 1])
        for number, survival in enumerate(("all", "none", *["some"] * random_ones)):
            chosen: Survival = survival  # type: ignore[assignment]  # one of them, says the tuple
            state = disk.after_the_cut(chosen, random.Random(done * 100 + number))
            mark = hash(tuple(sorted(state.items())))
            if survival == "all" or mark not in seen:
                seen.add(mark)
                yield done, chosen, state
