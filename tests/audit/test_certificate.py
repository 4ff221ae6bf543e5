"""Certificates: what they say, that they are signed, and that nothing in them can be changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.audit.certificate import FORMAT, Signed
from replicator.audit.signature import KEY_FILE, SigningKey, check, fingerprint
from replicator.cli.main import main
from replicator.cli.web import web_settings
from replicator.config import Config
from replicator.errors import ConfigError, NotTheSame
from tests.audit.conftest import MINUTES, Audited

STATEMENT: dict[str, Any] = {"format": FORMAT, "complete": True, "tables": {"Reading": {"n": 3}}}


def run(audited: Audited, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(audited.world.config), *arguments])


def test_a_month_of_a_house(
    audited: Audited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, file = audited.world, tmp_path / "filed.json"
    made = ("certificate", "--house", "12 High St", "--month", "2015-03", "--output", str(file))
    done = run(audited, *made)
    assert done.exit_code == 0, done.output
    statement = json.loads(file.read_text())["statement"]
    readings, states = statement["tables"].values()
    assert readings["captured"] == readings["acknowledged"] == readings["present"] == 36
    assert (states["captured"], states["acknowledged"], states["present"]) == (38, 36, 36)
    assert statement["house"] == {"id": 1, "address": "12 High St"}
    assert (statement["complete"], statement["unexplained"]) == (True, 0)
    (parked,) = statement["parked"]
    assert (parked["table"], parked["reason"], parked["key"][2]) == ("NodeState", "null-key", None)
    assert file.with_suffix(".txt").read_text() in done.output
    if audited.ours:
        assert readings["acknowledged_digest"] == readings["present_digest"]

    config = Config.load(world.config, {})
    of_the_page = web_settings(config).certify(config.destinations[0].name, "1", "2015-03")
    assert Signed.parse(of_the_page.content).statement["tables"] == statement["tables"]

    checked = run(audited, "certificate", "--verify", str(file))
    assert (checked.exit_code, "the key is the station's" in checked.output) == (0, True)
    shown = run(audited, "certificate", "--fingerprint").stdout.strip()
    assert run(audited, "certificate", "--verify", str(file), "--key", shown).exit_code == 0
    assert run(audited, "certificate", "--verify", str(file), "--key", "SHA256:x").exit_code == 20
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")  # a researcher's, without configuration or key
    unknown = CliRunner().invoke(main, ["certificate", "--verify", str(file)])
    assert (unknown.exit_code, shown in unknown.output) == (21, True)
    file.write_text(file.read_text().replace('"unexplained": 0', '"unexplained": 1'))
    assert run(audited, "certificate", "--verify", str(file)).exit_code == 20

    key = (world.outbox / KEY_FILE).read_text()
    assert (world.outbox / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert key.splitlines()[1] not in done.output + checked.output + file.read_text()

    place = f"time = '{MINUTES[0].replace(' ', 'T')}' AND nodeId = 69 AND type = 0"
    audited.centre.execute(f"DELETE FROM Reading WHERE {place}")
    assert run(audited, *made).exit_code == 20
    statement = json.loads(file.read_text())["statement"]
    assert (statement["complete"], statement["unexplained"]) == (False, 1)
    assert statement["tables"]["Reading"]["present"] == 35


def test_the_key_stays(tmp_path: Path) -> None:
    first, second = SigningKey(tmp_path), SigningKey(tmp_path)
    assert first.fingerprint == second.fingerprint == fingerprint(first.public_key)
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    check(Signed.parse(second.sign(STATEMENT).to_json()))


@settings(max_examples=40, derandomize=True, deadline=None)
@given(place=st.integers(0, 10**6), letter=st.characters(codec="ascii", categories=("L", "N")))
def test_no_letter_can_be_changed(
    tmp_path_factory: pytest.TempPathFactory, place: int, letter: str
) -> None:
    content = SigningKey(tmp_path_factory.getbasetemp() / "key").sign(STATEMENT).to_json().decode()
    start = content.index('"statement"') + 12
    at = start + place % (content.index('"signature"') - start - 12)
    changed = content[:at] + letter + content[at + 1 :]
    try:
        same = json.loads(changed)["statement"] == STATEMENT
    except (json.JSONDecodeError, KeyError):
        same = False
    if not same:
        with pytest.raises(NotTheSame):
            check(Signed.parse(changed.encode()))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"statement": {}, "signature": {}}'])
def test_what_is_no_certificate(content: bytes) -> None:
    with pytest.raises(NotTheSame, match="not a certificate"):
        Signed.parse(content)


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    SigningKey(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o640)
    with pytest.raises(ConfigError, match="others can read"):
        SigningKey(tmp_path)


def test_a_damaged_key(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("no key")
    (tmp_path / KEY_FILE).chmod(0o600)
    with pytest.raises(ConfigError, match="damaged"):
        SigningKey(tmp_path)
