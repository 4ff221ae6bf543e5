"""Starts copies of this process, hears them, kills them, and looks at what they leave."""

from __future__ import annotations

import os
import random
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from replicator.outbox.deliveries import Deliveries
from replicator.outbox.reader import OutboxReader
from replicator.selftest.judge import Heard, Row, judged
from replicator.selftest.worker import DESTINATION, child, deliver

_LIVES_SECONDS = 0.12  # at most, from its first word on
_STARTS_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Report:
    """``wrong``: findings in words; the rest counts. ``resent``: rows sent more than once."""

    kills: int
    transactions: int
    rows: int
    resent: int
    seconds: float
    wrong: tuple[str, ...]


def storm(
    folder: Path, kills: int, chance: random.Random, told: Callable[[int], None] = lambda _: None
) -> Report:
    """Kill that often; judge after each. Must run in a process of one thread: it forks."""
    started = time.monotonic()
    heard = Heard()
    wrong: list[str] = []
    done = 0
    for done in range(1, kills + 1):
        if not _life(folder, heard, chance.uniform(0.0, _LIVES_SECONDS)):
            wrong.append("a copy of this process did not come up, or died by itself")
        wrong += _judge(folder, heard, complete=False)
        told(done)
        if wrong:
            break
    if not wrong:
        _finish(folder, heard)
        wrong += _judge(folder, heard, complete=True)
    resent = heard.requests - len(heard.centre)
    seconds = time.monotonic() - started
    return Report(done, heard.captured, len(heard.centre), resent, seconds, tuple(wrong))


def _life(folder: Path, heard: Heard, seconds: float) -> bool:
    """One copy, killed so long after its first word. False: it said nothing, or ended itself."""
    words, its_end = os.pipe()
    its_answers, answers = os.pipe()
    number = os.fork()
    if number == 0:
        os.close(words)
        os.close(answers)
        child(folder, its_end, its_answers)
    os.close(its_end)
    os.close(its_answers)
    try:
        spoke = _listen(words, answers, heard, seconds)
        os.kill(number, signal.SIGKILL)
        _, status = os.waitpid(number, 0)
    finally:
        os.close(words)
        os.close(answers)
    return spoke and os.WIFSIGNALED(status)


def _listen(words: int, answers: int, heard: Heard, seconds: float) -> bool:
    """Be the world outside, for so long after the first word; whether there was one."""
    end, spoke, rest = time.monotonic() + _STARTS_SECONDS, False, b""
    while (left := end - time.monotonic()) > 0:
        if not select.select([words], [], [], left)[0]:
            break
        data = os.read(words, 1 << 16)
        if not data:
            break
        if not spoke:
            spoke, end = True, time.monotonic() + seconds
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if hear(heard, line.decode()):
                os.write(answers, b".")
    return spoke


def hear(heard: Heard, line: str) -> bool:
    """Take what a copy says; whether it is a request, to be answered."""
    kind, *parts = line.split()
    if kind == "C":
        heard.captured = int(parts[0])
        return False
    for part in parts:
        number, _, place = part.partition(".")
        heard.requests += 1
        heard.centre.setdefault((int(number), int(place)))
    return True


def _finish(folder: Path, heard: Heard) -> None:
    """Deliver what waits, in this process."""
    reader, deliveries = OutboxReader(folder), Deliveries(folder, DESTINATION)
    while deliver(reader, deliveries, lambda line: _taken(heard, line), lambda: None):
        pass
    reader.close()
    deliveries.close()


def _taken(heard: Heard, line: str) -> None:
    hear(heard, line)


def _judge(folder: Path, heard: Heard, *, complete: bool) -> list[str]:
    reader, deliveries = OutboxReader(folder), Deliveries(folder, DESTINATION)
    seq, place = deliveries.cursor().seq, reader.captured_to()
    held: list[Row] = []
    settled: list[Row] = []
    for entry in reader.entries(0):
        rows = [(_whole(row[1]), _whole(row[2])) for row in entry.rows]
        held += rows
        settled += rows if entry.seq <= seq else []
    reader.close()
    deliveries.close()
    return judged(heard, place.offset if place else 0, held, settled, complete=complete)


def _whole(value: object) -> int:
    return int(str(value))
