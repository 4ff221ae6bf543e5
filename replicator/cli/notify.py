"""Telling systemd how we are (sd_notify): ready, what we do in words, alive, stopping.

One datagram to $NOTIFY_SOCKET each; nothing is told where there is none. A loop is alive when it
asks whether to stop: it does at each round and in slices of each wait, in its own thread. Of
several loops in one process all must be.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol

from replicator.cli.signals import Stop

_SLICE_SECONDS = 1.0
_MOST_WORDS = 300


class Halt(Protocol):
    """What a loop needs of a Stop."""

    def is_set(self) -> bool:
        """Whether to stop."""

    def wait(self, seconds: float, wake: int | None = None) -> bool:
        """Sleep that long, or until told to stop; whether to stop."""

    def say(self, words: str) -> None:
        """What the loop does at the moment."""


class Notifier:
    """``environ``: of the process; as a context manager it tells at its end that we stop."""

    def __init__(
        self, environ: Mapping[str, str], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        micros = environ.get("WATCHDOG_USEC", "") if mine else ""
        self._pause = int(micros) / 4e6 if micros.isdecimal() else float("inf")
        self._monotonic = monotonic
        self._fed_at = monotonic()
        self._loops: dict[str, bool] = {}
        self._words: dict[str, str] = {}
        self._ready = False

    def loop(self, name: str, stop: Stop) -> Halt:
        """A loop of this process; all are made before the first one runs."""
        self._loops[name] = False
        return _Loop(self, name, stop)

    def ready(self) -> None:
        """We are up; once."""
        if not self._ready:
            self._ready = True
            self.send("READY=1")

    def alive(self, name: str) -> None:
        """A loop has made a round."""
        self._loops[name] = True
        if not self._ready:
            if all(self._loops.values()):
                self.ready()
        elif all(self._loops.values()) and self._monotonic() - self._fed_at >= self._pause:
            self._fed_at = self._monotonic()
            self._loops = dict.fromkeys(self._loops, False)
            self.send("WATCHDOG=1")

    def say(self, name: str, words: str) -> None:
        """What a loop does at the moment; told when it has changed."""
        if self._words.get(name) != words:
            self._words[name] = words
            told = "; ".join(f"{one}: {said}" for one, said in self._words.copy().items())
            self.send(f"STATUS={' '.join(told.split())[:_MOST_WORDS]}")

    def send(self, text: str) -> None:
        """One datagram; a systemd that does not listen is not worth an end of capture."""
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line,
        ):
            line.settimeout(1.0)
            line.sendto(text.encode(), self._address)

    def __enter__(self) -> Notifier:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.send("STOPPING=1")


class _Loop:
    """A Stop that tells, whenever it is asked, that the loop which asks is alive."""

    def __init__(self, notifier: Notifier, name: str, stop: Stop) -> None:
        self._notifier = notifier
        self._name = name
        self._stop = stop

    def is_set(self) -> bool:
        self._notifier.alive(self._name)
        return self._stop.is_set()

    def wait(self, seconds: float, wake: int | None = None) -> bool:
        """In slices: who waits politely is alive."""
        end = time.monotonic() + seconds
        while True:
            self._notifier.alive(self._name)
            left = end - time.monotonic()
            cut = min(left, _SLICE_SECONDS)
            started = time.monotonic()
            if self._stop.wait(cut, wake) or left <= _SLICE_SECONDS:
                return self._stop.is_set()
            if time.monotonic() - started < cut:  # woken
                return False

    def say(self, words: str) -> None:
        self._notifier.say(self._name, words)
