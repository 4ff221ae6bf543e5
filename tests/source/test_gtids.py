"""Executed GTIDs: pure. A model in plain sets of numbers is the second opinion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysqlreplication.gtid import GtidSet

from replicator.source.gtids import MariaDBGtids, MySQLGtids, UnknownGtid, gtids_of

A = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
B = "4e11fa47-71ca-11e1-9e33-c80aa9429562"
numbers = st.lists(st.tuples(st.sampled_from([A, B]), st.integers(1, 40)), max_size=60)


@given(numbers)
def test_any_order_of_transactions_makes_the_same_set(found: list[tuple[str, int]]) -> None:
    gtids = MySQLGtids()
    for uuid, number in found:
        gtids.add(f"{uuid}:{number}")
    other = MySQLGtids(",".join(f"{uuid}:{number}" for uuid, number in reversed(found)))
    assert str(gtids) == str(other)
    for uuid in (A, B):
        for number in range(42):
            assert gtids.has(f"{uuid}:{number}") is ((uuid, number) in found)


@given(numbers)
def test_written_and_read_again(found: list[tuple[str, int]]) -> None:
    gtids = MySQLGtids(",".join(f"{uuid}:{number}" for uuid, number in found))
    assert MySQLGtids(str(gtids)).ranges == gtids.ranges
    if found:  # mysql-replication sends it to the server
        assert str(GtidSet(str(gtids))) == str(gtids)


@given(numbers, numbers)
def test_covering(one: list[tuple[str, int]], other: list[tuple[str, int]]) -> None:
    def gtids(of: list[tuple[str, int]]) -> MySQLGtids:
        return MySQLGtids(",".join(f"{uuid}:{number}" for uuid, number in of))

    assert gtids(one).covers(gtids(other)) is (set(one) >= set(other))


def test_as_the_server_writes_it() -> None:
    told = f"{A.upper()}:1-5:11-18,\n{B}:23"
    assert str(MySQLGtids(told)) == f"{A}:1-5:11-18,{B}:23"
    assert str(MySQLGtids("")) == ""


@pytest.mark.parametrize(
    "text",
    [
        f"{A}:tag:1-5",
        f"{A}:1:tag:7",
        f"{A}",
        f"{A}:0",
        f"{A}:5-3",
        f"{A}:9223372036854775808",
        "x:1",
        f"{A}:1-",
        f"{A}:-1",
        ",".join(f"{number:08x}{A[8:]}:1" for number in range(1_001)),
    ],
)
def test_what_is_not_kept(text: str) -> None:
    with pytest.raises(UnknownGtid):
        MySQLGtids(text)


@pytest.mark.parametrize("gtid", [f"{A}:tag:1", f"{A}:", "x:1", A])
def test_a_transaction_that_is_not_kept(gtid: str) -> None:
    with pytest.raises(UnknownGtid):
        MySQLGtids(f"{A}:1").add(gtid)


def test_mariadb_keeps_the_last_of_each_domain() -> None:
    gtids = gtids_of("mariadb-17", "1-1-7,0-17-42")
    gtids.add("0-18-43")
    gtids.add("2-1-1")
    assert str(gtids) == "0-18-43,1-1-7,2-1-1"
    assert isinstance(gtids_of("mysql-x", ""), MySQLGtids)


def test_too_many_domains() -> None:
    with pytest.raises(UnknownGtid):
        MariaDBGtids(",".join(f"{domain}-1-1" for domain in range(1_001)))
