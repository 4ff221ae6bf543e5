"""Without the extra jetstream: whatever needs it says what to install, and what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_WITHOUT = "import sys; sys.modules['nats'] = None; from replicator.cli.main import main; main()"
_INI = """\
[station]
name = north
[source]
user = replicator
[outbox]
url = nats://127.0.0.1:1/STATIONS
path = {folder}/outbox
[destination central]
url = http://127.0.0.1:1/
"""
_FLEET = _INI.replace("[station]\nname = north", "[fleet]\nstations = *")
_FOLDER = _INI.replace("url = nats://127.0.0.1:1/STATIONS\n", "")
_COMMANDS = [
    (_INI, "tail"),
    (_INI, "ship"),
    (_INI, "ship --once"),
    (_FLEET, "ship"),
    (_FLEET, "ship --once"),
    (_FLEET, "backlog"),
    (_FLEET, "status"),
    (_INI, "leaf add north --domain north"),
    (_FOLDER, "outbox move --to nats://127.0.0.1:1/STATIONS"),
    (_INI, "heal --everything"),
]


@pytest.mark.parametrize(("ini", "command"), _COMMANDS)
def test_it_is_said_what_to_install(ini: str, command: str, tmp_path: Path) -> None:
    config = tmp_path / "replicator.ini"
    config.write_text(ini.format(folder=tmp_path))
    ran = subprocess.run(
        [sys.executable, "-c", _WITHOUT, *command.split(), "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "pip install 'replicator[jetstream]'" in ran.stderr, ran
    assert "Traceback" not in ran.stderr
    assert ran.returncode == 2
