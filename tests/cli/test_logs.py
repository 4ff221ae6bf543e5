"""The log: formats, secrets, rotation by several processes, and errors for people."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from replicator.cli import logs
from replicator.config import LogConfig
from replicator.errors import ConfigError, SourceUnavailable

LOG = LogConfig("info", "text", None, 1 << 20, 2)
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
Lines = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    yield
    logs.close()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    def written() -> list[str]:
        return capsys.readouterr().err.splitlines()

    return written


def test_a_line_of_text(lines: Lines) -> None:
    logs.set_up(LOG)
    logging.getLogger("replicator.tail").info("%d rows", 5, extra={"table": "Reading"})
    (line,) = lines()
    assert re.fullmatch(TIME + r" INFO replicator\.tail: 5 rows table=Reading", line)


def test_a_line_of_json(lines: Lines) -> None:
    logs.set_up(dataclasses.replace(LOG, format="json"))
    logging.getLogger("replicator.tail").warning("Größe\n%s", "x", extra={"rows": 5, "level": 1})
    (line,) = lines()
    record = json.loads(line)
    assert re.fullmatch(TIME, record.pop("time"))
    assert record == {
        "level": "warning",
        "logger": "replicator.tail",
        "message": "Größe\nx",
        "rows": 5,
    }


def test_a_message_is_one_line_whatever_is_in_it(lines: Lines) -> None:
    logs.set_up(LOG)
    logging.getLogger("replicator").info("a\n2026 CRITICAL forged\x1b[2J\u2028")
    (line,) = lines()
    assert line.endswith(r"a\n2026 CRITICAL forged\x1b[2J\u2028")


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_never_show(lines: Lines, form: Literal["text", "json"]) -> None:
    logs.set_up(dataclasses.replace(LOG, format=form), ["s3cret", "ch"])
    logger = logging.getLogger("replicator")
    try:
        int("s3cret in an exception")
    except ValueError:
        logger.exception("with s3cret", extra={"token": "s3cret"})
    written = "\n".join(lines())
    assert "s3cret" not in written
    assert "***" in written
    assert "exception" in written  # a secret too short to hide would hide half the log


def test_levels(lines: Lines) -> None:
    logs.set_up(LOG, level="warning")
    logging.getLogger("replicator.ship").info("no")
    logging.getLogger("replicator.ship").warning("yes")
    assert [line.split(" ")[-1] for line in lines()] == ["yes"]


@pytest.mark.parametrize("name", ["urllib3.connectionpool", "sqlalchemy.engine", "pymysql", "x"])
def test_libraries_speak_only_of_trouble(lines: Lines, name: str) -> None:
    logs.set_up(dataclasses.replace(LOG, level="debug"))
    logging.getLogger(name).info("chatter")
    logging.getLogger(name).warning("trouble")
    assert [line.split(" ")[-1] for line in lines()] == ["trouble"]


def test_a_file_rotates(tmp_path: Path) -> None:
    path = tmp_path / "r.log"
    logs.set_up(dataclasses.replace(LOG, file=path, max_bytes=1024))
    for number in range(200):
        logging.getLogger("replicator").info("line %d", number)
    names = sorted(item.name for item in tmp_path.iterdir())
    assert names == ["r.log", "r.log.1", "r.log.2"]
    assert all(item.stat().st_size <= 1024 for item in tmp_path.iterdir())
    assert path.read_text().splitlines()[-1].endswith("line 199")


def test_a_file_moved_away_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "r.log"
    logs.set_up(dataclasses.replace(LOG, file=path))
    logging.getLogger("replicator").info("one")
    path.rename(tmp_path / "old")
    logging.getLogger("replicator").info("two")
    assert path.read_text().endswith("two\n")
    assert (tmp_path / "old").read_text().endswith("one\n")


WRITER = """
import logging, sys
from pathlib import Path
from replicator.cli import logs
from replicator.config import LogConfig
logs.set_up(LogConfig("info", "text", Path(sys.argv[1]), 4096, 200))
for number in range(300):
    logging.getLogger("replicator").info("%s %d.", sys.argv[2], number)
logs.close()
"""


def test_processes_share_a_rotating_file_and_no_line_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "r.log"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in ("a", "b")
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    text = "".join(item.read_text() for item in tmp_path.iterdir())
    found = re.findall(r": ([ab] \d+)\.$", text, re.MULTILINE)
    assert sorted(found) == sorted(f"{name} {number}" for name in "ab" for number in range(300))
    assert len(list(tmp_path.iterdir())) < 2 * len(text) / 4096  # files are filled, not skipped


def test_a_file_that_cannot_be_opened_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[log\] file"):
        logs.set_up(dataclasses.replace(LOG, file=tmp_path / "no" / "r.log"))


def test_a_full_disk_sends_the_record_to_standard_error(lines: Lines) -> None:
    logs.set_up(dataclasses.replace(LOG, file=Path("/dev/full")))
    logging.getLogger("replicator").info("important")
    assert any(line.endswith("important") for line in lines())


ERROR = SourceUnavailable("no answer", "db:3306 with s3cret\nsecond line", "start it")
HUMAN = [
    "replicator: no answer",
    "  db:3306 with ***",
    "  second line",
    "  → start it",
]


def test_an_error_for_a_person(lines: Lines) -> None:
    logs.set_up(LOG, ["s3cret"])
    logs.report(ERROR)
    assert lines() == HUMAN


def test_an_error_also_goes_to_the_log_file(lines: Lines, tmp_path: Path) -> None:
    path = tmp_path / "r.log"
    logs.set_up(dataclasses.replace(LOG, format="json", file=path), ["s3cret"])
    logs.report(ERROR)
    assert lines() == HUMAN
    record = json.loads(path.read_text())
    assert (record["message"], record["hint"], record["exit_code"]) == ("no answer", "start it", 3)


def test_an_error_is_a_json_line_where_standard_error_is_json(lines: Lines) -> None:
    logs.set_up(dataclasses.replace(LOG, format="json"))
    logs.report(ERROR)
    (line,) = lines()
    assert json.loads(line)["message"] == "no answer"
