"""What became of every row: lost, doubled, reordered within a lane, corrupt, phantom.

lost       at the station, not at the centre
doubled    more than once at the centre
reordered  came to the centre after a later change of its lane had come (needs two witnesses)
corrupt    at the centre with another value or in another place
phantom    at the centre, not at the station: deleted there, or never written
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from demo.witness import Act

_LOST = "SELECT key FROM source EXCEPT SELECT key FROM central"
_DOUBLED = "SELECT key FROM central GROUP BY key HAVING count(*) > 1"
_CORRUPT = """
SELECT DISTINCT key FROM central AS c JOIN source AS s USING (key)
WHERE c.content IS NOT s.content OR c.place IS NOT s.place
"""
_PHANTOM = "SELECT key FROM central EXCEPT SELECT key FROM source"


@dataclass(frozen=True, slots=True)
class Conservation:
    """Keys of the rows that were not conserved, by what happened to them."""

    lost: Sequence[str]
    doubled: Sequence[str]
    reordered: Sequence[str]
    corrupt: Sequence[str]
    phantom: Sequence[str]

    @property
    def holds(self) -> bool:
        """Whether every row was conserved."""
        return not (self.lost or self.doubled or self.reordered or self.corrupt or self.phantom)

    def __str__(self) -> str:
        return " ".join(
            f"{name}={len(keys)}" + (f" ({', '.join(keys[:3])} …)" if keys else "")
            for name, keys in (
                ("lost", self.lost),
                ("doubled", self.doubled),
                ("reordered", self.reordered),
                ("corrupt", self.corrupt),
                ("phantom", self.phantom),
            )
        )


def conserve(
    scratch: sqlite3.Connection, written: Sequence[Act] = (), arrived: Sequence[Act] = ()
) -> Conservation:
    """The report of a database made by ``build_scratch`` and of two witnesses' acts, if any."""
    return Conservation(
        lost=_keys(scratch, _LOST),
        doubled=_keys(scratch, _DOUBLED),
        reordered=reordered(written, arrived),
        corrupt=_keys(scratch, _CORRUPT),
        phantom=_keys(scratch, _PHANTOM),
    )


def _keys(scratch: sqlite3.Connection, sql: str) -> list[str]:
    return [str(row[0]) for row in scratch.execute(sql)]


def reordered(written: Iterable[Act], arrived: Iterable[Act]) -> list[str]:
    """Keys of the changes that came after a later change of their lane.

    ``written`` in commit order at the station, with lanes; ``arrived`` in the order of the centre.
    Sending again is allowed: only a change's first arrival counts. So are changes that never came
    by themselves (folded into a later one of their row), and arrivals that the station's witness
    did not see (rows from before it watched). A change that was folded may come when its batch is
    sent again in smaller ones: then the later one of its row must come again, too, behind it.
    """
    numbers: defaultdict[tuple[str, object], list[tuple[int, str]]] = defaultdict(list)
    latest: dict[str, Act] = {}
    for number, act in enumerate(written):
        if latest.get(act.key) != act:  # else nothing changed, nothing was sent
            numbers[act.key, act.content].append((number, act.lane))
        latest[act.key] = act
    furthest: defaultdict[str, int] = defaultdict(lambda: -1)
    newest: dict[str, tuple[int, object]] = {}  # of each row that came: number and content
    owed: dict[str, object] = {}
    late: list[str] = []
    latest.clear()
    for act in arrived:
        if act.key in owed and owed[act.key] == act.content:
            del owed[act.key]
        again = act.key in latest and latest[act.key].content == act.content
        latest[act.key] = act
        waiting = numbers.pop((act.key, act.content), None) if not again else None
        if waiting is None:
            continue
        # A row may take one value twice: then this arrival may be any of them that is in order.
        ahead = [(number, lane) for number, lane in waiting if number > furthest[lane]]
        if not ahead:
            number, content = newest.get(act.key, (-1, None))
            if number > waiting[0][0]:
                owed[act.key] = content
            else:
                late.append(act.key)
            continue
        (number, lane), *later = ahead
        furthest[lane] = number
        newest[act.key] = (number, act.content)
        if later:
            numbers[act.key, act.content] = later
    return [*late, *owed]
