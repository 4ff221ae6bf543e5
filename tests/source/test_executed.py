"""A MySQL's executed GTIDs against a position: what a server would answer is written down here.

tests/mysql asks a real one.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, cast

import pymysql
import pytest

from replicator.change import Position
from replicator.errors import PositionLost
from replicator.source.executed import check_executed, executed_at_end
from tests.source.capture import refused
from tests.source.replay import HERE

A = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
B = "4e11fa47-71ca-11e1-9e33-c80aa9429562"
START = Position(f"mysql-{A}", "binlog.000002", 700, f"{A}:1-10,{B}:3")


class Server:
    """Answers the few statements that are asked."""

    def __init__(self, **variables: str) -> None:
        self.variables = {
            "gtid_mode": "ON",
            "gtid_executed": f"{A}:1-12,\n{B}:3",
            "gtid_purged": "",
            **variables,
        }
        self.sizes = {"binlog.000002": 900}
        self.following: str | pymysql.MySQLError = f"SET @@SESSION.GTID_NEXT= '{A}:11'"
        self.answer: list[tuple[Any, ...]] = []

    def cursor(self) -> nullcontext[Server]:
        return nullcontext(self)

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> None:
        if "VARIABLES" in sql:
            name = values[0]
            self.answer = [(name, self.variables[name])] if self.variables.get(name) else []
        elif "BINARY LOGS" in sql:
            self.answer = list(self.sizes.items())
        else:
            assert values == ("binlog.000002", 700)
            if isinstance(self.following, pymysql.MySQLError):
                raise self.following
            self.answer = [("binlog.000002", 700, "Gtid", 18, 748, self.following)]

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.answer[0] if self.answer else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.answer


def check(server: Server, start: Position = START) -> None:
    check_executed(cast("pymysql.connections.Connection", server), HERE, start)


def at_end(server: Server, executed: str) -> str:
    status = ("binlog.000002", 900, "", "", executed)
    return executed_at_end(cast("pymysql.connections.Connection", server), HERE, status)


def test_a_position_that_is_still_there() -> None:
    check(Server())


def test_at_the_end_of_the_log() -> None:
    server = Server()
    server.sizes = {"binlog.000002": 700}
    check(server)


def test_purged_behind_us_is_not_lost() -> None:
    server = Server(gtid_purged=f"{A}:1-9")
    server.sizes = {"binlog.000003": 200}
    check(server)


def test_tags_of_others_do_no_harm() -> None:
    check(Server(gtid_executed=f"{A}:1-12:tag:1-5,{B}:3,{B}:only:7", gtid_purged=f"{A}:1:tag:1"))


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"gtid_mode": "OFF"}, "gtid_mode = OFF"),
        ({"gtid_mode": ""}, "gtid_mode = unknown"),
        ({"gtid_executed": ""}, "RESET MASTER"),
        ({"gtid_executed": f"{A}:1-12"}, "RESET MASTER"),
        ({"gtid_executed": f"{A}:1-4:6-12,{B}:3"}, "RESET MASTER"),
        ({"gtid_purged": f"{A}:1-11"}, "purged"),
        ({"gtid_purged": f"{B}:1"}, "purged"),
    ],
)
def test_a_position_that_is_lost(variables: dict[str, str], words: str) -> None:
    with refused(PositionLost, words):
        check(Server(**variables))


@pytest.mark.parametrize("next_one", [f"{A}:4", f"{A.upper()}:10", f"{B}:3"])
def test_another_history_at_our_place(next_one: str) -> None:
    server = Server()
    server.following = f"SET @@SESSION.GTID_NEXT= '{next_one}'"
    with refused(PositionLost, "RESET MASTER"):
        check(server)


def test_our_place_is_inside_an_event() -> None:
    server = Server()
    server.following = pymysql.err.OperationalError(1220, "Wrong offset or I/O error")
    with refused(PositionLost, "no event begins at"):
        check(server)


@pytest.mark.parametrize("following", ["Rotate to binlog.000003", "SET @@SESSION.GTID_NEXT= 'A'"])
def test_what_follows_need_not_be_a_gtid(following: str) -> None:
    server = Server()
    server.following = following
    check(server)


def test_where_the_log_ends() -> None:
    assert at_end(Server(), f"{A}:1-5,\n{B}:1") == f"{A}:1-5,{B}:1"
    assert at_end(Server(), "") == ""
    assert at_end(Server(), f"{A}:1-5:tag:1") == "", "by file and offset then"
    assert at_end(Server(gtid_mode="ON_PERMISSIVE"), f"{A}:1-5") == ""
