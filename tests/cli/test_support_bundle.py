"""The support bundle: what is in it, that no secret is, and that broken things do not cost it."""

from __future__ import annotations

import base64
import json
import stat
import tarfile
from pathlib import Path

import pytest

from replicator.cli.bundling import MOST_BYTES, last_lines
from replicator.cli.redacted import Redactor
from tests.cli.conftest import Station
from tests.cli.scene import Scene

SECRETS = ("pla nted/s3cret+'\"x", "planted-token-äö", "planted-in-a-url", "planted-in-a-comment")
INI = """\
[source]
port = 1
user = u
password = {0}
#old_password = {3}
[outbox]
path = outbox
[log]
file = replicator.log
[destination far]
url = http://127.0.0.1:1/
token_file = token
[central]
database = mysql+pymysql://u:{2}@localhost/central
"""


def bundle(folder: Station, *arguments: str) -> tuple[dict[str, str], str]:
    """Name → text of the one that was written, and what was said."""
    path = folder.folder / "b.tar.gz"
    result = folder.run("support-bundle", "--output", str(path), *arguments)
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return read(path), result.output


def read(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        found = {}
        for entry in tar.getmembers():
            file = tar.extractfile(entry)
            assert file is not None
            found[entry.name.removeprefix("replicator-support/")] = file.read().decode()
    return found


def planted(folder: Station, ini: str = INI) -> None:
    folder.ini(ini.format(*SECRETS))
    (folder.folder / "token").write_text(f"{SECRETS[1]}\n")
    lines = [f"log line with {secret} and {json.dumps(secret)}" for secret in SECRETS]
    lines += ["Authorization: Bearer unknown-to-us-0123456789", "mysql://x:outlandish@host/db"]
    (folder.folder / "replicator.log").write_text("\n".join(lines) + "\n")


def test_no_secret_is_anywhere_in_it(folder: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(folder)
    monkeypatch.setenv("REPLICATOR_DESTINATION_FAR_TOKEN", "planted-in-the-environment")
    files, said = bundle(folder)
    everything = "\n".join(files.values()) + said
    assert {"replicator.ini", "replicator.log", "check.json", "versions.json"} <= files.keys()
    assert "log line with ***" in files["replicator.log"]
    assert "REPLICATOR_DESTINATION_FAR_TOKEN = ***" in files["environment.txt"]
    forms = [*SECRETS, "planted-in-the-environment", "unknown-to-us-0123456789", "outlandish"]
    forms += [base64.b64encode(secret.encode()).decode() for secret in SECRETS]
    forms += [json.dumps(secret)[1:-1] for secret in SECRETS]
    assert [form for form in forms if form in everything] == []
    assert "planted" not in everything


@pytest.mark.parametrize(
    "broken",
    [
        INI + "[nonsense]\n",
        INI.replace("port = 1", "port = many"),
        "password = {0}\n\x00{1}[{2}{3}",
    ],
)
def test_no_secret_is_in_it_where_the_configuration_does_not_load(
    folder: Station, broken: str
) -> None:
    planted(folder, broken)
    files, said = bundle(folder, "--no-check")
    assert "NOT IN IT: what needs the configuration" in files["about.txt"]
    assert "replicator.ini" in files
    if "token_file" in broken:
        assert "planted" not in "\n".join(files.values()) + said
    else:
        assert SECRETS[0] not in files["replicator.ini"]


def test_what_is_broken_costs_nothing_else(folder: Station) -> None:
    planted(folder)
    outbox = folder.folder / "outbox"
    outbox.mkdir()
    (outbox / "outbox.db").write_bytes(b"not SQLite" * 1000)
    (folder.folder / "replicator.log").unlink()
    files, said = bundle(folder)
    for part in ("backlog.json", "outbox-outbox.json", "replicator.log"):
        assert part not in files
        assert f"not in it: {part}: " in said
        assert f"NOT IN IT: {part}: " in files["about.txt"]
    assert "outbox.db" in files["outbox-folder.txt"]
    failed = [each["part"] for each in json.loads(files["check.json"]) if not each["ok"]]
    assert {"source", "outbox", "destination far"} <= set(failed)


def test_without_any_configuration_there_is_a_bundle(folder: Station) -> None:
    files, said = bundle(folder)
    assert "there is no configuration" in said
    assert json.loads(files["versions.json"])["replicator"]


def test_a_station_at_work(scene: Scene, tmp_path: Path) -> None:
    scene.readings(1, range(20))
    scene.ship()
    path = tmp_path / "b.tar.gz"
    scene.said("support-bundle", "--no-check", "--output", str(path))
    files = read(path)
    (waiting,) = json.loads(files["backlog.json"])["destinations"]
    assert waiting["waiting_rows"] == 0
    assert json.loads(files["outbox-centre.json"])["receipts"]
    assert "21.5" not in files["outbox-outbox.json"]
    again = scene.run("support-bundle", "--output", str(tmp_path / "none" / "b.tar.gz"))
    assert again.exit_code == 2
    assert "cannot be written" in again.stderr


def test_of_a_long_log_the_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"line {number} {'x' * 500}\n" for number in range(5000)))
    found = last_lines(path)
    assert len(found) <= MOST_BYTES
    assert found.startswith("line ")
    assert found.rstrip().endswith("x")
    assert "line 4999 " in found


def test_a_redactor_leaves_other_words_alone() -> None:
    text = "password_file = /etc/replicator/x\nthe password is wrong\nurl = http://host:80/a@b\n"
    assert Redactor(["ch"]).redact(text) == text


def test_seeds_and_tokens_of_nats_are_taken_out_wherever_they_stand() -> None:
    seed, jwt = "SU" + "A2" * 28, "eyJ0eXAiOiJKV1QifQ.eyJqdGkiOiJBQkMifQ.c2lnbmF0dXJl"
    told = Redactor([]).redact(f"-----BEGIN-----\n{seed}\n{jwt}\nkey_file = /etc/replicator/key")
    assert told == "-----BEGIN-----\n***\n***\nkey_file = /etc/replicator/key"
