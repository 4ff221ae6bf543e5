"""Moving over, with the real commands: what is mapped, what was lost, and what is sent."""

from __future__ import annotations

import json
import stat
from typing import Any

from click.testing import CliRunner, Result

from replicator.cli.main import main
from tests.faults.centres import post
from tests.faults.compare import Difference
from tests.faults.world import PASSWORD
from tests.moving.conftest import LOCAL_DAYS, PLACES, Served, reading

Json = Any


def moved(served: Served, *arguments: str) -> Result:
    """import-legacy, in this process."""
    output = ("--output", str(served.world.config))
    return CliRunner().invoke(main, ["import-legacy", str(served.old), *arguments, *output])


def said(served: Served, *arguments: str) -> Json:
    """What it says as JSON of the one destination that is on."""
    result = moved(served, *arguments, "--json")
    assert result.exit_code == 0, result.output + result.stderr
    found = json.loads(result.stdout)["destinations"]
    return next(each for each in found if each["enabled"])


def settled(served: Served, *arguments: str) -> Json:
    result = CliRunner().invoke(
        main, ["--config", str(served.world.config), "settle", "cogentee", "--json", *arguments]
    )
    assert result.exit_code == 0, result.output + result.stderr
    return json.loads(result.stdout)[0]


def pushed_with_losses(served: Served) -> None:
    """All of house 1 but one reading of the 3rd, up to the 6th; house 2 never."""
    days = [day for day in LOCAL_DAYS if day <= 6]
    rows = [reading(d, n, k) for d in days for n in (69, 70) for k in (0, 1)]
    served.push(*(row for row in rows if row != reading(3, 70, 1)))


def test_what_it_writes_holds_no_secret_and_the_secret_is_the_owners(served: Served) -> None:
    result = moved(served, str(served.map_file()))
    assert result.exit_code == 0, result.output
    config = served.world.config
    secret = config.with_name("replicator.source-password")
    assert PASSWORD not in config.read_text() + result.output
    assert secret.read_text() == f"{PASSWORD}\n"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (config, secret)] == [0o600, 0o600]
    assert "enabled = no" in config.read_text()


def test_mappings_are_confirmed_corrected_or_refused(served: Served) -> None:
    served.world.sql("UPDATE House SET address = '14a High St' WHERE id = 2")
    other = post(served.centre, "room", roomTypeId=None, name="Cellar")
    wrong = {("Room", 2): other, ("Room", 9): 1}
    found = {
        (each["table"], each["local_id"]): each
        for each in said(served, str(served.map_file(wrong)))["mappings"]
    }
    states = {name: each["state"] for name, each in found.items()}
    assert states["Deployment", 1] == states["House", 1] == states["Location", 2] == "confirmed"
    assert states["RoomType", 1] == "found"
    assert states["Room", 2] == "corrected"
    assert found["Room", 2]["remote_id"] == served.ids["Room", 2]
    assert "'Cellar', not 'Back'" in found["Room", 2]["reason"]
    assert states["House", 2] == states["Location", 3] == states["Room", 9] == "refused"
    assert "14a High St" in found["House", 2]["reason"]
    assert "map set" in found["House", 2]["reason"]
    assert "no such row" in found["Room", 9]["reason"]


def test_it_says_what_the_old_one_lost_and_sends_only_that(served: Served) -> None:
    pushed_with_losses(served)
    world = served.world
    found = said(served, str(served.map_file()))
    months = {month["house"]: month for month in found["months"] if month["table"] == "Reading"}
    assert months["12 High St"]["lost"] == 1
    assert months["12 High St"]["not_sent"] == 2 * 2 * 2
    assert months["12 High St"]["here"] == 2 * 2 * len(LOCAL_DAYS)
    assert months["14 High St"]["here"] - months["14 High St"]["there"] == 2 * len(LOCAL_DAYS)
    served.numbered()
    served.tail()
    assert world.run("ship", "--once").code == 10  # paused until it is settled
    assert world.arrived() == []
    before = settled(served, "--dry-run")
    done = settled(served)
    assert (before["settled"], before["to_send"]) == (done["settled"], done["to_send"])
    assert done["settled"] == 11 * 2  # the days of a node that are whole there
    served.ship()
    sent = world.arrived("Reading")
    assert len(sent) == 2 * len(PLACES) * len(LOCAL_DAYS) - 11 * 2
    missing = world.compare()
    assert missing.missing == missing.doubled == set()
    assert len(missing.different) == 11 * 2  # the old one's six digits
    world.insert("Reading", reading(9, 69))
    served.tail()
    served.ship()
    assert world.compare().missing == set()


def test_exact_sends_what_has_lost_digits(served: Served) -> None:
    pushed_with_losses(served)
    said(served, str(served.map_file()))
    served.numbered()
    served.tail()
    assert settled(served, "--exact")["settled"] == 0
    served.ship()
    assert served.world.compare() == Difference()


def test_a_day_that_the_log_touches_is_sent(served: Served) -> None:
    world = served.world
    served.push(*(reading(d, n, k) for d in LOCAL_DAYS for n in PLACES for k in (0, 1)))
    said(served, str(served.map_file()))
    served.numbered()
    served.tail()
    world.sql("UPDATE Reading SET value = 7 WHERE nodeId = 69 AND time = '2015-03-02 12:00:00'")
    served.tail()
    assert settled(served)["to_send"] >= 2
    served.ship()
    changed = [row for row in world.centre.rows("Reading") if row["value"] == 7]
    assert [(row["nodeId"], str(row["time"])[:10]) for row in changed] == [(69, "2015-03-02")]
    assert world.compare().missing == set()


def test_readings_without_a_place_which_the_old_one_never_sent_arrive(served: Served) -> None:
    served.push(*(reading(d, n, k) for d in LOCAL_DAYS for n in PLACES for k in (0, 1)))
    served.world.insert("Reading", reading(2, 69, 2, locationId=None))
    said(served, str(served.map_file()))
    served.numbered()
    served.tail()
    assert settled(served)["settled"] == 2 * len(PLACES) * len(LOCAL_DAYS)
    served.ship()
    assert served.world.compare().missing == set()


def test_a_house_that_was_renamed_is_named_by_hand_and_then_settled(served: Served) -> None:
    served.push(*(reading(d, n, k) for d in LOCAL_DAYS for n in PLACES for k in (0, 1)))
    served.world.sql("UPDATE House SET address = '14a High St' WHERE id = 2")
    said(served, str(served.map_file()))
    served.numbered()
    served.tail()
    there = str(served.ids["House", 2])
    served.command("map", "set", "House:2", there, "--yes", "--destination", "cogentee")
    assert settled(served)["settled"] == 2 * len(PLACES) * len(LOCAL_DAYS)
    served.ship()
    found = [row["address"] for row in served.world.centre.rows("House") if str(row["id"]) == there]
    assert found == ["14a High St"]
    assert served.world.compare().missing == set()


def test_somebody_elses_pause_is_kept(served: Served) -> None:
    said(served, str(served.map_file()))
    served.numbered()
    served.tail()
    served.command("resume", "cogentee")
    served.command("pause", "cogentee", "--why", "their disk is exchanged")
    settled(served)
    assert served.world.run("ship", "--once").code == 10


def test_a_dry_run_writes_nothing(served: Served) -> None:
    before = set(served.folder.iterdir())
    result = moved(served, str(served.map_file()), "--dry-run")
    assert result.exit_code == 0, result.output
    assert set(served.folder.iterdir()) - before == {served.folder / "localhost-ch_map.conf"}


def test_what_is_there_is_not_replaced(served: Served) -> None:
    served.world.config.write_text("mine")
    result = moved(served)
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert served.world.config.read_text() == "mine"


def test_a_link_that_is_down_is_told_and_the_configuration_stays(served: Served) -> None:
    served.old.write_text(
        served.old.read_text().replace(served.world.proxy.url, "http://127.0.0.1:9")
    )
    result = moved(served)
    assert result.exit_code == 10
    assert "NOT LOOKED OVER" in result.stdout
    assert served.world.config.exists()
    assert served.world.run("resume", "cogentee").out == "cogentee: goes on\n"
