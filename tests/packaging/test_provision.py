"""The scripts that set machines up: their syntax, what they would do, what they refuse."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROVISION = ROOT / "provision"
SCRIPTS = sorted([*PROVISION.glob("*.sh"), ROOT / ".ci" / "run"])


def bash(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=60,
    )


def station(*arguments: str) -> subprocess.CompletedProcess[str]:
    return bash(PROVISION / "station.sh", "--dry-run", *arguments)


def sections() -> dict[str, list[str]]:
    """packages.txt: section → packages."""
    found: dict[str, list[str]] = {}
    for line in (PROVISION / "packages.txt").read_text().splitlines():
        if match := re.fullmatch(r"\[(\w+)\]", line):
            packages = found.setdefault(match[1], [])
        elif line and not line.startswith("#"):
            packages.append(line.split()[0])
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_are_valid_and_can_be_run(script: Path) -> None:
    assert bash("-n", script).returncode == 0
    assert os.access(script, os.X_OK)


def test_ci_runs_the_test_command_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["exec make test"]


def test_the_list_of_packages_has_both_sections() -> None:
    assert set(sections()) == {"develop", "mysql", "station", "central"}
    assert "mariadb-server-core" in sections()["develop"]
    assert "mariadb-server" not in sections()["develop"]  # that one would start a service
    assert "mariadb-server" in sections()["station"]


def test_the_list_is_the_only_place_that_names_packages() -> None:
    packages = {name for names in sections().values() for name in names}
    for file in (*SCRIPTS, ROOT / "Makefile", ROOT / "Vagrantfile"):
        words = set(re.findall(r"[a-z0-9][a-z0-9.+-]+", file.read_text()))
        named = words & packages - {"shellcheck", "npm", "systemd"}  # programs of these names too
        assert not named, f"{file}: {named}"


def test_nothing_is_installed_where_all_is_there(tmp_path: Path) -> None:
    copy = tmp_path / "install-packages.sh"
    shutil.copy(PROVISION / "install-packages.sh", copy)
    (tmp_path / "packages.txt").write_text(
        "[develop]\nno-such-package-1  bash\nno-such-package-2  module:json\n"
    )
    done = bash(copy, "develop", PYTHON=sys.executable)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_only_what_is_missing_of_the_section_is_installed(tmp_path: Path) -> None:
    copy = tmp_path / "install-packages.sh"
    shutil.copy(PROVISION / "install-packages.sh", copy)
    fake = tmp_path / "bin"
    fake.mkdir()
    for name in ("apt-get", "sudo"):
        (fake / name).write_text("#!/bin/sh\nexit 3\n")
        (fake / name).chmod(0o755)
    (tmp_path / "packages.txt").write_text(
        "# a comment\n[develop]\nno-such-package-1\nno-such-package-2  no-such-program\n"
        "no-such-package-3  bash\nno-such-package-4  module:no_such_module\n"
        "[station]\nno-such-package-5\n"
    )
    path = f"{fake}:{os.environ['PATH']}"
    done = bash(copy, "--dry-run", "develop", PYTHON=sys.executable, PATH=path)
    assert done.returncode == 0
    packages = "no-such-package-1 no-such-package-2 no-such-package-4"
    assert done.stdout.endswith(f"install --yes --no-install-recommends {packages}\n")
    assert "DEBIAN_FRONTEND=noninteractive" in done.stdout
    assert bash(copy, "develop", PYTHON=sys.executable, PATH=path).returncode == 3  # apt-get's


def test_an_unknown_section_is_refused() -> None:
    done = bash(PROVISION / "install-packages.sh", "develop", "nonsense")
    assert done.returncode == 2
    assert "no section [nonsense]" in done.stderr


def test_a_dry_run_of_the_station_does_everything_in_words(tmp_path: Path) -> None:
    places = [Path("/opt/replicator"), Path("/etc/replicator"), Path("/etc/mysql")]
    before = [place.exists() for place in places]
    token = tmp_path / "token"
    done = station(
        "--destination", "https://central.example.org/", "--token-file", str(token),
        "--schema", str(ROOT / "demo" / "station.sql"), "--database", "station1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    steps = [
        "60-replicator.cnf /etc/mysql/mariadb.conf.d/60-replicator.cnf",
        "systemctl restart mariadb",
        "useradd --system",
        "venv /opt/replicator",
        f"pip install --quiet --disable-pip-version-check {ROOT}",
        "750 /etc/replicator /etc/replicator/secrets",
        f"-m 640 {token} /etc/replicator/secrets/token",
        "-m 640 /dev/stdin /etc/replicator/secrets/password",
        "-m 640 /dev/stdin /etc/replicator/replicator.ini",
        "CREATE DATABASE station1",
        "| mariadb station1",
        "10-replicator.conf /etc/systemd/system/replicator-.service.d/",
        "systemctl enable replicator-tail.service replicator-ship.service",
    ]
    place = 0
    for step in steps:
        assert step in done.stdout[place:], step
        place = done.stdout.index(step, place)
    assert [place.exists() for place in places] == before


def test_without_a_destination_only_capture_starts() -> None:
    done = station()
    assert "systemctl enable replicator-tail.service\n" in done.stdout
    assert "CREATE DATABASE" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--nonsense",), "unknown option --nonsense"),
        (("--database",), "--database wants a value"),
        (("--database", "a; DROP TABLE x"), "not a database name"),
        (("--destination", "ftp://x/"), "not a URL"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_done(
    arguments: tuple[str, ...], message: str
) -> None:
    done = station(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_help_tells_the_options() -> None:
    done = bash(PROVISION / "station.sh", "--help")
    assert done.returncode == 0
    for option in ("--destination URL", "--token-file FILE", "--dry-run"):
        assert option in done.stdout


def test_the_binlog_settings_are_the_needed_ones() -> None:
    text = (PROVISION / "60-replicator.cnf").read_text()
    settings = dict(re.findall(r"^(\w+)\s*=\s*(\S+)$", text, re.MULTILINE))
    assert settings["binlog_format"] == "ROW"
    assert settings["binlog_row_image"] == "FULL"
    assert settings["binlog_row_metadata"] == "FULL"
    assert settings.keys() >= {"server_id", "log_bin", "expire_logs_days"}


def test_the_page_is_served_where_it_is_wanted() -> None:
    done = station("--web")
    assert f"{ROOT}[web]\n" in done.stdout
    assert "enable replicator-tail.service replicator-web.service\n" in done.stdout


def test_a_dry_run_of_the_centre_does_everything_in_words() -> None:
    done = bash(PROVISION / "central.sh", "--dry-run", "--station", "house-17")
    assert done.returncode == 0, done.stderr
    steps = [
        "useradd --system",
        f"{ROOT}[central]\n",
        "-m 640 /dev/stdin /etc/replicator/replicator.ini",
        "--create-token house-17",
        "10-replicator.conf /etc/systemd/system/replicator-.service.d/",
        "systemctl enable replicator-central.service\n",
    ]
    place = 0
    for step in steps:
        assert step in done.stdout[place:], step
        place = done.stdout.index(step, place)


def test_the_centre_refuses_a_wrong_option() -> None:
    done = bash(PROVISION / "central.sh", "--dry-run", "--database", "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "central.sh: unknown option --database" in done.stderr


def test_the_vagrant_box_is_provisioned_by_the_script() -> None:
    text = (ROOT / "Vagrantfile").read_text()
    assert "bash /vagrant/provision/station.sh" in text
    assert 'config.vm.box = "debian/bookworm64"' in text
