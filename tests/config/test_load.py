"""replicator.ini and the environment → Config, or one error that lists every mistake."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from replicator.config import Config, Listen, example
from replicator.config import types as config_types
from replicator.config.load import server_id
from replicator.config.raw import variable_name
from replicator.config.schema import DESTINATION, KEYS, SECRET_FILES
from replicator.config.types import StreamUrl
from replicator.errors import ConfigError

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> Path:
        path = tmp_path / "replicator.ini"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    return to_file


def mistakes(path: Path, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Config.load(path, environ)
    assert caught.value.exit_code == 2
    return caught.value.detail.splitlines()


def test_an_empty_file_gives_the_defaults(write: Write) -> None:
    config = Config.load(write(""), {})
    assert config.source.host == "127.0.0.1"
    assert config.source.port == 3306
    assert config.source.unix_socket is None
    assert config.source.password == ""
    assert config.source.snapshot is True
    assert config.source.server_id == server_id(config.station.name)
    assert config.outbox.path == Path("/var/lib/replicator")
    assert config.outbox.max_size == 2 << 30
    assert config.outbox.keep == 7 * 86400
    assert config.destinations == ()
    assert config.log.file is None
    assert config.central.listen == Listen("127.0.0.1", 8080)
    assert config.warnings == ()


def test_a_full_destination(write: Write) -> None:
    config = Config.load(
        write("[destination home]\nurl = http://h/base\ntoken = t0k\nenabled = no\nbatch_rows = 5"),
        {},
    )
    (home,) = config.destinations
    assert (home.name, home.url, home.token) == ("home", "http://h/base/", "t0k")
    assert (home.enabled, home.batch_rows, home.timeout) == (False, 5, 60.0)


def test_destinations_keep_the_order_of_the_file(write: Write) -> None:
    text = "".join(f"[destination {name}]\nurl = http://{name}\n" for name in ("z", "a", "m"))
    assert [d.name for d in Config.load(write(text), {}).destinations] == ["z", "a", "m"]


def test_the_server_id_is_stable_and_out_of_the_way(write: Write) -> None:
    config = Config.load(write("[station]\nname = barn\n"), {})
    assert config.source.server_id == server_id("barn") == 1316820648
    assert 1 << 30 <= server_id("anything") < 1 << 31


def test_the_environment_wins_over_the_file(write: Write) -> None:
    path = write("[source]\nport = 1\nhost = a\n[destination up-link]\nurl = http://a\n")
    config = Config.load(
        path,
        {
            "REPLICATOR_SOURCE_PORT": "2",
            "REPLICATOR_SOURCE_HOST": "",
            "REPLICATOR_DESTINATION_UP_LINK_TOKEN": "abc",
        },
    )
    assert (config.source.port, config.source.host) == (2, "a")
    assert config.destinations[0].token == "abc"


SAMPLES = {"daily_bytes": "20 MB", "windows": "01:00-05:30", "url": "nats://127.0.0.1/S"}
PAIR = ("cert_file", "key_file")


def test_every_key_can_come_from_the_environment(write: Write) -> None:
    path = write("[destination x]\nurl = http://x\n")
    for key in KEYS:
        section = f"{DESTINATION} x" if key.section == DESTINATION else key.section
        value = key.default or key.example or SAMPLES.get(key.name, "1")
        if key.name not in SECRET_FILES.values():
            given = {variable_name(section, key.name): value}
            if key.section == "fleet":
                given |= {"REPLICATOR_OUTBOX_URL": "nats://127.0.0.1/S"}
            if key.name in PAIR:
                given |= {variable_name(section, name): value for name in PAIR}
            Config.load(path, given)


def test_all_mistakes_come_at_once_in_the_order_of_the_file(write: Write) -> None:
    path = write(
        "[source]\nport = abc\nprot = 3\n[source]\n[destnation x]\n[destination y]\n"
        "[destination outbox]\n[destination a/b]\n[outbox]\nmax_size = 2 Gi\nnonsense\n"
    )
    assert mistakes(path, REPLICATOR_SOURCE_PROT="1", REPLICATOR_DESTINATION_Z_URL="x") == [
        "replicator.ini:2: [source] port: not a whole number from 1 to 65535",
        "replicator.ini:3: [source] has no key prot; did you mean port?",
        "replicator.ini:4: [source] is there twice, first on line 1",
        "replicator.ini:5: [destnation x]: there is no such section; did you mean destination?",
        "replicator.ini:6: [destination y] needs url",
        "replicator.ini:7: [destination outbox]: this name is taken, choose another",
        "replicator.ini:8: [destination a/b]: give it a name of letters, digits, _ . or -,"
        " such as [destination central]",
        "replicator.ini:10: [outbox] max_size: not a size such as 512 MiB, 2 GiB or 262144",
        "replicator.ini:11: neither [section] nor key = value",
        "REPLICATOR_DESTINATION_Z_URL: no such key; did you mean REPLICATOR_DESTINATION_Y_URL?",
        "REPLICATOR_SOURCE_PROT: no such key; did you mean REPLICATOR_SOURCE_PORT?",
    ]


@pytest.mark.parametrize("other", ["a_b", "A-B"])
def test_destinations_that_share_a_variable_are_refused(write: Write, other: str) -> None:
    path = write(f"[destination a-b]\nurl = http://a\n[destination {other}]\nurl = http://b\n")
    assert mistakes(path) == [
        f"[destination a-b] and [destination {other}] would share"
        " REPLICATOR_DESTINATION_A_B_ENABLED: rename one"
    ]


def test_a_variable_with_two_readings_is_refused(write: Write) -> None:
    path = write("[destination a]\nurl = http://a\n[destination a_connect]\nurl = http://b\n")
    (mistake,) = mistakes(path)
    assert "REPLICATOR_DESTINATION_A_CONNECT_TIMEOUT" in mistake


def test_a_wrong_secret_is_never_repeated(write: Write) -> None:
    path = write("[source]\nport = hunter2\nhunter2\n")
    assert all("hunter2" not in mistake for mistake in mistakes(path))


def test_a_secret_can_stand_in_a_file_of_its_own(write: Write, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("päss \n", encoding="utf-8")
    (tmp_path / "pw").chmod(0o600)
    config = Config.load(write("[source]\npassword_file = pw\n"), {})
    assert config.source.password == "päss "
    assert config.warnings == ()


def test_a_credential_of_systemd_goes_before_a_relative_secret_file(
    write: Write, tmp_path: Path
) -> None:
    for name, text in (("given/secrets_pw", "of systemd\n"), ("secrets/pw", "of the folder\n")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    given = tmp_path / "given"
    path = write("[source]\npassword_file = secrets/pw\n")
    assert Config.load(path, {}).source.password == "of the folder"
    environ = {"CREDENTIALS_DIRECTORY": str(given)}
    assert Config.load(path, environ).source.password == "of systemd"
    absolute = write(f"[source]\npassword_file = {tmp_path}/secrets/pw\n")
    assert Config.load(absolute, environ).source.password == "of the folder"
    (given / "secrets_pw").unlink()
    assert Config.load(path, environ).source.password == "of the folder"


def test_a_missing_secret_file_is_a_mistake(write: Write, tmp_path: Path) -> None:
    assert mistakes(write("[source]\npassword_file = pw\n")) == [
        f"replicator.ini:2: {tmp_path / 'pw'}: No such file or directory"
    ]


def test_a_secret_and_its_file_together_are_a_mistake(write: Write) -> None:
    path = write("[destination a]\nurl = http://a\ntoken = x\ntoken_file = y\n")
    assert mistakes(path) == [
        "replicator.ini:4: [destination a] has both token and token_file; keep one"
    ]


def test_a_secret_in_the_environment_wins_over_a_secret_file(write: Write, tmp_path: Path) -> None:
    path = write("[source]\npassword_file = missing\n")
    assert Config.load(path, {"REPLICATOR_SOURCE_PASSWORD": "x"}).source.password == "x"
    (tmp_path / "pw").write_text("y")
    both = write("[source]\npassword = z\n")
    assert Config.load(both, {"REPLICATOR_SOURCE_PASSWORD_FILE": "pw"}).source.password == "y"


def test_secrets_show_in_no_repr(write: Write) -> None:
    text = "[source]\npassword = s3cret-a\n[destination a]\nurl = http://a\ntoken = s3cret-b\n"
    text += "[central]\ndatabase = mysql+pymysql://u:s3cret%2Fc@h/db\n"
    config = Config.load(write(text), {})
    assert "s3cret" not in repr(config)
    assert set(config.secrets()) == {"s3cret-a", "s3cret-b", "s3cret%2Fc", "s3cret/c"}


@pytest.mark.parametrize(
    "text",
    [
        "[source]\npassword = x\n",
        "[destination a]\nurl = http://a\ntoken = x\n",
        "[central]\ndatabase = mysql+pymysql://u:pw@h/db\n",
    ],
)
def test_a_secret_everyone_can_read_is_warned_of(write: Write, text: str) -> None:
    path = write(text)
    assert Config.load(path, {}).warnings == ()
    path.chmod(0o644)
    assert Config.load(path, {}).warnings == (
        f"{path} holds a secret and everyone can read it: chmod 640",
    )


def test_a_readable_file_without_secrets_is_fine(write: Write) -> None:
    path = write("[source]\npassword =\n[central]\ndatabase = sqlite:///x.db\n")
    path.chmod(0o644)
    assert Config.load(path, {}).warnings == ()


def test_an_unknown_variable_of_ours_is_warned_of(write: Write) -> None:
    config = Config.load(write(""), {"REPLICATOR_HOUSE": "1", "REPLICATOR_CONFIG": "x"})
    assert config.warnings == ("the environment variable REPLICATOR_HOUSE means nothing here",)


def test_relative_paths_start_at_the_files_folder(write: Write, tmp_path: Path) -> None:
    config = Config.load(write("[outbox]\npath = out\n[log]\nfile = ../x.log\n"), {})
    assert config.outbox.path == tmp_path / "out"
    assert config.log.file == tmp_path / ".." / "x.log"


def test_the_file_is_looked_for_in_order(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other.ini"
    other.write_text("[station]\nname = other\n")
    third = tmp_path / "third.ini"
    third.write_text("[station]\nname = third\n")
    write("[station]\nname = here\n")
    environ = {"REPLICATOR_CONFIG": str(other)}
    assert Config.load(third, environ).station.name == "third"
    assert Config.load(None, environ).station.name == "other"
    assert Config.load(None, {}).station.name == "here"


def test_no_file_anywhere_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="replicator init") as caught:
        Config.load(None, {})
    assert "/etc/replicator/replicator.ini" in caught.value.detail


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"[a]\n\xff", "not UTF-8"), (b"#" * (1 << 21), "too large")],
)
def test_a_file_that_is_no_text_of_ours(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "x.ini"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        Config.load(path, {})


@pytest.mark.parametrize("name", ["missing.ini", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Config.load(tmp_path / name, {})


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "x.ini"
    path.write_bytes(b"\xef\xbb\xbf[station]\nname = x\n")
    assert Config.load(path, {}).station.name == "x"


@pytest.mark.parametrize("section", ["station", "source", "outbox", DESTINATION, "log", "central"])
def test_the_table_of_keys_and_the_dataclasses_agree(section: str) -> None:
    fields = dataclasses.fields(getattr(config_types, f"{section.title()}Config"))
    keys = {key.name for key in KEYS if key.section == section} - set(SECRET_FILES.values())
    own = {"name"} if section == DESTINATION else set()
    assert {field.name for field in fields} - own == keys


def test_the_example_loads_and_says_only_the_defaults(write: Write) -> None:
    shown = Config.load(write(example()), {})
    plain = Config.load(write("[destination central]\nurl = https://central.example.org/"), {})
    assert shown == plain


def test_uncommenting_every_default_changes_nothing(write: Write) -> None:
    loaded = Config.load(write(example()), {})
    lines = [
        line[1:] if line.startswith("#") and not line.startswith("# ") else line
        for line in example().splitlines()
    ]
    uncommented = "\n".join(lines)
    assert "\nport = 3306\n" in uncommented
    assert Config.load(write(uncommented), {}) == loaded


@pytest.mark.parametrize(
    ("url", "folder"), [("sqlite:////srv/outbox", "/srv/outbox"), ("sqlite:///near", "near")]
)
def test_a_folder_can_be_named_by_a_url(
    write: Write, tmp_path: Path, url: str, folder: str
) -> None:
    config = Config.load(write(f"[outbox]\nurl = {url}"), {})
    assert (config.outbox.path, config.outbox.url) == (tmp_path / folder, None)
    both = f"[outbox]\npath = /srv/other\nurl = {url}"
    (mistake,) = mistakes(write(both))
    assert mistake == "replicator.ini:3: [outbox] url and path both name a folder; keep one"


def test_an_outbox_on_a_stream_keeps_its_folder(write: Write) -> None:
    text = "[outbox]\npath = /srv/outbox\nurl = nats://me:s3cret@a:4222,b/STATIONS"
    config = Config.load(write(text), {})
    assert config.outbox.path == Path("/srv/outbox")
    assert config.outbox.url == StreamUrl(
        ("nats://me:s3cret@a:4222", "nats://me:s3cret@b"), "STATIONS"
    )
    assert "s3cret" in config.secrets()
    assert "s3cret" not in repr(config)


def test_tls_to_the_stream(write: Write, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x")
    (tmp_path / "key").chmod(0o644)
    text = "[outbox]\nurl = tls://a,b/S\ncert_file = cert\nkey_file = key\n"
    config = Config.load(write(text), {})
    assert config.outbox.url == StreamUrl(("tls://a", "tls://b"), "S", tls=True)
    assert config.outbox.key_file == tmp_path / "key"
    assert any("chmod" in warning for warning in config.warnings)
    (mistake,) = mistakes(write("[outbox]\nurl = tls://a/S\ncert_file = cert\n"))
    assert mistake == "replicator.ini:3: [outbox] cert_file needs key_file"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///",
        "nats://a",
        "nats://a/",
        "nats:///S",
        "nats://a/S.T",
        "nats://a:x/S",
        "http://a",
    ],
)
def test_an_outbox_that_is_nowhere(write: Write, url: str) -> None:
    (mistake,) = mistakes(write(f"[outbox]\nurl = {url}"))
    assert mistake.startswith("replicator.ini:2: [outbox] url: ")


def test_a_fleet_needs_a_stream(write: Write) -> None:
    path = write("[fleet]\nstations = a, , b\nlease = 0\n")
    with pytest.raises(ConfigError) as caught:
        Config.load(path, {})
    assert "not names or patterns" in caught.value.detail
    assert "not a duration" in caught.value.detail
    path = write("[fleet]\nstations = north-*\n")
    with pytest.raises(ConfigError, match=r"needs \[outbox\] url"):
        Config.load(path, {})


def test_a_station_of_a_fleet_has_a_folder_of_its_own(write: Write) -> None:
    path = write("[outbox]\nurl = nats://h/S\npath = /p\n[fleet]\nstations = north-*, Höhe ?\n")
    config = Config.load(path, {})
    one = config.at_station("Höhe 3")
    assert (one.station.name, str(one.outbox.path)) == ("Höhe 3", "/p/H=C3=B6he=203")
    assert not one.fleet.stations
    with pytest.raises(ConfigError, match="not one of this fleet"):
        config.at_station("south-1")
