"""The selftest finds nothing where all is right, and everything that is wrong."""

from __future__ import annotations

import json

import pytest

from replicator.selftest import storm
from replicator.selftest.judge import Heard, Row, judged, rows_of
from tests.cli.conftest import Station

# Python 3.12 warns of a fork in a process with threads, as pytest-xdist's workers are.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
RIGHT = [row for number in (1, 2, 3) for row in rows_of(number)]


def test_twelve_kills_and_nothing_is_wrong(folder: Station) -> None:
    folder.ini("[outbox]\npath = box\n")
    (folder.folder / "box").mkdir()
    result = folder.run("selftest", "--kills", "12", "--seed", "1", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["ok"], told["kills"], told["wrong"]) == (True, 12, [])
    assert told["transactions"] > 12
    assert told["rows"] > 12
    assert list((folder.folder / "box").iterdir()) == []


def test_a_cursor_that_moves_before_the_answer_is_found(
    folder: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The promise broken: the destination answers, and keeps nothing of some requests."""
    folder.ini("[outbox]\npath = box\n")
    keep = storm.hear

    def forgetful(heard: Heard, line: str) -> bool:
        return line.startswith("S") if " 4.0" in line else keep(heard, line)

    monkeypatch.setattr(storm, "hear", forgetful)
    result = folder.run("selftest", "--kills", "12", "--seed", "1")
    assert result.exit_code == 7
    assert "are called delivered, and are not there" in result.output


@pytest.mark.parametrize(
    ("captured", "held", "centre", "settled", "word"),
    [
        (3, RIGHT, RIGHT, RIGHT, ""),
        (4, RIGHT, RIGHT, RIGHT, "lost: transaction 4"),
        (3, RIGHT[1:], RIGHT, RIGHT, "the outbox: 1 rows lost, 0 doubled"),
        (3, [*RIGHT, RIGHT[-1]], RIGHT, RIGHT, "the outbox: 0 rows lost, 1 doubled"),
        (3, RIGHT[::-1], RIGHT, RIGHT, "order: the outbox"),
        (3, RIGHT, RIGHT[::-1], RIGHT, "order: the destination"),
        (3, RIGHT, RIGHT[:-1], RIGHT, "called delivered"),
        (3, RIGHT, RIGHT[:-1], RIGHT[:-1], "the destination has 8 of 9 rows"),
    ],
)
def test_judgements(
    captured: int, held: list[Row], centre: list[Row], settled: list[Row], word: str
) -> None:
    heard = Heard(captured, dict.fromkeys(centre), len(centre))
    wrong = judged(heard, 3, held, settled, complete=True)
    assert (word in "; ".join(wrong)) if word else wrong == []
