"""Write expected.json of the golden cases anew: `python -m tests.golden [CASE…]`.

Then look at `git diff tests/golden`: what changed is what capture now says of the same SQL.
"""

from __future__ import annotations

import sys

from demo.mariadbd import PrivateMariaDB
from tests.conftest import create_station
from tests.golden.case import CASES, Case, written
from tests.golden.played import play
from tests.golden.settings import global_settings


def main(names: list[str]) -> int:
    """Those named, or all; 1 when one is not there."""
    unknown = set(names) - {case.name for case in CASES}
    if unknown:
        sys.stderr.write(f"no such case: {', '.join(sorted(unknown))}\n")
        return 1
    with PrivateMariaDB() as server:
        for case in CASES:
            if not names or case.name in names:
                sys.stdout.write(f"{_write(case, server)} {case.name}\n")
    return 0


def _write(case: Case, server: PrivateMariaDB) -> str:
    with global_settings(server, case.known.globals):
        create_station(server, "golden")
        told = written(play(case, server, "golden").told())
        server.execute("DROP DATABASE golden")
    same = case.expected.exists() and case.expected.read_text() == told
    case.expected.write_text(told)
    return "same   " if same else "written"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
