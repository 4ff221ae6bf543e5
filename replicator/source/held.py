"""What came since the last look, with bulk inserts decoded together: many rows by few calls. Pure.

Events of some hundred rows follow one another; rows of several transactions are decoded at once and
come back as one change for each stretch of events that nothing stands between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeAlias

from replicator.change import Change
from replicator.errors import Unsupported
from replicator.source.bounds import Begin, End
from replicator.source.decode import Held, TableDecoder

Item: TypeAlias = Change | Begin | End
_Stretch: TypeAlias = list[Held]


def decoded(found: Sequence[Item | Held]) -> tuple[list[Item], Unsupported | None]:
    """The same in order, with what was held as changes; up to the first that cannot be decoded."""
    parts = list(_parts(found))
    stretches: dict[TableDecoder, list[_Stretch]] = {}
    for part in parts:
        if isinstance(part, list):
            stretches.setdefault(part[0].decoder, []).append(part)
    try:
        changes = {decoder: iter(decoder.inserts(some)) for decoder, some in stretches.items()}
    except Unsupported:
        return _one_by_one(found)
    return [next(changes[p[0].decoder]) if isinstance(p, list) else p for p in parts], None


def _parts(found: Sequence[Item | Held]) -> Iterator[Item | _Stretch]:
    for decoder, items in groupby(found, lambda item: isinstance(item, Held) and item.decoder):
        if decoder:
            yield [item for item in items if isinstance(item, Held)]
        else:
            yield from (item for item in items if not isinstance(item, Held))


def _one_by_one(found: Sequence[Item | Held]) -> tuple[list[Item], Unsupported | None]:
    ready: list[Item] = []
    for item in found:
        try:
            ready += item.decoder.inserts([[item]]) if isinstance(item, Held) else [item]
        except Unsupported as error:
            return ready, error
    return ready, None
