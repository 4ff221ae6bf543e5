"""What `replicator backlog` prints."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from datetime import datetime, timezone
from typing import Any

import pytest

from replicator.backlog import Daemon, Forecast, Rates
from replicator.backlog.words import age_text, size_text, span_text
from replicator.change import Change, Commit, Op, Position, Row
from replicator.cli.backlog_text import empty_text, forecast_line, rate_text, state_text
from replicator.outbox.gaps import record_gap
from replicator.outbox.status import Status, StatusBoard
from replicator.outbox.writer import OutboxWriter
from tests.cli.conftest import Station

COLUMNS = ("time", "nodeId", "type", "locationId", "value")
INI = "[source]\nuser = u\npassword = p\n[outbox]\npath = outbox\n[destination home]\nurl = http://127.0.0.1:9/\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5400, "1.5 h"), (129_600, "1.5 d")],
)
def test_an_age_has_one_unit(seconds: float, text: str) -> None:
    assert age_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 40, "5120.0 GiB")]
)
def test_a_size_has_one_unit(size: int, text: str) -> None:
    assert size_text(size) == text


def test_a_state_says_why_and_until_when() -> None:
    waiting = Daemon("waiting", "no link", "2026-03-01T12:00:00Z", "2026-03-01T12:05:00Z")
    assert state_text(waiting) == "waiting until 2026-03-01T12:05:00Z: no link"
    later = state_text(waiting, "2026-03-01T12:05:01.000Z")
    assert later == "waiting, trying again since 2026-03-01T12:05:00Z: no link"
    assert state_text(Daemon("never started", "", None, None)) == "never started"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(119, "119 s"), (120, "2 min"), (3600, "1 h 0 min"), (273_600, "3 d 4 h")],
)
def test_a_span_has_two_units(seconds: float, text: str) -> None:
    assert span_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (273_600.0, "      the source may purge what is unread in 3 d 4 h, not before (age)"),
        (3600.0, "      WARNING: the source may purge what is unread in 1 h 0 min"),
        (-1.0, "      WARNING: the source may purge what is unread ever since"),
        (None, "      the source purges nothing by itself"),
    ],
)
def test_the_forecast_warns_below_its_threshold(seconds: float | None, words: str) -> None:
    until = None if seconds is None else "2026-03-01T00:00:00.000Z"
    forecast = Forecast("2026-03-01T00:00:00.000Z", 9, until, seconds, "age")
    assert forecast_line(forecast, 86_400.0).startswith(words)


def test_without_an_outbox_it_is_7(folder: Station) -> None:
    folder.ini(INI)
    result = folder.run("backlog")
    assert result.exit_code == 7
    assert "start tail" in result.stderr


def test_text_and_json_say_the_same(folder: Station) -> None:
    folder.ini(INI)
    writer = OutboxWriter(folder.folder / "outbox")
    start = Position("mariadb-1", "b.1", 4)
    writer.begin_at(start, None)
    writer.append(Change("Reading", Op.INSERT, COLUMNS, [("t", 7, 1, None, 0.5)] * 3))
    at = datetime(2026, 3, 1, tzinfo=timezone.utc)
    writer.commit(Commit(Position("mariadb-1", "b.1", 9), at))
    writer.flush()
    record_gap(writer.database, start, "purged")
    writer.close()
    shown = folder.run("backlog")
    assert shown.exit_code == 0
    assert "3 rows captured" in shown.output
    assert "never started" in shown.output
    assert "open: run `replicator heal`" in shown.output
    said = json.loads(folder.run("backlog", "--json").output)
    assert said["destinations"][0]["waiting_rows"] == 3
    assert said["gaps"][0]["reason"] == "purged"


def filled(folder: Station) -> OutboxWriter:
    """Two houses' readings; no daemon runs."""
    folder.ini(f"{INI}enabled = no\n")
    writer = OutboxWriter(folder.folder / "outbox")
    writer.begin_at(Position("mariadb-1", "b.1", 4), None)
    rows: dict[str, list[Row]] = {
        "House": [(1, "12 High St"), (2, "Mill")],
        "Location": [(1, 1), (2, 2)],
        "Reading": [*[("t", 7, 1, 1, 0.5)] * 3, ("u", 8, 1, 2, 0.5)],
    }
    columns = {"House": ("id", "address"), "Location": ("id", "houseId"), "Reading": COLUMNS}
    at = datetime.now(timezone.utc)
    for number, (table, cells) in enumerate(rows.items()):
        writer.append(Change(table, Op.INSERT, columns[table], cells))
        writer.commit(Commit(Position("mariadb-1", "b.1", 9 + number), at))
    writer.flush()
    return writer


def test_check_is_0_1_2_or_3(folder: Station) -> None:
    writer = filled(folder)
    board = StatusBoard(writer.database)
    board.show(Status("running"))
    fine = folder.run("backlog", "--check")
    assert (fine.exit_code, fine.output) == (0, "OK: replicator: all is well\n")
    folder.ini(f"{INI}enabled = no\n[alarm]\noutbox_warning = 1\n")
    writer.database.conn.execute("CREATE TABLE ballast AS SELECT zeroblob(30000000)")
    warned = folder.run("backlog", "--check")
    assert (warned.exit_code, warned.output.split(":")[:2]) == (1, ["WARNING", " tail"])
    board.show(Status("stopped", "the disk"))
    critical = folder.run("backlog", "--check", "--json")
    assert (critical.exit_code, json.loads(critical.output)["level"]) == (2, "critical")
    assert folder.run("backlog").exit_code == 0
    writer.close()
    (folder.folder / "outbox" / "outbox.db").unlink()
    unknown = folder.run("backlog", "--check")
    assert (unknown.exit_code, unknown.stdout) == (3, "")
    assert "no such outbox" in unknown.stderr
    folder.ini("[nonsense]\n")
    assert folder.run("backlog", "--check").exit_code == 3
    assert folder.run("backlog").exit_code == 2


def test_one_house_by_its_address_or_id(folder: Station) -> None:
    filled(folder).close()
    for house in ("12 High St", "1"):
        (share,) = shares(folder, "--house", house)
        assert (share["house"], share["rows"]) == ("12 High St (house 1)", 5)
    assert [share["lane"] for share in shares(folder, "--house")] == ["house:1", "house:2"]
    unknown = folder.run("backlog", "--house", "nowhere")
    assert unknown.exit_code == 2
    assert "no house has the address" in unknown.stderr
    assert "12 High St (house 1): 5 waiting" in folder.run("backlog").output


def shares(folder: Station, *options: str) -> list[dict[str, Any]]:
    said = json.loads(folder.run("backlog", "--json", *options).output)
    found: list[dict[str, Any]] = said["destinations"][0]["shares"]["by_house"]
    return found


def test_watch_looks_again_until_ctrl_c(folder: Station) -> None:
    filled(folder).close()
    process = folder.start("backlog", "--watch", "--json")
    assert process.stdout is not None
    looks = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert looks[0]["at"] < looks[1]["at"]


def test_watch_draws_on_a_terminal(folder: Station) -> None:
    filled(folder).close()
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "replicator", "backlog", "--watch"],
        cwd=folder.folder,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    drawn = b""
    while b"12 High St" not in drawn:
        drawn += os.read(ours, 65_536)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    os.close(ours)
    assert (process.returncode, err) == (0, b"")


def test_a_look_imports_nothing_that_it_does_not_need(folder: Station) -> None:
    """What makes it quick: no database driver, no HTTP, no tools that make files."""
    filled(folder).close()
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "replicator", "backlog"],
        cwd=folder.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "by house" in said.stdout
    imported = set(re.findall(r"\| +(\w+)", said.stderr))
    assert "replicator" in imported
    assert not imported & {"sqlite_utils", "pymysql", "requests", "sqlalchemy", "rich", "flask"}


@pytest.mark.parametrize(
    ("rate", "text"),
    [(None, "?"), (0.0, "0"), (0.001, "<0.01"), (0.05, "0.05"), (3.25, "3.2"), (1234.5, "1,234")],
)
def test_a_rate_has_few_digits(rate: float | None, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("rates", "text"),
    [
        (Rates(1, 1, 1, "never", None), "never"),
        (Rates(1, 9, 1, "later", 7200.0), "~2 h 0 min"),
        (Rates(1, 9, 1, "now", 0.0), "-"),
        (Rates(None, 9, 1, "unknown", None), "?"),
    ],
)
def test_when_nothing_will_wait(rates: Rates, text: str) -> None:
    assert empty_text(rates) == text
