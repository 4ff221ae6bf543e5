"""The live logger: goes on writing packets the way a base station does.

One transaction a packet, one statement a row; packets late or of one and the same second; and
between the packets what people do to a station: rename a house, move a node, calibrate a sensor,
correct, re-date and delete readings. Deterministic for a seed and a database to start from.

    python -m demo.logger --socket /path/to/socket --database ch --seed 1 --packets 1000 --rate 40
"""

from __future__ import annotations

import random
import signal
import sys
import time as clock
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType

import pymysql

from demo.desk import Desk
from demo.packets import Radio
from demo.session import Session, open_connection

# Every so many packets somebody does something; the first round does everything once.
_ACTION_EVERY = 4


@dataclass(frozen=True, slots=True)
class LoggerPlan:
    """``rate``: packets a second, 0 = as fast as possible.

    ``deletes``, ``nulls``: False leaves out what the original central server cannot take over
    (rows deleted, a value corrected to NULL). ``patience``: seconds to wait for a lost database.
    """

    seed: int = 1
    packets: int = 1000
    rate: float = 40.0
    deletes: bool = True
    nulls: bool = True
    patience: float = 60.0


def run_logger(
    connect: Callable[[], pymysql.connections.Connection],
    plan: LoggerPlan,
    progress: Callable[[int], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Write ``plan.packets`` packets, or fewer when ``stop()``; the number of packets written.

    ``connect`` gives a connection with autocommit off to a station database. A lost connection is
    made anew, and a packet whose commit got no answer is not written twice.
    """
    rng = random.Random(f"logger {plan.seed}")
    with Session(connect, plan.patience) as session:
        radio = Radio(session, rng)
        desk = Desk(session, rng, radio, deletes=plan.deletes, nulls=plan.nulls)
        began = clock.monotonic()
        for number in range(plan.packets):
            if stop():
                return number
            radio.send()
            if number % _ACTION_EVERY == _ACTION_EVERY - 1:
                desk.act()
            progress(number + 1)
            if plan.rate:
                clock.sleep(max(0.0, began + (number + 1) / plan.rate - clock.monotonic()))
    return plan.packets


def main() -> int:
    """Write until the packets are out or SIGTERM comes; prints the packets so far, a line each."""
    parser = ArgumentParser(prog="python -m demo.logger", description=__doc__)
    parser.add_argument("--socket", required=True, help="the MariaDB server's socket")
    parser.add_argument("--database", default="ch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--packets", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=40.0, help="packets a second; 0: no pause")
    parser.add_argument("--keep-all", action="store_true", help="no deletions, no values to NULL")
    options = parser.parse_args()
    stopping = False

    def end(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    def tell(packets: int) -> None:
        sys.stdout.write(f"{packets}\n")
        sys.stdout.flush()

    signal.signal(signal.SIGTERM, end)
    keep = not options.keep_all
    plan = LoggerPlan(options.seed, options.packets, options.rate, deletes=keep, nulls=keep)
    run_logger(
        partial(open_connection, options.socket, options.database), plan, tell, lambda: stopping
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
