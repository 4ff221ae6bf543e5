"""A process that has imported the program once and forks for every command: 20 ms in place of 800.

    with Zygote() as zygote:
        ended = zygote.run(["ship", "--once"], folder, die=("POST bulk", 1))

The child is the real command in a process of its own, with its own connections, that really dies.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from demo.mariadbd import die_with_parent
from tests.fire.disk import Disk
from tests.fire.steps import Steps, watch_commits, watch_messages, watch_requests

_LONGEST = 60  # seconds; then the kernel ends the child


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: ``code`` negative for a signal. ``steps``: see tests.fire.steps."""

    code: int
    out: str
    err: str
    steps: Sequence[str]

    @property
    def killed(self) -> bool:
        """It died where it was told to."""
        return self.code == -signal.SIGKILL


class Zygote:
    """``with Zygote() as zygote:``; one command at a time."""

    def __enter__(self) -> Zygote:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fire.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent.parent,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # only prctl
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, argv: Sequence[str], folder: Path, **how: Any) -> Ended:
        """Run `replicator ARGV`; ``how``: keywords of ``_be``. Files of the child are in folder."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(argv), str(folder), how]) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        names = ("out.log", "err.log", "steps.log")
        out, err, steps = (_text(folder / name) for name in names)
        return Ended(code, out, err, steps.splitlines())


def _text(file: Path) -> str:
    return file.read_text(errors="replace") if file.exists() else ""


def _be(
    argv: Sequence[str],
    folder: Path,
    die: tuple[str, int] | None = None,
    disk: dict[str, Any] | None = None,
    hurry: float = 1.0,
    stop: float = 0.0,
    checkpoint: int = 0,
    environment: Mapping[str, str] | None = None,
    victim: int = 0,
) -> int:
    """The child: one command with its watchers.

    ``hurry``: waits are so much shorter, and noted. ``stop``: SIGTERM after so many seconds, for a
    command that runs until it is stopped. ``checkpoint``: pages after which SQLite makes one.
    ``environment``: all its variables; without, those of the tests. ``victim``: the process that
    is killed where ``die`` says, in the child's place.
    """
    from replicator.cli.main import main  # noqa: PLC0415  # imported already, before the fork

    signal.alarm(_LONGEST)
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    if stop:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, stop, _LONGEST)
    for number, name in ((1, "out.log"), (2, "err.log")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    steps = Steps(folder / "steps.log", None if die is None else (die[0], die[1]), victim)
    watch_commits(steps, checkpoint)
    watch_requests(steps)
    if "nats" in sys.modules:
        from replicator.jetstream import bus  # noqa: PLC0415  # imported already

        watch_messages(steps)
        if victim:
            bus.ANSWER_SECONDS = 2.0  # whoever died answers nobody
    if hurry != 1.0:
        _hurry(steps, hurry)
    if disk is not None:
        spoilt = Disk(folder / "outbox", **disk)
        steps.listener = spoilt.tell
        spoilt.install(steps.note)
    try:
        main(list(argv), prog_name="replicator")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  # what the interpreter would do at its end
        traceback.print_exc()
        return 1
    return 0


def _hurry(steps: Steps, factor: float) -> None:
    from replicator.cli.signals import Stop  # noqa: PLC0415  # in the child, once forked

    wait = Stop.wait

    def shorter(self: Stop, seconds: float, wake: int | None = None) -> bool:
        steps.note(f"wait {seconds:.2f}")
        return wait(self, seconds / factor, wake)

    Stop.wait = shorter  # type: ignore[method-assign]  # in this child alone


def _serve() -> None:
    import replicator.cli.main  # noqa: PLC0415  # what every child needs, once

    if importlib.util.find_spec("nats") is not None:
        import replicator.feed  # noqa: PLC0415  # the same
        import replicator.jetstream.writer  # noqa: F401,PLC0415  # the same
    gc.freeze()  # pages that no collection writes to stay shared
    for line in sys.stdin:
        argv, folder, how = json.loads(line)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                die_with_parent()
                code = _be(argv, Path(folder), **how)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        sys.__stdout__.write(f"{os.waitstatus_to_exitcode(status)}\n")  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]


if __name__ == "__main__":
    _serve()
