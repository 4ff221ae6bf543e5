"""What a daemon tells the service manager: sd_notify(3), one datagram a word, no library.

The rules this file keeps: without $NOTIFY_SOCKET nothing is said and nothing costs anything; a
service manager that does not listen never stops a daemon; and that we go on is only said by the
loops that do the work, each of which must have gone on since it was last said.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

_PATIENCE_SECONDS = 1.0
_MOST_BYTES = 1_000  # of a STATUS line; people read it
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_FEEDS_A_PERIOD = 5


class Manager:
    """The service manager's end of $NOTIFY_SOCKET; without one, a silent wall.

    ``period``  seconds between two words that we go on, at least; None where none are wanted
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        name = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._socket = None
        if name[:1] in ("/", "@"):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(_PATIENCE_SECONDS)  # its queue may be full for a moment
        self.period = _period(environ) if self._socket is not None else None

    @property
    def listens(self) -> bool:
        """Whether there is somebody to tell."""
        return self._socket is not None

    def tell(self, *words: str) -> None:
        """``READY=1``, …: one datagram. Safe in a signal handler and in threads."""
        if self._socket is not None:
            with suppress(OSError):  # it is gone or hangs; the next word may reach it
                self._socket.sendto("\n".join(words).encode(), self._address)

    def __del__(self) -> None:
        if self._socket is not None:
            self._socket.close()


def _period(environ: Mapping[str, str]) -> float | None:
    """A fifth of the watchdog's time, in seconds; None where it is not meant for this process."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    meant = environ.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
    if not meant or re.fullmatch(r"[0-9]{1,18}", microseconds, re.ASCII) is None:
        return None
    return int(microseconds) / 1e6 / _FEEDS_A_PERIOD or None


class Roll:
    """A roll call, again and again: a round is over once everybody has answered in it.

    So the time between two rounds' ends is at most the longest that one of them was silent, and
    one that is silent for good ends the rounds. No clock decides.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._missing = set(self._names)

    def answer(self, name: str) -> bool:
        """One of them goes on; True when that ends a round."""
        self._missing.discard(name)
        return self._ended()

    def leave(self, name: str) -> None:
        """One of them has done its work and is not asked again; the others' answers go on."""
        self._names -= {name}
        self._missing.discard(name)

    def _ended(self) -> bool:
        if self._missing or not self._names:
            return False
        self._missing = set(self._names)
        return True


class Duty:
    """What one loop of a service says of itself. Quick; raises nothing; any thread."""

    def __init__(self, service: Service, name: str) -> None:
        self._service = service
        self._name = name

    def up(self) -> None:
        """It works, or waits politely. Again and again is no harm."""
        self._service.up(self._name)

    def alive(self) -> None:
        """It has just gone on by a step, or waits on purpose."""
        self._service.alive(self._name)

    def say(self, state: str) -> None:
        """What it does, in words; up, too."""
        self._service.say(self._name, state)

    def leave(self) -> None:
        """It has ended, as it should."""
        self._service.leave(self._name)


class Service:
    """One process and its loops by name: ready once all are up, alive while all go on.

    ``monotonic``  seconds; it only keeps words from being said too often
    """

    def __init__(
        self,
        names: Iterable[str],
        environ: Mapping[str, str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        names = tuple(names)
        self._manager = Manager(os.environ if environ is None else environ)
        self._monotonic = monotonic
        self._states = dict.fromkeys(names, "starting")
        self._starting = set(names)
        self._roll = Roll(names)
        self._quiet_until = monotonic()
        self._lock = threading.Lock()

    def duty(self, name: str) -> Duty:
        """For the loop of that name."""
        return Duty(self, name)

    def up(self, name: str) -> None:
        """See Duty."""
        if name not in self._starting:
            return
        with self._lock:
            self._starting.discard(name)
            if not self._starting:
                self._manager.tell("READY=1", self._status())

    def say(self, name: str, state: str) -> None:
        """See Duty."""
        with self._lock:
            self._states[name] = state
            self._manager.tell(self._status())
        self.up(name)

    def alive(self, name: str) -> None:
        """See Duty."""
        period = self._manager.period
        if period is None:
            return
        with self._lock:
            now = self._monotonic()
            if now >= self._quiet_until and self._roll.answer(name):
                words = ["WATCHDOG=1"]
                if self._starting:  # a start that goes on may take its time, too
                    words.append(f"EXTEND_TIMEOUT_USEC={round(period * _FEEDS_A_PERIOD * 1e6)}")
                self._manager.tell(*words)
                self._quiet_until = now + period

    def leave(self, name: str) -> None:
        """See Duty."""
        self.up(name)
        with self._lock:
            self._roll.leave(name)

    def stopping(self) -> None:
        """It was told to end. Safe in a signal handler: takes no lock."""
        self._manager.tell("STOPPING=1")

    def _status(self) -> str:
        several = len(self._states) > 1
        said = (f"{name} {state}" if several else state for name, state in self._states.items())
        line = _CONTROL.sub(" ", "STATUS=" + "; ".join(said))
        return line.encode()[:_MOST_BYTES].decode(errors="ignore")


def silent() -> Duty:
    """A duty that nobody hears of."""
    return Service(["-"], environ={}).duty("-")
