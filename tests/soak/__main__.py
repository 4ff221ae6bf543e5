"""`make soak`: an hour's worth of faults in some minutes, on a live station, ending in the proof.

First everything dies, again and again: tail, ship, the centre, the station's database. Then tail
and ship live on while the link, the centre and the database go on failing, and their memory, files
and descriptors are watched. It ends with 1 where a row is not conserved or something grows.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from demo.mariadbd import PrivateMariaDB
from demo.processes import Child
from tests.crash.centres import start_centre
from tests.crash.plan import Victim
from tests.crash.rig import DURABLE, Killable, Rig
from tests.faults.centres import KINDS, Kind
from tests.faults.proxy import (
    Fault,
    FaultProxy,
    ask_twice,
    garbage,
    html,
    lose_reply,
    lose_request,
    reset,
    say,
    stall,
    swallow,
    truncate,
)
from tests.soak.gauges import Gauges

_STORM_SHARE = 0.35  # of the time, in which tail and ship die as well
_SAMPLE_SECONDS = 1.0
_WARM_UP = 0.2  # of the quieter part: not watched
_LINK: Mapping[str, Fault] = {
    "request lost": lose_request(),
    "request swallowed": swallow(2),
    "asked twice": ask_twice(),
    "answer lost": lose_reply(),
    "answer late": stall(1),
    "answer truncated": truncate(),
    "answer reset": reset(),
    "page": html(),
    "page, stored": html(after_store=True),
    "garbage": garbage(),
    "garbage, stored": garbage(after_store=True),
    **{f"{status}": say(status, b"no") for status in (408, 413, 500, 502, 503, 504)},
    **{f"{status}, stored": say(status, after_store=True) for status in (500, 503)},
    "429": say(429, retry_after=1),
}


class SoakRig(Rig):
    """Keeps delivered entries for some seconds only, so that the outbox is to stay small."""

    def configure(self, **source: int | float) -> None:
        """See Rig."""
        super().configure(**source)
        file = self.outbox.parent / "replicator.ini"
        file.write_text(file.read_text().replace("[outbox]\n", "[outbox]\nkeep = 10\n"))
        file.chmod(0o600)


class Soak:
    """``counts``: what was done, by name."""

    def __init__(self, rig: Rig, minutes: float) -> None:
        self.counts: Counter[str] = Counter()
        self.gauges = Gauges()
        self._rig = rig
        self._seconds = minutes * 60

    def run(self, daemons: Mapping[Victim, Child], logger: Child) -> None:
        """Everything dies, then all but tail and ship."""
        rig = self._rig
        around: dict[Victim, Killable] = {"centre": rig.centre, "database": rig.server}
        storm = self._seconds * _STORM_SHARE
        self._go(storm, {**around, **daemons}, {}, logger)
        self._go(self._seconds - storm, around, daemons, logger)

    def _go(
        self,
        seconds: float,
        victims: Mapping[Victim, Killable],
        watched: Mapping[Victim, Child],
        logger: Child,
    ) -> None:
        began = time.monotonic()
        sampled = began + seconds * _WARM_UP
        while time.monotonic() < began + seconds:
            assert logger.running
            self._harm(victims)
            pause = time.monotonic() + self._rig.rng.uniform(0.5, 3.0)
            while time.monotonic() < pause:
                self._rig.watch(0.2)
                if watched and time.monotonic() >= sampled:
                    ids = {str(name): child.pid for name, child in watched.items()}
                    self.gauges.note(ids, self._rig.outbox)
                    sampled = time.monotonic() + _SAMPLE_SECONDS

    def _harm(self, victims: Mapping[Victim, Killable]) -> None:
        rig = self._rig
        rig.proxy.calm()
        what = rig.rng.choice(("kill", "request", "request", "request", "request", "link"))
        if what == "kill":
            victim = rig.rng.choice(sorted(victims))
            rig.kill(victim, victims[victim])
            rig.watch(rig.rng.uniform(0.0, 0.4))
            rig.restart(victims[victim])
            self.counts[f"killed {victim}"] += 1
        elif what == "link":
            with rig.proxy.refusing():
                rig.watch(rig.rng.uniform(0.2, 3.0))
            self.counts["link down"] += 1
        else:
            name = rig.rng.choice(sorted(_LINK))
            # A page in answer to "which server?" would be another server, for a minute.
            rig.proxy.plan(_LINK[name], path="bulk/", skip=rig.rng.randrange(2))
            self.counts[f"planned {name}"] += 1


def soak(minutes: float, kind: Kind, seed: int, folder: Path) -> bool:
    """Run it, print what came of it; whether all is well."""
    with ExitStack() as stack:
        server = stack.enter_context(closing(PrivateMariaDB(DURABLE)))
        server.__enter__()
        centre = start_centre(kind, folder)
        stack.callback(centre.kill)
        proxy = stack.enter_context(FaultProxy(centre.url))
        rig = SoakRig(kind, folder, server, centre, proxy, seed)
        stack.callback(rig.close)
        began = time.monotonic()
        rig.furnish(readings=2_000, watched=True)
        rig.configure(snapshot_chunk=100)
        task = Soak(rig, minutes)
        with rig.logger() as logger:
            daemons: dict[Victim, Child] = {n: rig.daemon(n) for n in ("tail", "ship")}
            task.run(daemons, logger)
        rig.proxy.calm()
        rig.settle()
        rig.stop()
        return _report(rig, task, time.monotonic() - began)


def _report(rig: Rig, task: Soak, seconds: float) -> bool:
    proof, conservation = rig.judge()
    complaints = rig.complaints()
    lines = [
        *(f"{count:5} {name}" for name, count in sorted(task.counts.items())),
        f"{rig.proxy.struck:5} requests struck, of {len(rig.proxy.requests)}",
        f"{rig.judged_acts:5} changes of which the order was judged",
        *task.gauges.lines(),
        f"conservation: {conservation}",
        *([complaints] if complaints else []),
        proof.line(rig.kills, seconds),
    ]
    _tell(lines)
    return proof.holds and conservation.holds and task.gauges.flat and not complaints


def _tell(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def main() -> int:
    """Parse, run, 1 where something is wrong."""
    parser = ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--centre", choices=KINDS, default="ours")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="replicator-soak-") as folder:
        return 0 if soak(options.minutes, options.centre, options.seed, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
