"""`make bench`: every figure beside the plain way in the same run; a table, and build/bench.json.

Works in a folder of its own with a private MariaDB; both are gone afterwards, however it ends.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.sizes import TINY, Sizes
from benchmarks.suite import BENCHMARKS
from benchmarks.tailing import CLIENT
from demo.interrupts import Interrupts
from demo.janitor import Workplace
from demo.mariadbd import PrivateMariaDB
from replicator.cli import collector

RESULT = Path("build/bench.json")
_INTERRUPTED = 130


def _options() -> Namespace:
    parser = ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--tiny", action="store_true", help="only see whether they run")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    return options


def main() -> int:
    """Run them; the exit code."""
    options = _options()
    interrupts = Interrupts()
    figures = Figures()
    try:
        with Workplace() as folder:
            _run(options.names or list(BENCHMARKS), options, folder, figures, interrupts)
    except KeyboardInterrupt:
        return _interrupted()
    except Exception:
        if interrupts.came:  # whatever failed, failed because of it
            return _interrupted()
        raise
    figures.save(RESULT)
    figures.print()
    if "outbox_bulk" in figures.values and "vs_mariadb_binlog" not in figures.values["outbox_bulk"]:
        sys.stdout.write(f"{CLIENT} is not installed: not measured beside it\n")
    sys.stdout.write(f"{RESULT}\n")
    return 0


def _run(
    names: list[str], options: Namespace, folder: Path, figures: Figures, interrupts: Interrupts
) -> None:
    collector.calm()  # as tail and ship are, for everybody measured in this process
    sizes = TINY if options.tiny else Sizes()
    home = folder / "db"
    home.mkdir()
    with PrivateMariaDB(folder=home) as server:
        for name in names:
            interrupts.check()
            started = time.monotonic()
            BENCHMARKS[name](figures, sizes, server, folder / name)
            sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s\n")


def _interrupted() -> int:
    sys.stderr.write("interrupted; everything is cleaned up\n")
    return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
