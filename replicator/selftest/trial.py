"""The self-test itself: starts both processes, is their destination, kills them, tells the judge.

Single-threaded, because it forks. Nothing of the station is touched but the sandbox.
"""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from replicator.errors import OutboxError
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.reader import OutboxReader
from replicator.selftest import children
from replicator.selftest.judge import Judge
from replicator.selftest.made import Version, version_of

Child = Callable[[Path, socket.socket], None]

_LONGEST_LIFE = 0.25  # seconds from its first word to its death
_PATIENCE = 30.0  # seconds without a word
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Verdict:
    """``sent_again``: rows that arrived more than once, which changes nothing."""

    kills: int
    transactions: int
    rows_captured: int
    sent_again: int
    seconds: float
    findings: Sequence[str]


class _Process:
    """A forked child and our end of its channel."""

    def __init__(self, name: str, work: Child, folder: Path, others: Sequence[_Process]) -> None:
        self.name = name
        self.words = 0
        self._rest = b""
        self.channel, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            for ours in (self.channel, *(other.channel for other in others)):
                ours.close()
            _work(work, folder, theirs)
        theirs.close()

    def lines(self) -> list[bytes]:
        """Whole lines that are here. Raises OutboxError when it has ended by itself."""
        data = self.channel.recv(_CHUNK)
        if not data:
            raise OutboxError(
                f"the process that tests {self.name} has ended by itself",
                self._rest.decode(errors="replace"),
                "is there room on the disk?",
            )
        *whole, self._rest = (self._rest + data).split(b"\n")
        self.words += len(whole)
        return whole

    def kill(self) -> list[bytes]:
        """SIGKILL; what it had still said, in whole lines."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self.channel.setblocking(False)
        said = self._rest
        try:
            while data := self.channel.recv(_CHUNK):
                said += data
        except OSError:  # no more, or ended by a reset: what we had answered was not read
            pass
        self.channel.close()
        return said.split(b"\n")[:-1]


def _work(work: Child, folder: Path, channel: socket.socket) -> None:
    """In the child; never returns."""
    code = 0
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which kills us
        work(folder, channel)
    except (OSError, EOFError):  # nobody listens: the parent is gone
        code = 1
    except BaseException as error:  # noqa: BLE001  # told to the parent, then it is over
        code = 1
        channel.sendall(f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(code)


class Trial:
    """``kills``: how many; ``told`` is called after each, with their number so far."""

    def __init__(
        self,
        folder: Path,
        kills: int,
        chance: random.Random,
        told: Callable[[int], None] = lambda _: None,
        capture: Child = children.capture,
        deliver: Child = children.deliver,
    ) -> None:
        self._folder = folder
        self._kills = kills
        self._chance = chance
        self._told = told
        self._work = {"capture": capture, "delivery": deliver}
        self._processes: dict[str, _Process] = {}
        self._judge = Judge()
        self._seen_seq = 0
        self._idle = 0

    def run(self) -> Verdict:
        """Do it. Raises OutboxError where it cannot be done."""
        began = time.monotonic()
        judge = self._judge
        try:
            self._start("capture")
            self._serve(lambda: self._processes["capture"].words > 0)
            self._start("delivery")
            for done in range(1, self._kills + 1):
                self._one(self._chance.choice([["capture"], ["delivery"], ["capture", "delivery"]]))
                self._told(done)
                if judge.findings:
                    break
            else:
                self._drain()
        finally:
            for process in self._processes.values():
                process.kill()
        again = judge.rows_arrived - judge.rows_captured
        spent = time.monotonic() - began
        return Verdict(
            done, judge.position, judge.rows_captured, max(again, 0), spent, judge.findings
        )

    def _start(self, name: str) -> None:
        others = list(self._processes.values())
        self._processes[name] = _Process(name, self._work[name], self._folder, others)

    def _one(self, victims: Sequence[str]) -> None:
        """Let them live a little, kill them, look, start them again."""
        self._serve(lambda: all(self._processes[name].words for name in victims))
        end = time.monotonic() + self._chance.uniform(0.0, _LONGEST_LIFE)
        self._serve(lambda: time.monotonic() >= end)
        self._kill(victims)
        for name in victims:
            self._start(name)

    def _kill(self, victims: Sequence[str]) -> None:
        for name in victims:
            process = self._processes.pop(name)
            for line in process.kill():
                self._hear(name, line)
        if "capture" in victims:
            self._look_at_capture()
        self._look_at_delivery()

    def _drain(self) -> None:
        """Capture ends; all the rest is delivered."""
        self._kill(["capture"])
        before = self._idle
        self._serve(lambda: self._idle > before + 1)  # the first may have been on its way
        self._kill(["delivery"])
        self._judge.at_the_end()

    # --- the destination ------------------------------------------------------------------------

    def _serve(self, enough: Callable[[], bool]) -> None:
        """Be the destination until it is enough. Raises OutboxError when nothing comes any more."""
        silent_since = time.monotonic()
        while not enough():
            open_channels = {each.channel: each for each in self._processes.values()}
            ready, _, _ = select.select(list(open_channels), [], [], 0.005)
            for channel in ready:
                process = open_channels[channel]
                for line in process.lines():
                    self._hear(process.name, line)
                    if process.name == "delivery":
                        process.channel.sendall(b"+")
                silent_since = time.monotonic()
            if time.monotonic() - silent_since > _PATIENCE:
                raise OutboxError(
                    "the self-test stands still", "nothing was written or delivered for 30 s"
                )

    def _hear(self, name: str, line: bytes) -> None:
        if name == "capture":
            self._judge.claimed(int(line))
            return
        rows = orjson.loads(line)
        self._idle += not rows
        self._judge.arrived([version_of(row) for row in rows])

    # --- the files ------------------------------------------------------------------------------

    def _look_at_capture(self) -> None:
        outbox = OutboxReader(self._folder)
        try:
            place = outbox.captured_to()
            self._judge.captured(self._new_rows(outbox), place.offset if place else 0)
        finally:
            outbox.close()

    def _new_rows(self, outbox: OutboxReader) -> Iterator[Version]:
        for entry in outbox.entries(self._seen_seq):
            self._seen_seq = entry.seq
            for row in entry.rows:
                yield version_of(dict(zip(entry.columns, row, strict=True)))

    def _look_at_delivery(self) -> None:
        if "delivery" in self._processes:
            return
        deliveries = Deliveries(self._folder, children.DESTINATION)
        try:
            self._judge.settled(deliveries.cursor().row_total)
        finally:
            deliveries.close()
