"""The configurations in provision/nats are ones that nats-server takes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.jetstream.tls import Authority

TEMPLATES = Path(__file__).parents[2] / "provision" / "nats"


@pytest.mark.parametrize("name", ["hub.conf", "leaf.conf"])
def test_nats_server_takes_it(name: str, tmp_path: Path) -> None:
    authority = Authority.made(tmp_path / "nats")
    authority.sign("server")
    text = (TEMPLATES / name).read_text().replace("/etc/nats", str(authority.folder))
    config = tmp_path / name
    config.write_text(text.replace("/var/lib/nats", str(tmp_path / "data")))
    server = shutil.which("nats-server", path="/usr/sbin:/usr/bin:/usr/local/bin")
    assert server is not None
    secrets = {"SHIP_PASSWORD": "wordone", "STATION_7_PASSWORD": "wordtwo"}
    done = subprocess.run(
        [server, "-t", "-c", str(config)],
        env=secrets | {"HUB_URL": "tls://station-7:wordtwo@127.0.0.1:7422"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
