"""What the judge of a self-test finds, on histories written by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.cli.selftest import notes
from replicator.selftest.disk import Latency
from replicator.selftest.judge import Judge
from replicator.selftest.made import NODES, Version, changes, history, updated, version_of

_END = 30


def judged(rows: list[Version], *, settled: int = 0) -> list[str]:
    """All is captured as it should be; these rows arrive, one a request."""
    judge = Judge()
    judge.captured(history(1, _END), _END)
    for row in rows:
        judge.arrived([row])
    judge.settled(settled)
    judge.at_the_end()
    return judge.findings


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=4), st.integers(1, 300))
def test_any_way_of_sending_again_is_fine(restarts: list[int], size: int) -> None:
    """From any place before, in requests of any size: what a killed ship does."""
    judge, rows = Judge(), list(history(1, _END))
    judge.captured(rows, _END)
    place = 0
    for back in [*restarts, 0]:
        end = min(place + size, len(rows))
        judge.arrived(rows[place:end])
        place = max(end - back, 0)
    for start in range(place, len(rows), size):
        judge.arrived(rows[start : start + size])
    judge.settled(len(rows))
    judge.at_the_end()
    assert judge.findings == []


def test_an_older_version_may_be_left_out() -> None:
    late = {row.key: row.number for row in history(1, _END)}
    judge = Judge()
    judge.captured(history(1, _END), _END)
    judge.arrived([row for row in history(1, _END) if late[row.key] == row.number])
    judge.at_the_end()
    assert judge.findings == []


def test_a_row_that_never_arrives() -> None:
    rows = list(history(1, _END))
    less = rows[:-3] + rows[-2:]  # the last insert
    assert any(said.startswith("lost") for said in judged(less))
    assert any(said.startswith("acknowledged") for said in judged(less, settled=len(rows)))


def test_an_old_version_in_the_end() -> None:
    number = next(n for n in range(NODES + 1, _END) if updated(n))
    (first, _) = updated(number)
    rows = [*history(1, _END), Version(first.key, number - NODES)]
    assert any("old version" in said for said in judged(rows))


def test_a_row_before_its_predecessor() -> None:
    rows = list(history(1, _END))
    assert any("out of order" in said for said in judged([rows[1], rows[0], *rows[2:]]))


def test_a_row_that_was_never_written() -> None:
    rows = list(history(1, _END))
    stranger = Version(rows[0].key._replace(kind=99), 1)
    assert any("never written" in said for said in judged([*rows, stranger]))


@pytest.mark.parametrize(
    ("rows", "position", "claimed", "words"),
    [
        ([*history(1, 3), *history(3, 3)], 3, 0, "captured twice"),
        ([*history(1, 2), *history(4, 4)], 4, 0, "lost or out of order"),
        ([*history(1, 3)], 4, 0, "lacks"),
        ([*history(1, 3)], 3, 4, "was durable"),
    ],
    ids=["twice", "lost", "rows missing", "fallen back"],
)
def test_an_outbox_that_is_wrong(
    rows: list[Version], position: int, claimed: int, words: str
) -> None:
    judge = Judge()
    judge.claimed(claimed)
    judge.captured(rows, position)
    assert any(words in said for said in judge.findings), judge.findings


def test_what_arrives_was_durable_before() -> None:
    judge = Judge()
    judge.arrived(list(history(1, 5)))
    judge.captured(history(1, 4), 4)
    assert any("is not in the outbox" in said for said in judge.findings)


def test_a_change_is_read_as_the_version_it_is() -> None:
    for number in (1, 9, 30):
        rows = [
            version_of(dict(zip(change.columns, row, strict=True)))
            for change in changes(number)
            for row in change.rows
        ]
        assert rows == list(history(number, number))


def test_a_disk_faster_than_disks_is_worth_a_word() -> None:
    assert "power cut" in notes(Latency(200, 1e-6, 2e-6))[0]
    assert notes(Latency(200, 2e-4, 5e-3)) == []
