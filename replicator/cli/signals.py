"""Being told to stop: SIGTERM and SIGINT set a Stop, and a sleeping loop wakes at once."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType

_BREATH_SECONDS = 1.0


class Stop:
    """A flag that signals, or another thread, can set while a loop waits on it.

    As a context manager it catches SIGTERM and SIGINT (main thread only) and restores what was
    there before. The second SIGINT is a KeyboardInterrupt: whoever presses Ctrl-C twice is in a
    hurry. A pipe wakes the waiter: unlike threading.Event it may be set inside a signal handler.

    ``told``  called once when it is set, maybe inside a signal handler
    """

    def __init__(self, told: Callable[[], None] = lambda: None) -> None:
        self._set = False
        self._told = told
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before: dict[int, object] = {}

    def is_set(self) -> bool:
        """True once it was set; it stays so."""
        return self._set

    def set(self) -> None:
        """Ask to stop, and wake whoever waits. Repeating it does nothing."""
        if not self._set:
            self._set = True
            os.write(self._writer, b"x")
            self._told()

    def wait(self, seconds: float, wake: int | None = None) -> bool:
        """Sleep that long, or until set; return ``is_set()``. Zero or less only looks.

        ``wake``  a descriptor; once it can be read, that ends the sleep too
        """
        deadline = time.monotonic() + seconds
        poller = select.poll()
        poller.register(self._reader, select.POLLIN)
        if wake is not None:
            poller.register(wake, select.POLLIN)
        while not self._set:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            ready = poller.poll(min(left, 3600.0) * 1000)
            if any(descriptor == wake for descriptor, _ in ready):
                break
        return self._set

    def rest(self, seconds: float, alive: Callable[[], None]) -> bool:
        """``wait``, calling ``alive`` every second or so: a long sleep on purpose."""
        deadline = time.monotonic() + seconds
        while not self._set and (left := deadline - time.monotonic()) > 0:
            alive()
            self.wait(min(left, _BREATH_SECONDS))
        return self._set

    def __enter__(self) -> Stop:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # what signal() gave us
        self._before.clear()

    def __del__(self) -> None:
        os.close(self._reader)
        os.close(self._writer)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._set and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.set()
