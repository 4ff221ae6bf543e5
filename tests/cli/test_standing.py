"""What a shipper says of its stations: a few looked at each time, all of them in the report."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from replicator.cli.backlog import look
from replicator.cli.standing import Reporter, standing_at, standing_of
from replicator.config import Config
from replicator.fleet.report import Standing, as_dict, report_of
from tests.cli.scene import Scene


@pytest.fixture
def config(tmp_path: Path) -> Config:
    ini = tmp_path / "fleet.ini"
    ini.write_text(
        "[source]\nuser = u\npassword = p\n[fleet]\nstations = *\n"
        f"[outbox]\npath = {tmp_path}\nurl = nats://127.0.0.1:9/F\n"
        "[destination centre]\nurl = http://127.0.0.1:9/\n"
    )
    ini.chmod(0o600)
    return Config.load(ini, {})


class Eye:
    """Looks at stations; each look takes a 64th of a second of its own clock: seven make a time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.takes = 1 / 64
        self.looked: list[str] = []

    def at(self, _config: Config, station: str) -> Standing:
        self.looked.append(station)
        self.now += self.takes
        return Standing(station, "fine", "running", 1, 0.0, 0)


def stations(many: int) -> list[str]:
    return [f"s{n:03}" for n in range(many)]


def test_it_looks_at_a_few_each_time_and_at_all_in_turn(config: Config) -> None:
    eye = Eye()
    reporter = Reporter(config, eye.at, lambda: eye.now)
    held = stations(95)
    sizes = []
    for _ in range(16):
        sizes.append(reporter.look(held)["stations"])
        eye.now += 1.0
    assert sizes == [*range(7, 92, 7), 95, 95, 95]
    assert reporter.said()["waiting_rows"] == 95
    assert eye.looked[:95] == held
    assert eye.looked[95:112] == held[:17]  # who was looked at longest ago comes first


def test_what_is_fresh_is_not_looked_at_again(config: Config) -> None:
    eye = Eye()
    reporter = Reporter(config, eye.at, lambda: eye.now)
    for _ in range(3):
        reporter.look(["a", "b"])
    assert eye.looked == ["a", "b"]
    eye.now += 6.0
    assert reporter.look(["a", "b"])["stations"] == 2
    assert eye.looked == ["a", "b", "a", "b"]


def test_what_was_given_up_is_not_in_it_and_what_is_new_comes_first(config: Config) -> None:
    eye = Eye()
    reporter = Reporter(config, eye.at, lambda: eye.now)
    for _ in range(3):
        reporter.look(stations(21))
    eye.now += 60.0
    assert reporter.look([*stations(15), "zzz"])["stations"] == 16
    assert eye.looked[21:23] == ["zzz", "s000"]
    assert reporter.look([])["stations"] == 0
    assert reporter.said() == as_dict(report_of([]))


def test_a_slow_look_is_one_look_and_holds_nobody_up(config: Config) -> None:
    eye = Eye()
    eye.takes = 9.0
    reporter = Reporter(config, eye.at, lambda: eye.now)
    assert [reporter.look(["a", "b"])["stations"] for _ in range(3)] == [1, 2, 2]


def test_it_goes_on_until_it_is_stopped(config: Config) -> None:
    eye = Eye()
    reporter = Reporter(config, eye.at, lambda: eye.now)
    reporter.run(lambda: ["a"], partial(_next, iter([0, 0, 1])))
    assert eye.looked == ["a"]
    assert reporter.said()["stations"] == 1


def _next(answers: Iterator[int], _seconds: float) -> bool:
    return bool(next(answers))


def test_a_folder_that_cannot_be_read_is_critical_and_says_why(config: Config) -> None:
    found = standing_at(config, "nowhere")
    assert (found.level, found.state) == ("critical", "unreadable")
    assert "outbox" in found.reason


@pytest.mark.parametrize("centre", ["ours"], indirect=True)
def test_a_station_s_standing_is_its_backlog(scene: Scene) -> None:
    scene.readings(1, range(7))
    config = Config.load(scene.path, {})
    waiting = standing_of("s", *look(config))
    assert waiting.waiting_rows == 7 + scene_references(scene)
    assert waiting.lag_seconds > 0
    assert waiting.level == "critical", "the rows are as old as the scene"
    scene.ship()
    done = standing_of("s", *look(config))
    assert (done.waiting_rows, done.lag_seconds, done.parked_rows) == (0, 0.0, 0)
    assert (done.state, done.level) == ("stopped", "fine"), "it was just taken, and begins"
    with closing(sqlite3.connect(scene.outbox / "centre.db")) as connection, connection:
        connection.execute("UPDATE status SET detail = 'the disk is full'")
    ended = standing_of("s", *look(config))
    assert (ended.state, ended.level) == ("stopped", "critical")
    assert "the disk is full" in ended.reason


def scene_references(scene: Scene) -> int:
    rows = scene.writer.database.query("SELECT count(*) AS n FROM reference")
    return int(next(iter(rows))["n"])
