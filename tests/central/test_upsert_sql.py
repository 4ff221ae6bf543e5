"""The statements of each kind of database, as text; the others' behaviour is tested for real."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.engine import Dialect, make_url

from replicator.central.schema import TABLES
from replicator.central.upsert import delete, upsert

_DRIVERS = {"sqlite": "sqlite", "mysql": "mysql+pymysql", "postgresql": "postgresql+psycopg"}
COLUMNS = ["time", "nodeId", "type", "value"]
ROWS = [("2015-03-01T00:00:03", 2, 0, None), ("2015-03-01T00:00:03", 1, 0, 0.1)]


def dialect_of(name: str) -> Dialect:
    return make_url(f"{_DRIVERS[name]}://").get_dialect()()


class Recorder:
    """Stands in for a connection and writes down what it is told."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.calls: list[tuple[str, Any]] = []

    def exec_driver_sql(self, statement: str, parameters: Any = None) -> None:
        self.calls.append((statement, parameters))


@pytest.mark.parametrize(
    ("dialect", "statement", "parameters"),
    [
        (
            dialect_of("sqlite"),
            'INSERT INTO "Reading" ("time","nodeId","type","value") VALUES (?,?,?,?)'
            ' ON CONFLICT ("nodeId","time","type") DO UPDATE SET'
            ' "value"=COALESCE(excluded."value","Reading"."value")',
            [ROWS[1], ROWS[0]],
        ),
        (
            dialect_of("mysql"),
            "INSERT INTO `Reading` (`time`,`nodeId`,`type`,`value`) VALUES"
            " ('2015-03-01T00:00:03',1,0,0.1),('2015-03-01T00:00:03',2,0,null)"
            " ON DUPLICATE KEY UPDATE `value`=COALESCE(VALUES(`value`),`value`)",
            None,
        ),
        (
            dialect_of("postgresql"),
            'INSERT INTO "Reading" ("time","nodeId","type","value") VALUES'
            ' (%s,%s,%s,%s),(%s,%s,%s,%s) ON CONFLICT ("nodeId","time","type") DO UPDATE SET'
            ' "value"=COALESCE(excluded."value","Reading"."value")',
            (*ROWS[1], *ROWS[0]),
        ),
    ],
)
def test_upserts(dialect: Dialect, statement: str, parameters: object) -> None:
    connection: Any = Recorder(dialect)
    upsert(connection, TABLES["Reading"], COLUMNS, ROWS, keep=frozenset({"value"}))
    said, bound = connection.calls[0]
    assert said == statement
    assert bound == parameters


@pytest.mark.parametrize(
    "dialect", [dialect_of("sqlite"), dialect_of("mysql"), dialect_of("postgresql")]
)
def test_a_row_of_nothing_but_its_key(dialect: Dialect) -> None:
    connection: Any = Recorder(dialect)
    upsert(connection, TABLES["Node"], ["id"], [(1,)])
    statement, _ = connection.calls[0]
    assert statement.endswith(("DO NOTHING", "UPDATE `id`=`id`"))


def test_large_batches_are_cut_into_statements() -> None:
    connection: Any = Recorder(dialect_of("postgresql"))
    rows = [("2015-03-01T00:00:03", i, 0, None) for i in range(10_000)]
    upsert(connection, TABLES["Reading"], COLUMNS, rows)
    assert max(len(parameters) for _, parameters in connection.calls) <= 30_000
    assert sum(len(parameters) for _, parameters in connection.calls) == 40_000
    connection.calls.clear()
    delete(connection, TABLES["Reading"], [row[:3] for row in rows])
    assert sum(len(parameters) for _, parameters in connection.calls) == 30_000
