"""Being told to stop."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from replicator.cli.signals import Stop

LONG = 3600.0  # a wait that is cut short ends; one that is not fails by the suite's time limit


def test_a_wait_ends_by_itself() -> None:
    stop = Stop()
    began = time.monotonic()
    assert stop.wait(0.02) is False
    assert time.monotonic() - began >= 0.02


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_wait_at_once(number: signal.Signals) -> None:
    with Stop() as stop:
        timer = threading.Timer(0.05, os.kill, (os.getpid(), number))
        timer.start()
        assert stop.wait(LONG) is True
        assert stop.is_set()
        timer.join()


def test_another_thread_ends_a_wait() -> None:
    stop = Stop()
    timer = threading.Timer(0.05, stop.set)
    timer.start()
    assert stop.wait(LONG) is True
    timer.join()


def test_every_waiter_wakes() -> None:
    stop = Stop()
    results: list[bool] = []
    waiters = [threading.Thread(target=lambda: results.append(stop.wait(LONG))) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    stop.set()
    stop.set()
    for waiter in waiters:
        waiter.join()
    assert results == [True, True, True]


def test_once_set_nothing_waits() -> None:
    stop = Stop()
    stop.set()
    assert stop.wait(LONG) is True


def test_the_second_ctrl_c_is_a_keyboard_interrupt() -> None:
    with Stop() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(LONG)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_handlers_from_before_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with Stop():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
