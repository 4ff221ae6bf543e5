"""A folder with a configuration, and the program in it: in this process, or as a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click.testing
import pytest

from replicator.cli.main import main
from tests.cli.scene import Scene
from tests.faults.centres import KINDS, Centre, Kind, centre_of
from tests.faults.proxy import FaultProxy


@dataclass(frozen=True)
class Station:
    """``ini`` writes its replicator.ini; ``run`` is in-process, ``start`` a process of its own."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "replicator.ini"

    def ini(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")
        self.path.chmod(0o600)

    def run(self, *arguments: str) -> click.testing.Result:
        return click.testing.CliRunner().invoke(main, arguments)

    def start(
        self, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "replicator", *arguments],
            cwd=self.folder,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Station:
    """An empty folder as working directory; none of our variables set."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("REPLICATOR_"):
            monkeypatch.delenv(name)
    return Station(tmp_path)


@pytest.fixture(params=KINDS)
def centre(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Centre]:
    """An empty central server of each kind."""
    kind: Kind = request.param
    with centre_of(kind, tmp_path) as running:
        yield running


@pytest.fixture
def proxy(centre: Centre) -> Iterator[FaultProxy]:
    """Before it."""
    with FaultProxy(centre.url) as running:
        yield running


@pytest.fixture
def scene(proxy: FaultProxy, tmp_path: Path) -> Iterator[Scene]:
    """Two furnished houses, nothing sent yet."""
    made = Scene(tmp_path, {"centre": proxy.url})
    made.furnish()
    yield made
    made.close()
