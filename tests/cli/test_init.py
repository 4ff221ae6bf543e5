"""`replicator init` and the files made from the table of keys."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from replicator.cli import reference
from replicator.config import Config, example
from replicator.errors import ReplicatorError
from tests.cli.conftest import Station

TOP = Path(__file__).parent.parent.parent


def test_it_writes_a_file_that_loads_and_that_only_its_owner_reads(folder: Station) -> None:
    result = folder.run("init")
    assert result.exit_code == 0
    assert "replicator check --config replicator.ini" in result.output
    assert folder.path.read_text() == example()
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o600
    assert Config.load(folder.path, {}).destinations[0].name == "central"


def test_it_never_replaces_a_file_unasked(folder: Station) -> None:
    folder.ini("[station]\nname = mine\n")
    result = folder.run("init")
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert folder.path.read_text() == "[station]\nname = mine\n"


def test_force_replaces_it(folder: Station) -> None:
    folder.path.write_text("old")
    folder.path.chmod(0o644)
    assert folder.run("init", "--force").exit_code == 0
    assert folder.path.read_text() == example()
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("arguments", [("init", "--config"), ("--config",)])
def test_it_writes_where_it_is_told(folder: Station, arguments: tuple[str, ...]) -> None:
    path = folder.folder / "etc" / "r.ini"
    command = [*arguments, str(path)] + (["init"] if len(arguments) == 1 else [])
    assert folder.run(*command).exit_code == 0
    assert path.read_text() == example()
    assert [item.name for item in path.parent.iterdir()] == ["r.ini"]


def test_a_place_that_cannot_be_written(folder: Station) -> None:
    (folder.folder / "file").touch()
    result = folder.run("init", "--config", "file/r.ini")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


@pytest.mark.parametrize("name", sorted(reference.files()))
def test_a_generated_file_is_current(name: str) -> None:
    remake = "run `python -m replicator.cli.reference`"
    assert (TOP / name).read_text(encoding="utf-8") == reference.files()[name], remake


def test_every_error_has_its_row_and_its_own_exit_code() -> None:
    errors: list[type[ReplicatorError]] = [ReplicatorError, *reference.family(ReplicatorError)]
    codes = [error.exit_code for error in errors]
    assert len(set(codes)) == len(codes)
    for error in errors:
        assert f"| {error.exit_code} | `{error.__name__}` |" in reference.exit_codes()


def test_the_reference_is_written_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    reference.write()
    for name, text in reference.files().items():
        assert (tmp_path / name).read_text(encoding="utf-8") == text
