"""What must be so after each kill, whatever was under way. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

Row = tuple[int, int]  # number of its transaction, number in it


def rows_of(number: int) -> list[Row]:
    """Of one transaction of the synthetic source."""
    return [(number, place) for place in range(number % 7 + 1)]


@dataclass(slots=True)
class Heard:
    """What the world outside knows, which a kill cannot take back.

    ``captured``   the last transaction that was called durable
    ``centre``     rows in the order in which the destination first got them
    ``requests``   rows sent, those sent again included
    """

    captured: int = 0
    centre: dict[Row, None] = field(default_factory=dict)
    requests: int = 0


def judged(
    heard: Heard, position: int, held: Sequence[Row], settled: Sequence[Row], *, complete: bool
) -> list[str]:
    """What is wrong, in words; [] when all is right.

    ``position``  the last transaction that the outbox says it has
    ``held``      rows of the outbox in its order; ``settled``: those up to the cursor
    ``complete``  nothing was killed at last: the destination must have all
    """
    wrong = []
    wanted = [row for number in range(1, position + 1) for row in rows_of(number)]
    if position < heard.captured:
        wrong.append(
            f"lost: transaction {heard.captured} was durable, the outbox ends at {position}"
        )
    if list(held) != wanted:
        wrong.append(_difference("the outbox", held, wanted))
    unknown = [row for row in settled if row not in heard.centre]
    if unknown:
        wrong.append(f"lost: {len(unknown)} rows are called delivered, and are not there")
    there = list(heard.centre)
    if there != wanted[: len(there)]:
        wrong.append(_difference("the destination", there, wanted[: len(there)]))
    if complete and there != wanted:
        wrong.append(f"lost: the destination has {len(there)} of {len(wanted)} rows")
    return wrong


def _difference(where: str, found: Sequence[Row], wanted: Sequence[Row]) -> str:
    doubled = sum(times - 1 for times in Counter(found).values())
    missing = len(set(wanted) - set(found))
    if not doubled and not missing:
        return f"order: {where} has the rows in another order"
    return f"{where}: {missing} rows lost, {doubled} doubled"
