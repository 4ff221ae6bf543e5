"""`make demo`: the main job on a private MariaDB, with kills, ending in an independent check.

The last line is PROOF …; the exit code is 0 only when nothing is missing, doubled, misplaced or
different. ROWS in the environment sets the historical readings.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace

from demo.interrupts import Interrupts
from demo.janitor import Workplace
from demo.screen import Screen
from demo.story import Plan, Story

_INTERRUPTED = 130


def _options() -> Namespace:
    parser = ArgumentParser(prog="python -m demo", description=__doc__)
    plan = Plan()
    rows = os.environ.get("ROWS") or str(plan.rows)
    parser.add_argument("--rows", type=int, default=rows, help="historical readings")
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--packets", type=int, default=plan.packets, help="live packets")
    parser.add_argument("--rate", type=float, default=plan.rate, help="live packets a second")
    parser.add_argument("--kills", type=int, default=plan.kills, help="processes to kill")
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    options = parser.parse_args()
    if min(options.rows, options.packets, options.kills, options.rate) < 0:
        parser.error("rows, packets, kills and rate cannot be negative")
    return options


def main() -> int:
    """Run it; the exit code."""
    options = _options()
    plan = Plan(options.rows, options.seed, options.packets, options.rate, options.kills)
    interrupts = Interrupts()
    try:
        with Workplace(keep=options.keep) as folder, Screen() as screen:
            if options.keep:
                screen.step(f"everything is left in {folder}")
            story = Story(plan, folder, screen, interrupts)
            proof = story.tell()
            seconds = screen.seconds
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:
        if interrupts.came:  # whatever failed, failed because of it
            return _interrupted()
        if not isinstance(error, RuntimeError):
            raise
        sys.stderr.write(f"the demo failed: {error}\n")
        return 1
    for name, keys in proof.examples.items():
        sys.stdout.write(f"{name}: {', '.join(keys)}\n")
    sys.stdout.write(proof.line(story.kills, seconds) + "\n")
    return 0 if proof.holds else 1


def _interrupted() -> int:
    sys.stderr.write("interrupted; everything is cleaned up\n")
    return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
