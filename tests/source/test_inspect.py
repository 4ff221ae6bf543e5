"""Findings on the station's database: pure ones by settings and tables, and a real server's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.mariadbd import PrivateMariaDB
from replicator.model import TABLES
from replicator.source.catalogue import Catalogue
from replicator.source.columns import CatalogueColumn
from replicator.source.inspect import Finding, binlog_findings, inspect, table_findings
from tests.source.capture import endpoint

GOOD = {
    "log_bin": "ON",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_row_metadata": "FULL",
    "log_bin_compress": "ON",
    "binlog_transaction_compression": "ON",
    "expire_logs_days": "14",
    "server_id": "1",
}


def failed(found: list[Finding]) -> list[Finding]:
    bad = [finding for finding in found if not finding.ok]
    assert all(finding.hint and finding.message for finding in bad)
    assert all(not finding.hint for finding in found if finding.ok)
    return bad


def test_good_settings() -> None:
    assert failed(list(binlog_findings(GOOD, 9))) == []


@pytest.mark.parametrize(
    ("settings", "name", "hint"),
    [
        ({"log_bin": "OFF"}, "binlog", "log_bin = binlog"),
        ({"binlog_format": "MIXED"}, "binlog_format", "SET GLOBAL binlog_format = ROW"),
        ({"binlog_row_image": "MINIMAL"}, "binlog_row_image", "binlog_row_image = FULL"),
        (
            {"binlog_row_value_options": "PARTIAL_JSON"},
            "binlog_row_value_options",
            "binlog_row_value_options = ''",
        ),
        ({"expire_logs_days": "1"}, "retention", "expire_logs_days = 14"),
        ({"binlog_expire_logs_seconds": "3600"}, "retention", "expire"),
        ({"server_id": "0"}, "server_id", "server_id = 1"),
        ({"server_id": "9"}, "server_id", "[source] server_id"),
    ],
)
def test_a_setting_that_loses_rows(settings: dict[str, str], name: str, hint: str) -> None:
    bad = failed(list(binlog_findings({**GOOD, **settings}, 9)))
    assert [finding.name for finding in bad] == [name]
    assert hint in bad[0].hint


@pytest.mark.parametrize("missing", ["binlog_row_image", "binlog_row_metadata", "log_bin_compress"])
def test_a_server_that_does_not_know_a_setting(missing: str) -> None:
    settings = {name: value for name, value in GOOD.items() if name != missing}
    assert failed(list(binlog_findings(settings, 9))) == []


def test_compressed_transactions_without_zstd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicator.source.inspect.can_unpack", lambda: False)
    bad = failed(list(binlog_findings(GOOD, 9)))
    assert [finding.name for finding in bad] == ["binlog_transaction_compression"]
    assert "replicator[mysql8]" in bad[0].message
    assert "binlog_transaction_compression = OFF" in bad[0].hint


COLUMN = CatalogueColumn("id", "int", False, False, None, None, 10, 0, None)


def catalogue() -> Catalogue:
    columns = {
        table.name: [replace(COLUMN, name=name) for name in {*table.columns, *table.primary_key}]
        for table in TABLES.values()
    }
    keys = {table.name: table.primary_key for table in TABLES.values()}
    return Catalogue("ch", columns, keys, {})


def test_good_tables() -> None:
    assert failed(list(table_findings(catalogue()))) == []


def test_a_table_that_is_not_there() -> None:
    there = catalogue()
    without = {name: columns for name, columns in there.columns.items() if name != "Reading"}
    (bad,) = failed(list(table_findings(replace(there, columns=without))))
    assert bad.name == "table Reading"
    assert "GRANT SELECT" in bad.hint


def test_a_table_without_a_key() -> None:
    there = catalogue()
    without = {name: key for name, key in there.keys.items() if name != "Reading"}
    (bad,) = failed(list(table_findings(replace(there, keys=without))))
    assert bad.hint == "ALTER TABLE ch.Reading ADD PRIMARY KEY (time, nodeId, type);"


def test_a_column_that_is_missing() -> None:
    there = catalogue()
    columns = {**there.columns, "Node": [COLUMN]}
    (bad,) = failed(list(table_findings(replace(there, columns=columns))))
    assert bad.message == "ch.Node lacks locationId, nodeTypeId"


@pytest.mark.parametrize(
    "odd",
    [
        replace(COLUMN, name="odd", data_type="enum", charset="binary"),
        replace(COLUMN, name="odd", data_type="varchar", charset="gb18030"),
        replace(COLUMN, name="odd", data_type="year", digits=2),
    ],
)
def test_a_column_that_is_not_decoded(odd: CatalogueColumn) -> None:
    there = catalogue()
    columns = {**there.columns, "Node": [*there.columns["Node"], odd]}
    (bad,) = failed(list(table_findings(replace(there, columns=columns))))
    assert "odd (" in bad.message


def test_a_real_station(mariadb: PrivateMariaDB, station: str) -> None:
    found = inspect(endpoint(mariadb, station), server_id=9)
    assert failed(found) == []
    assert {f"table {name}" for name in TABLES} < {finding.name for finding in found}


def test_a_server_that_does_not_let_us_in(mariadb: PrivateMariaDB, station: str) -> None:
    (bad,) = failed(inspect(endpoint(mariadb, station, user="nobody"), server_id=9))
    assert bad.name == "connection"
    assert "1045" in bad.message


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (["REPLICATION SLAVE", "BINLOG MONITOR"], []),
        (["REPLICATION SLAVE"], ["grant BINLOG MONITOR"]),
        (["BINLOG MONITOR"], ["grant REPLICATION SLAVE"]),
        (["REPLICATION SLAVE ADMIN", "BINLOG MONITOR"], ["grant REPLICATION SLAVE"]),
        ([], ["grant REPLICATION SLAVE", "grant BINLOG MONITOR"]),
    ],
)
def test_grants(
    mariadb: PrivateMariaDB, station: str, given: list[str], missing: list[str]
) -> None:
    account = f"asks_{station}@localhost"
    mariadb.execute(
        f"CREATE USER {account}",
        f"GRANT SELECT ON {station}.* TO {account}",
        *[f"GRANT {grant} ON *.* TO {account}" for grant in given],
    )
    try:
        found = inspect(endpoint(mariadb, station, user=f"asks_{station}"), server_id=9)
    finally:
        mariadb.execute(f"DROP USER {account}")
    assert [finding.name for finding in failed(found)] == missing


def test_without_the_grant_on_the_tables_every_table_is_named(
    mariadb: PrivateMariaDB, station: str
) -> None:
    account = f"blind_{station}@localhost"
    mariadb.execute(
        f"CREATE USER {account}", f"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO {account}"
    )
    try:
        found = inspect(endpoint(mariadb, station, user=f"blind_{station}"), server_id=9)
    finally:
        mariadb.execute(f"DROP USER {account}")
    assert [finding.name for finding in failed(found)] == [f"table {name}" for name in TABLES]


def test_rows_that_a_foreign_key_removes_are_not_in_the_log(
    mariadb: PrivateMariaDB, station: str
) -> None:
    mariadb.execute(
        "ALTER TABLE Room DROP FOREIGN KEY Room_ibfk_1",
        "ALTER TABLE Room ADD FOREIGN KEY (roomTypeId) REFERENCES RoomType (id) ON DELETE SET NULL",
        database=station,
    )
    (bad,) = failed(inspect(endpoint(mariadb, station), server_id=9))
    assert bad.name == "table Room"
    assert "SET NULL" in bad.message


def test_a_filtered_database(private_mariadb: object) -> None:
    assert callable(private_mariadb)
    server = private_mariadb("--binlog-ignore-db=ch")
    names = [f.name for f in failed(inspect(endpoint(server, "ch"), server_id=9))]
    assert names[0] == "binlog filter"
