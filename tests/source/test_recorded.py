"""Recorded logs of several servers, decoded without one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from replicator.change import Commit, Position
from tests.source.replay import (
    NAMES,
    RECORDED,
    Answers,
    made,
    packets,
    plain,
    read,
    resummed,
    world,
)

each = pytest.mark.parametrize("name", NAMES)


def expected(name: str) -> list[Any]:
    found: list[Any] = json.loads((RECORDED / f"{name}.events.json").read_text())
    return found


def placeless(events: list[Any]) -> list[Any]:
    return [["commit"] if event[0] == "commit" else event for event in events]


def test_there_are_recordings() -> None:
    assert {name.split("-")[0] for name in NAMES} == {"mariadb", "mysql"}


@each
def test_the_events_are_as_recorded(name: str) -> None:
    assert plain(read(packets(name), world(name))) == expected(name)


@each
def test_whatever_the_servers_checksums_are_by_now(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "checksum", "NONE")
    assert plain(read(packets(name), world(name))) == expected(name)


@each
def test_every_server_tells_the_same(name: str) -> None:
    """Whatever metadata, checksums, compression, encryption, version of row events."""
    assert placeless(expected(name)) == placeless(expected(NAMES[0]))


@each
def test_recordings_are_small(name: str) -> None:
    assert sum(path.stat().st_size for path in RECORDED.glob(f"{name}.*")) < 50_000


def test_by_gtid_the_position_is_what_was_executed() -> None:
    there = world("mysql-gtid")
    uuid = there.start.source.removeprefix("mysql-")
    start = Position(there.start.source, there.start.file, there.start.offset, f"{uuid}:1-14")
    events = read(packets("mysql-gtid"), there, start)
    gtids = [e.position.gtid for e in events if isinstance(e, Commit)]
    executed = range(14, 14 + len(set(gtids)))
    assert list(dict.fromkeys(gtids)) == [f"{uuid}:1-{number}" for number in executed]


def test_positions_that_the_server_leaves_out_are_added_up() -> None:
    """As from MariaDB 11.4 on: events of a transaction do not say where they end."""
    name = "mariadb-annotated"
    inside = {16, 19, 23, 24, 25, 160}
    told = [resummed(p[:14] + bytes(4) + p[18:]) if p[5] in inside else p for p in packets(name)]
    assert sum(p[14:18] == bytes(4) for p in told) > 20
    assert plain(read(told, world(name))) == expected(name)


def test_a_log_that_ends_inside_a_transaction_commits_nothing_of_it() -> None:
    name = "mariadb-full"
    all_of_it = packets(name)
    last = max(i for i, p in enumerate(all_of_it) if p[5] == 16)
    cut = plain(read(all_of_it[:last], world(name)))
    assert cut == expected(name)[: len(cut)]
    assert cut[-1][0] != "commit"
    rotated = made(4, (4).to_bytes(8, "little") + b"binlog.000009")
    assert ["rollback"] in plain(read([*all_of_it[:last], rotated], world(name)))
