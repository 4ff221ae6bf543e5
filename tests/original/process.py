"""The stand-in as a process of its own, to be killed; its data stay on disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from demo.mariadbd import die_with_parent, free_port
from tests.original.store import Json, Store
from tests.original.values import Cell

_ROOT = Path(__file__).parent.parent.parent


class OriginalProcess:
    """Runs between ``start()`` and ``kill()``, on one port and one file in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "original.db"
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> OriginalProcess:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Without a slash at its end; REST is below ``/rest/``."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on what the last one left; returns when it listens."""
        command = [sys.executable, "-m", "tests.original.server"]
        self._process = subprocess.Popen(
            [*command, "--db", str(self.database), "--port", str(self.port)],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # only prctl
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            self.kill()
            raise RuntimeError("the stand-in did not start; its words are above")

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def rows(self, table: str) -> list[Json]:
        """Every row of a table, whether the process runs or not."""
        store = Store(str(self.database))
        try:
            return store.rows(table)
        finally:
            store.close()

    def execute(self, sql: str, parameters: Sequence[Cell] = ()) -> list[Json]:
        """One SQL statement on its file."""
        store = Store(str(self.database))
        try:
            return store.execute(sql, parameters)
        finally:
            store.close()
