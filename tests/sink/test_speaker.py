"""Turns as the sender counts them: none goes on behind a change whose outcome is not known."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.delivery import Turn
from replicator.errors import DestinationUnavailable
from replicator.outbox.deliveries import Deliveries
from replicator.outbox.turns import Turns
from replicator.sink.judge import Reply, late
from replicator.sink.speaker import Speaker

SENDER = "a" * 32
GOOD = Reply(200, {}, b"{}")


class Book:
    """Turns that are only counted. ``begun``: those that were to be durable."""

    def __init__(self) -> None:
        self.begun: list[int] = []

    def begin(self, at_least: int) -> Turn:
        self.begun.append(max(at_least, len(self.begun) + 1, max(self.begun, default=0) + 1))
        return Turn(SENDER, self.begun[-1])


def speaking(book: Book) -> Speaker:
    speaker = Speaker(begin=book.begin)
    speaker.fenced = True
    return speaker


def said(speaker: Speaker, method: str = "POST") -> int:
    """The number that a request goes out with."""
    turn = speaker.headers(method)["Replicator-Turn"]
    assert speaker.headers(method)["Replicator-Turn"] == turn, "asking twice begins no other"
    speaker.sends(method)
    sender, number = turn.split("/")
    assert sender == SENDER
    return int(number)


# What becomes of a change: a whole answer with this status, or none.
outcomes = st.lists(st.sampled_from([200, 201, 409, 413, 422, 429, 408, 500, 502, 504, None]))


@given(outcomes)
def test_behind_what_is_not_known_a_new_turn_begins(fates: list[int | None]) -> None:
    book = Book()
    speaker = speaking(book)
    known, sent = False, list[int]()
    for fate in fates:
        number = said(speaker)
        assert number == book.begun[-1], "it was durable before"
        if known:
            assert number == sent[-1], "a turn costs a commit here and there"
        else:
            assert all(number > before for before in sent)
        sent.append(number)
        if fate is not None:
            speaker.heard("POST", Reply(fate, {}, b""), "u")
        known = fate is not None and fate < 500 and fate != 408


def test_look_ups_have_no_turn_and_begin_none() -> None:
    book = Book()
    speaker = speaking(book)
    for _ in range(2):
        assert speaker.headers("GET") == {}
        speaker.sends("GET")
        speaker.heard("GET", Reply(500, {}, b""), "u")
    assert book.begun == []
    assert said(speaker) == 1
    speaker.heard("POST", GOOD, "u")
    assert speaker.headers("GET") == {}
    speaker.sends("GET")
    assert said(speaker, "DELETE") == 1


def test_a_server_that_knows_no_turns_hears_nothing_of_them() -> None:
    book = Book()
    speaker = Speaker(begin=book.begin)
    assert speaker.headers("POST") == {}
    assert book.begun == []


def test_a_newer_turn_there_is_told_and_gone_beyond() -> None:
    book = Book()
    speaker = speaking(book)
    said(speaker)
    with pytest.raises(DestinationUnavailable, match="copy of this destination's file") as caught:
        speaker.heard("POST", Reply(409, {}, b'{"error":"late","detail":"d","turn":70}'), "u")
    assert caught.value.hint
    assert book.begun == [1, 71]
    assert said(speaker) == 72


@pytest.mark.parametrize(
    "reply",
    [
        Reply(409, {}, b'{"error":"conflict","turn":3}'),
        Reply(500, {}, b'{"error":"late","turn":3}'),
        Reply(409, {}, b"<html>late"),
        *(
            Reply(409, {}, b'{"error":"late","turn":%s}' % turn)
            for turn in (b'"3"', b"0", b"-1", b"1.5", b"true", b"null", b"9223372036854775807")
        ),
    ],
)
def test_other_answers_say_nothing_of_turns(reply: Reply) -> None:
    assert late(reply) is None


def test_turns_of_a_file_rise_and_stay(tmp_path: Path) -> None:
    senders, numbers = set(), list[int]()
    for name in ("a", "a", "b"):
        deliveries = Deliveries(tmp_path, name)
        turns = Turns(deliveries.database, deliveries.path)
        for at_least in (1, 1, 40):
            turn = turns.begin(at_least)
            senders.add((name, turn.sender))
            numbers.append(turn.number)
        deliveries.close()
    assert numbers == [1, 2, 40, 41, 42, 43, 1, 2, 40]
    assert len(senders) == 2
    assert all(len(sender) == 32 and int(sender, 16) for _, sender in senders)
    assert len({sender for _, sender in senders}) == 2


def test_a_new_connection_begins_a_new_turn() -> None:
    book = Book()
    numbers = []
    for _ in range(3):
        speaker = speaking(book)
        numbers.append(said(speaker))
        speaker.heard("POST", GOOD, "u")
    assert numbers == [1, 2, 3]
