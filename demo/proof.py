"""The independent check: is every row of the station at the centre, once, in its place, bit by bit?

Plain SQL on both databases, joined on natural keys; no code of the replicator is used.

    python -m demo.proof --source-socket S --source-database ch --central-file central.db

The last line is ``PROOF source=… central=… missing=… doubled=… misplaced=… different=…``. Rows are
readings and node states; ``different`` also counts rows that only the centre has (deleted at the
station, or never written there), and houses, nodes and sensors that are not as at the station.
"""

from __future__ import annotations

import sqlite3
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, field
from pathlib import Path

from demo.scratch import build_scratch
from demo.sides import MariaDBSide, Side, SQLiteSide

_MISSING = "FROM source AS s WHERE NOT EXISTS (SELECT 1 FROM central AS c WHERE c.key = s.key)"
_DOUBLED = "FROM (SELECT key FROM central GROUP BY key HAVING count(*) > 1)"
_MISPLACED = "FROM central AS c JOIN source AS s USING (key) WHERE c.place IS NOT s.place"
_DIFFERENT = "FROM central AS c JOIN source AS s USING (key) WHERE c.content IS NOT s.content"
_PHANTOM = "FROM central AS c WHERE NOT EXISTS (SELECT 1 FROM source AS s WHERE s.key = c.key)"
# Houses of others may stand at the centre; nodes and sensors there were taken only for our nodes.
_REFERENCES = """FROM (
  SELECT kind || '|' || key AS key FROM (
    SELECT * FROM source_reference EXCEPT SELECT * FROM central_reference)
  UNION
  SELECT kind || '|' || key FROM (
    SELECT * FROM central_reference WHERE kind != 'House' EXCEPT SELECT * FROM source_reference)
  UNION
  SELECT kind || '|' || key FROM (
    SELECT kind, key, count(*) AS n FROM central_reference GROUP BY kind, key
    EXCEPT SELECT kind, key, count(*) FROM source_reference GROUP BY kind, key)
  WHERE n > 1)
"""
_CHECKS = {
    "missing": _MISSING,
    "doubled": _DOUBLED,
    "misplaced": _MISPLACED,
    "different": _DIFFERENT,
    "phantom": _PHANTOM,
    "reference": _REFERENCES,
}
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Proof:
    """Row counts of both sides and what is wrong. ``examples``: some keys for each kind."""

    source: int
    central: int
    missing: int
    doubled: int
    misplaced: int
    different: int
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return self.missing == self.doubled == self.misplaced == self.different == 0

    def line(self, kills: int, seconds: float) -> str:
        """The proof as its one line."""
        return (
            f"PROOF source={self.source} central={self.central} missing={self.missing}"
            f" doubled={self.doubled} misplaced={self.misplaced} different={self.different}"
            f" kills={kills} seconds={seconds:.1f}"
        )


def prove(scratch: sqlite3.Connection) -> Proof:
    """The proof of a database made by ``build_scratch``."""
    counts = {name: _count(scratch, f"count(DISTINCT key) {sql}") for name, sql in _CHECKS.items()}
    examples = {
        name: [
            str(row[0]) for row in scratch.execute(f"SELECT DISTINCT key {sql} LIMIT {_EXAMPLES}")
        ]
        for name, sql in _CHECKS.items()
        if counts[name]
    }
    return Proof(
        source=_count(scratch, "count(*) FROM source"),
        central=_count(scratch, "count(*) FROM central"),
        missing=counts["missing"],
        doubled=counts["doubled"],
        misplaced=counts["misplaced"],
        different=counts["different"] + counts["phantom"] + counts["reference"],
        examples=examples,
    )


def _count(scratch: sqlite3.Connection, what: str) -> int:
    return int(scratch.execute(f"SELECT {what}").fetchone()[0])


def compare(source: Side, central: Side) -> Proof:
    """Read both databases and prove."""
    scratch = build_scratch(source, central)
    try:
        return prove(scratch)
    finally:
        scratch.close()


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m demo.proof", description=__doc__)
    parser.add_argument("--source-socket", required=True, help="socket of the station's MariaDB")
    parser.add_argument("--source-database", default="ch")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--central-file", type=Path, help="the central server's SQLite file")
    where.add_argument("--central-socket", help="socket of the central server's MariaDB")
    parser.add_argument("--central-database", default="central")
    parser.add_argument("--user", default="root", help="MariaDB user, over the socket")
    parser.add_argument("--kills", type=int, default=0, help="shown in the line")
    parser.add_argument("--seconds", type=float, default=0.0, help="shown in the line")
    return parser


def _central(options: Namespace) -> Side:
    if options.central_file:
        return SQLiteSide(options.central_file)
    return MariaDBSide(
        unix_socket=options.central_socket, user=options.user, database=options.central_database
    )


def main() -> int:
    """Print examples of what is wrong and the proof's line; 1 when something is wrong."""
    options = _parser().parse_args()
    station = MariaDBSide(
        unix_socket=options.source_socket, user=options.user, database=options.source_database
    )
    with station, _central(options) as central:
        proof = compare(station, central)
    for name, keys in proof.examples.items():
        sys.stdout.write(f"{name}: {', '.join(keys)}\n")
    sys.stdout.write(proof.line(options.kills, options.seconds) + "\n")
    return 0 if proof.holds else 1


if __name__ == "__main__":
    sys.exit(main())
