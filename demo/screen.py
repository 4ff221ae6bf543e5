"""What the demo shows: a live table on a terminal, quiet lines anywhere else."""

from __future__ import annotations

import sys
import time as clock
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

_QUIET_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Status:
    """The run at one moment. ``waiting``: rows captured and not yet acknowledged."""

    packets: int
    captured: int
    waiting: int
    kills: int
    processes: str


class Screen:
    """A context manager. No thread of its own: children are started with ``preexec_fn``."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._began = clock.monotonic()
        self._steps: list[tuple[str, float]] = []
        self._status: Status | None = None
        self._last_line = 0.0
        self._live: Live | None = None

    def __enter__(self) -> Screen:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            if error is None:
                self._tick()
            self._live.stop()
            self._live = None

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return clock.monotonic() - self._began

    def step(self, text: str) -> None:
        """A new step begins."""
        if self._live is None:
            self._line(text)
        self._tick()
        self._steps.append((text, self.seconds))
        self._refresh()

    def _tick(self) -> None:
        """Tell that the last step is done."""
        if self._live is not None and self._steps:
            done, began = self._steps.pop()
            self._live.console.print(f"[green]✓[/] {done} [dim]{self.seconds - began:.1f} s[/]")

    def status(self, status: Status) -> None:
        """Show how far things are."""
        self._status = status
        if self._live is not None:
            self._refresh()
        elif self.seconds - self._last_line >= _QUIET_SECONDS:
            self._line(_numbers(status))

    def _line(self, text: str) -> None:
        self._last_line = self.seconds
        sys.stdout.write(f"{self.seconds:6.1f} s  {text}\n")
        sys.stdout.flush()

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)

    def _picture(self) -> Group:
        parts: list[Text] = []
        if self._steps:
            text, began = self._steps[-1]
            parts.append(Text(f"▸ {text} {self.seconds - began:.0f} s", style="bold"))
        if self._status is not None:
            parts.append(Text(f"  {_numbers(self._status)}"))
            parts.append(Text(f"  {self._status.processes}"))
        return Group(*parts)


def _numbers(status: Status) -> str:
    return (
        f"{status.packets:,} packets written · {status.captured:,} rows captured"
        f" · {status.waiting:,} waiting · {status.kills} kills"
    )
