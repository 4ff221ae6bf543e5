"""`replicator web` as a process."""

from __future__ import annotations

import json
import signal
import urllib.request

from tests.cli.conftest import Station
from tests.web.folder import TOKEN, fill

INI = """[source]
user = u
password = p
[outbox]
path = outbox
[destination home]
url = http://127.0.0.1:9/
[web]
listen = 127.0.0.1:0
token_file = token
"""


def test_it_serves_until_sigterm(folder: Station) -> None:
    folder.ini(INI)
    (folder.folder / "token").write_text(f"{TOKEN}\n")
    (folder.folder / "token").chmod(0o600)
    fill(folder.folder / "outbox")
    process = folder.start("web")
    assert process.stdout is not None
    url = process.stdout.readline().removeprefix("listening on ").strip()
    with urllib.request.urlopen(f"{url}healthz", timeout=60) as answer:
        assert json.load(answer)["healthy"] is True
    request = urllib.request.Request(f"{url}certificate", b"destination=home&house=1&month=03")
    request.add_header("Authorization", f"Bearer {TOKEN}")
    try:
        urllib.request.urlopen(request, timeout=60)
        said = "no error"
    except urllib.error.HTTPError as error:
        said = f"{error.code} {error.read().decode()}"
        error.close()
    assert said.startswith("400")
    assert "that is not a month" in said
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert TOKEN not in err


def test_mistakes_are_told(folder: Station) -> None:
    folder.ini(INI)
    (folder.folder / "token").write_text("short")
    (folder.folder / "token").chmod(0o600)
    short = folder.run("web")
    assert (short.exit_code, "openssl rand" in short.stderr) == (2, True)
    folder.ini(INI.replace("127.0.0.1:0", "0.0.0.0:0").replace("token_file = token\n", ""))
    bare = folder.run("web")
    assert (bare.exit_code, "needs a token" in bare.stderr) == (2, True)
    folder.ini(f"{INI}hosts = station.example.org:80\n")
    wrong = folder.run("web")
    assert (wrong.exit_code, "without a port" in wrong.stderr) == (2, True)
