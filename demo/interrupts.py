"""Ctrl-C, SIGTERM and SIGHUP, none of them lost."""

from __future__ import annotations

import signal
from types import FrameType


class Interrupts:
    """Makes the signals KeyboardInterrupts, at once and again at the next ``check()``.

    Again, because Python drops an exception raised while it is in a fork hook or a destructor.
    """

    def __init__(self) -> None:
        self.came = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def check(self) -> None:
        """Raise KeyboardInterrupt when a signal has come."""
        if self.came:
            raise KeyboardInterrupt

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        self.came = True
        raise KeyboardInterrupt
