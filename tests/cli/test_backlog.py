"""What `replicator backlog` prints."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from replicator.backlog import Daemon, Forecast
from replicator.change import Change, Commit, Op, Position
from replicator.cli.backlog import age_text, forecast_line, size_text, span_text, state_text
from replicator.outbox.gaps import record_gap
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
