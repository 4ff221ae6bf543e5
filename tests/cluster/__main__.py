"""`make cluster`: many stations on three NATS nodes, some shippers, and everything dies in turn.

Ends with 1 where a row is not conserved, came out of order, or anything did not recover.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from pathlib import Path

from demo.processes import Child
from tests.cluster import namespaces
from tests.cluster.campaign import Campaign, say
from tests.cluster.centre import Centre
from tests.cluster.judge import judge
from tests.cluster.nodes import Nodes
from tests.cluster.plan import plan
from tests.cluster.report import Report, as_json, as_text
from tests.cluster.shippers import Shipper
from tests.faults.world import until

_A_WRITER = 100  # stations in one process


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--stations", type=int, default=200)
    parser.add_argument("--shippers", type=int, default=3, help="0: one for each station, no fleet")
    parser.add_argument("--rounds", type=int, default=2, help="each fault so often")
    parser.add_argument("--rate", type=float, default=0.5, help="transactions a station and second")
    parser.add_argument("--lease", type=float, default=10.0, help="seconds")
    parser.add_argument("--quiet", type=float, default=15.0, help="seconds before the first fault")
    parser.add_argument("--pace", type=float, default=1.0, help="how long faults and pauses last")
    parser.add_argument("--patience", type=float, default=240.0, help="seconds, for anything")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--folder", type=Path, help="keep logs, folders and report here")
    parser.add_argument("--only", action="append", help="no other faults than this kind")
    return parser


def run(asked: Namespace, folder: Path) -> Report:
    """All of it."""
    stations = range(1, asked.stations + 1)
    with ExitStack() as stack:
        centre = stack.enter_context(Centre(folder))
        nodes = stack.enter_context(Nodes())
        until(nodes.ready, "a cluster of NATS servers")
        until(nodes.make_stream, "a stream")
        writers, notes = [], []
        for first in range(1, asked.stations + 1, _A_WRITER):
            count = min(_A_WRITER, asked.stations + 1 - first)
            notes.append(folder / f"notes-{first}")
            notes[-1].touch()
            words = f"--servers {','.join(s.url for s in nodes.servers)} --seed {asked.seed}"
            words += f" --first {first} --count {count} --rate {asked.rate} --notes {notes[-1]}"
            writer = Child(
                f"stations-{first}", ["tests.cluster.stations", *words.split()], folder, {}
            )
            stack.callback(writer.kill)
            writers.append(writer)
        shippers = [
            Shipper(
                n, folder, nodes.hosts, centre.url, asked.lease, None if asked.shippers else n + 1
            )
            for n in range(asked.shippers or asked.stations)
        ]
        for each in (*writers, *shippers):
            stack.callback(each.kill)
            each.start()
        campaign = Campaign(nodes, centre, shippers, writers, notes, asked.patience)
        quiet = campaign.begin(stations, asked.quiet)
        say(f"before any fault: {quiet[0]} transactions/s stored, {quiet[1]} rows/s delivered")
        for planned in plan(asked.seed, asked.rounds, asked.lease, asked.pace):
            if asked.only is None or planned.kind in asked.only:
                campaign.strike(planned)
        totals, settled, drained = campaign.drain(asked.seed)
        seconds = time.monotonic() - campaign.began
        for shipper in shippers:
            shipper.stop()
        proof, conservation = judge(asked.seed, totals, centre, folder)
    logs = {path.name: path.read_text(errors="replace") for path in sorted(folder.glob("*.log"))}
    return Report(
        stations=asked.stations,
        shippers=len(shippers),
        seed=asked.seed,
        seconds=round(seconds, 1),
        transactions=sum(totals.values()),
        partition_by=nodes.partition_by,
        disk_by=nodes.disk_by,
        lease=asked.lease,
        quiet_per_s=quiet,
        faults=campaign.struck,
        proof=proof,
        conservation=conservation,
        complaints=_complaints(logs),
        settled=settled,
        drained_in=round(drained, 1),
        superseded=sum(text.count("superseded") for text in logs.values()),
        notes=campaign.notes,
    )


def _complaints(logs: dict[str, str]) -> list[str]:
    """Lines that only a bug writes."""
    signs = ("Traceback", "a bug in", ": TAKEN ")
    return [
        f"{name}: {line}"
        for name, text in logs.items()
        for line in text.splitlines()
        if any(sign in line for sign in signs)
    ]


def main() -> int:
    """See the module."""
    asked = _parser().parse_args()
    namespaces.enter(["-m", "tests.cluster", *sys.argv[1:]])
    if namespaces.inside():
        namespaces.set_up()
    with ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        report = run(asked, folder)
        sys.stdout.write(as_text(report) + "\n")
        (folder / "report.json").write_text(json.dumps(as_json(report), indent=1))
    return 0 if report.holds and all(each.recovered is not None for each in report.faults) else 1


if __name__ == "__main__":
    sys.exit(main())
