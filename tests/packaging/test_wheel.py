"""The wheel: what is in it, and that it works where nothing of this checkout is."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest

import replicator

ROOT = Path(__file__).parents[2]
_PARTS = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "replicator", "migrations")


def packages_of(folder: Path, name: str) -> set[str]:
    """Dotted names of a package and the packages in it."""
    found = {name}
    for init in folder.rglob("__init__.py"):
        inside = init.parent.relative_to(folder).parts
        found.add(".".join((name, *inside)))
    return found


def test_setup_cfg_names_every_package() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = setup["options"]["packages"].split()
    expected = packages_of(ROOT / "replicator", "replicator") | {"replicator.migrations"}
    assert set(listed) == expected
    assert len(listed) == len(set(listed))


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        env={**os.environ, "PYTHONPATH": "", **environment},
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """The wheel, built from a copy: building leaves things in the tree."""
    source = tmp_path / "source"
    source.mkdir()
    for part in _PARTS:
        if (ROOT / part).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, source / part, ignore=ignore)
        else:
            shutil.copy(ROOT / part, source)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, source, cwd=tmp_path)
    (built,) = tmp_path.glob("*.whl")
    return built


@pytest.mark.timeout(600)
def test_the_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    migrations = {f"replicator/{p.relative_to(ROOT)}" for p in (ROOT / "migrations").rglob("*.sql")}
    assert migrations
    assert migrations <= set(names)
    assert "replicator/py.typed" in names
    assert not [name for name in names if name.startswith(("demo", "tests", "benchmarks"))]

    empty = tmp_path / "empty"
    run(sys.executable, "-m", "venv", empty, cwd=tmp_path)
    run(empty / "bin" / "pip", "install", "--quiet", f"{wheel}[central,web]", cwd=tmp_path)
    program = empty / "bin" / "replicator"
    assert replicator.__version__ in run(program, "--version", cwd=tmp_path)

    home = tmp_path / "home"
    home.mkdir()
    run(program, "init", cwd=home)
    outbox = home / "outbox"
    run(program, "migrate", cwd=home, REPLICATOR_OUTBOX_PATH=str(outbox))
    assert (outbox / "outbox.db").exists()
    assert "waiting" in run(program, "backlog", cwd=home, REPLICATOR_OUTBOX_PATH=str(outbox))
    serves(program, home, "central", "rest/capabilities/")
    serves(program, home, "web", "static/uplot.js")
    serves(program, home, "web", "login")


def serves(program: Path, home: Path, command: str, path: str) -> None:
    """`replicator central` or `web` of the wheel answers."""
    server = subprocess.Popen(
        [program, command, "--listen", "127.0.0.1:0"],
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        with urllib.request.urlopen(f"{url}{path}", timeout=30) as answer:
            assert answer.status == 200
        server.terminate()
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.communicate()
