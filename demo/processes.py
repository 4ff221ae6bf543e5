"""The demo's child processes: started, killed at random, started again; never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from demo.mariadbd import die_with_parent

_PATIENCE = 30.0


class ChildFailed(RuntimeError):
    """A child process ended by itself, with an error."""


class Child:
    """A Python program ``python -m MODULE ARGUMENTS…``; its output goes to ``<logs>/<name>.log``.

    A context manager that stops it, and kills it on an error. It dies with this process, and has
    a session of its own: the terminal's Ctrl-C reaches only us.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], logs: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self._arguments = arguments
        self._log = logs / f"{name}.log"
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Child:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()
        else:
            self.kill()

    @property
    def running(self) -> bool:
        """Whether it runs. Raises ChildFailed when it ended by itself with an error."""
        if self._process is None:
            return False
        code = self._process.poll()
        if code is None:
            return True
        self._process = None
        if code != 0:
            raise ChildFailed(f"{self.name} ended with {code}:\n{self.last_lines(15)}")
        return False

    @property
    def pid(self) -> int:
        """Its process id, while it runs. Raises ChildFailed when it does not."""
        if self._process is None:
            raise ChildFailed(f"{self.name} does not run")
        return self._process.pid

    def start(self) -> None:
        """Start it. The log is added to."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
                preexec_fn=die_with_parent,  # noqa: PLW1509  # no threads here, only prctl
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def terminate(self) -> None:
        """SIGTERM; ``running`` tells when it has ended. Nothing where it does not run."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for one that does not end. Raises nothing: for the way out."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def last_lines(self, count: int) -> str:
        """The end of its log."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-count:])


def run_once(
    name: str, arguments: Sequence[str], logs: Path, environment: Mapping[str, str], timeout: float
) -> str:
    """Run a program to its end; its standard output. Raises ChildFailed, or when it hangs."""
    log = logs / f"{name}.log"
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **environment},
            text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # no threads here, only prctl
            start_new_session=True,
        )
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        output = f"no end after {timeout:.0f} s"
        raise ChildFailed(f"{name}: {output}\n{_tail(log)}") from None
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        raise ChildFailed(f"{name} ended with {process.returncode}:\n{output}{_tail(log)}")
    return output


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
