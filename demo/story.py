"""The main job from beginning to end: history, live packets, kills, and the proof."""

from __future__ import annotations

import json
import random
import time as clock
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import requests

from demo.interrupts import Interrupts
from demo.neighbours import seed_neighbours
from demo.processes import Child, ChildFailed
from demo.proof import Proof, compare
from demo.screen import Screen, Status
from demo.seed import create_schema, seed_station
from demo.sides import MariaDBSide, SQLiteSide
from demo.stage import DATABASE, Stage, create_tokens, set_stage
from replicator.backlog import Backlog, read_backlog
from replicator.errors import OutboxError

_LOOK_SECONDS = 0.25
_STUCK_SECONDS = 90.0
_SETTLED_LOOKS = 4
_FASTEST = 500.0  # packets a second, about, that a logger without pauses writes


@dataclass(frozen=True, slots=True)
class Plan:
    """``rows``: historical readings; ``packets`` at ``rate`` a second: the live logger's."""

    rows: int = 100_000
    seed: int = 1
    packets: int = 1200
    rate: float = 50.0
    kills: int = 12


class Story:
    """One run in one folder. ``tell`` does it all; ``kills`` counts the processes killed."""

    def __init__(self, plan: Plan, folder: Path, screen: Screen, interrupts: Interrupts) -> None:
        self._plan = plan
        self._folder = folder
        self._screen = screen
        self._interrupts = interrupts
        self._rng = random.Random(f"story {plan.seed}")
        self._victims: list[Child] = []
        self.kills = 0

    def tell(self) -> Proof:
        """Run the main job; the independent check's verdict. Raises ChildFailed."""
        with ExitStack() as stack:
            stage = self._prepare(stack)
            central = stack.enter_context(stage.program("central"))
            self._wait_for_centre(stage, central)
            self._step("other stations' rows at the centre")
            seed_neighbours(stage.url, create_tokens(stage), self._plan.seed)
            stage.once("check")
            tail = stack.enter_context(stage.program("tail"))
            ship = stack.enter_context(stage.program("ship"))
            plan = self._plan
            logger = stack.enter_context(stage.logger(plan.seed, plan.packets, plan.rate))
            self._victims = [tail, ship, central]
            self._step("live packets; tail, ship and central killed again and again")
            self._live(stage, logger)
            self._step("until nothing waits")
            self._settle(stage, logger)
            for child in (tail, ship):
                child.stop()
            self._finish(stage)
            central.stop()
            self._step("the independent check")
            return self._proof(stage)

    def _step(self, text: str) -> None:
        self._interrupts.check()
        self._screen.step(text)

    def _prepare(self, stack: ExitStack) -> Stage:
        self._step("a private MariaDB server")
        stage = set_stage(self._folder, stack)
        self._step(f"a station with {self._plan.rows:,} readings of history")
        connection = stage.server.connect(autocommit=False)
        try:
            create_schema(connection, DATABASE)
            seed_station(connection, self._plan.seed, self._plan.rows)
        finally:
            connection.close()
        self._step("a central server")
        return stage

    def _wait_for_centre(self, stage: Stage, central: Child) -> None:
        deadline = clock.monotonic() + _STUCK_SECONDS
        while central.running and clock.monotonic() < deadline:
            self._interrupts.check()
            try:
                requests.get(f"{stage.url}rest/capabilities/", timeout=5).raise_for_status()
            except requests.ConnectionError:
                clock.sleep(0.05)
            else:
                return
        raise ChildFailed(f"the central server does not answer:\n{central.last_lines(15)}")

    def _live(self, stage: Stage, logger: Child) -> None:
        """Kill at random moments, spread over the logger's time."""
        plan = self._plan
        pause = plan.packets / (plan.rate or _FASTEST) / (plan.kills + 1)
        while self.kills < self._plan.kills:
            # The first three kills are one of each, then whoever it hits.
            first = self.kills < len(self._victims)
            victim = self._victims[self.kills] if first else self._rng.choice(self._victims)
            self._watch(stage, logger, self._rng.uniform(0.2, 1.4) * pause)
            victim.kill()
            self.kills += 1
            self._watch(stage, logger, self._rng.uniform(0.0, 0.4) * pause, down=victim)
            victim.start()
        while logger.running:
            self._watch(stage, logger, _LOOK_SECONDS)

    def _watch(
        self, stage: Stage, logger: Child, seconds: float, down: Child | None = None
    ) -> None:
        """Look on for some seconds. Raises ChildFailed when a process ends that should run."""
        end = clock.monotonic() + seconds
        while True:
            self._interrupts.check()
            for child in self._victims:
                if child is not down and not child.running:
                    raise ChildFailed(f"{child.name} ended:\n{child.last_lines(15)}")
            self._show(stage, logger, down)
            left = end - clock.monotonic()
            if left <= 0:
                return
            clock.sleep(min(left, _LOOK_SECONDS))

    def _show(self, stage: Stage, logger: Child, down: Child | None) -> Backlog | None:
        backlog = _backlog(stage)
        names = [f"{child.name} {'✗' if child is down else '✓'}" for child in self._victims]
        names.append(f"logger {'✓' if logger.running else 'done'}")
        self._screen.status(
            Status(
                packets=int(logger.last_lines(1) or 0),
                captured=backlog.tail.rows_captured if backlog else 0,
                waiting=backlog.destinations[0].waiting_rows if backlog else 0,
                kills=self.kills,
                processes="  ".join(names),
            )
        )
        return backlog

    def _settle(self, stage: Stage, logger: Child) -> None:
        """Wait until nothing waits any more. Raises ChildFailed when it does not get on."""
        before: tuple[int, int] | None = None
        still = 0
        moved = clock.monotonic()
        while still < _SETTLED_LOOKS:
            self._watch(stage, logger, _LOOK_SECONDS)
            backlog = self._show(stage, logger, None)
            if backlog is None:
                continue
            now = backlog.tail.rows_captured, backlog.destinations[0].waiting_rows
            quiet = now == before and now[1] == 0 and backlog.tail.snapshot is None
            still = still + 1 if quiet else 0
            if now != before:
                before, moved = now, clock.monotonic()
            if clock.monotonic() - moved > _STUCK_SECONDS:
                logs = "\n".join(child.last_lines(10) for child in self._victims)
                raise ChildFailed(f"{now[1]} rows wait and do not get on:\n{logs}")

    def _finish(self, stage: Stage) -> None:
        """What the daemons had not yet seen; then `backlog` must say that nothing waits."""
        stage.once("tail", "--once")
        stage.once("ship", "--once")
        (waiting,) = json.loads(stage.once("backlog", "--json"))["destinations"]
        if waiting["waiting_rows"] or waiting["parked_rows"]:
            raise ChildFailed(f"rows still wait or are parked: {json.dumps(waiting, indent=2)}")

    def _proof(self, stage: Stage) -> Proof:
        station = MariaDBSide(
            unix_socket=stage.server.socket, user=stage.server.user, database=DATABASE
        )
        with station, SQLiteSide(stage.central_file) as central:
            return compare(station, central)


def _backlog(stage: Stage) -> Backlog | None:
    """What `replicator backlog` shows, read in this process; None before there is an outbox."""
    now = datetime.now(timezone.utc)
    try:
        return read_backlog(stage.folder / "outbox", [("central", True)], now, now.isoformat())
    except OutboxError:
        return None
