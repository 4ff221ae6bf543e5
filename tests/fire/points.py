"""The crash points of tail and ship: every step that lasts, named, scenario by scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from tests.faults.centres import KINDS, Kind


@dataclass(frozen=True)
class Scenario:
    """``points``: what the command does that lasts, for each kind of centre.

    ``parked``: reasons of rows that stay parked in the end. ``keys``: of replicator.ini.
    """

    stage: str
    command: str
    points: Mapping[Kind, Sequence[str]]
    parked: Sequence[str] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)


def _both(
    common: Sequence[str], original: Sequence[str], ours: Sequence[str]
) -> Mapping[Kind, Sequence[str]]:
    return {"original": (*common, *original), "ours": (*common, *ours)}


_OPENED = ("outbox.db journal_mode", "central.db journal_mode")
_ENDED = ("central.db history", "central.db status")
_PLACE = ("POST house", "POST location", "POST node", "central.db mapping")
_SENT = ("POST bulk", "central.db settle")

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        # Files made, schema, first position, chunks of the snapshot, its end.
        "tail starts": Scenario(
            "empty",
            "tail",
            {
                "ours": (
                    "outbox.db journal_mode",
                    "outbox.db schema",
                    "outbox.db position",
                    "outbox.db expire",
                    "outbox.db forget reference",
                    "outbox.db append",
                    "outbox.db forecast",
                    "outbox.db history",
                    "outbox.db mark",
                    "outbox.db status",
                )
            },
        ),
        # Transactions from the log, with reference rows; what all have settled expires.
        "tail follows": Scenario(
            "base",
            "tail",
            {
                "ours": (
                    "outbox.db journal_mode",
                    "outbox.db expire",
                    "outbox.db forget reference",
                    "outbox.db incremental_vacuum",
                    "outbox.db append",
                    "outbox.db fold",
                    "outbox.db forecast",
                    "outbox.db history",
                    "outbox.db mark",
                    "outbox.db status",
                )
            },
            keys={"keep": 0},
        ),
        # Everything is looked up or created: between look-up, create, mapping and settling.
        "ship starts": Scenario(
            "first",
            "ship",
            _both(
                (
                    *_OPENED,
                    "central.db schema",
                    "central.db hold lane",
                    "POST deployment",
                    "POST roomtype",
                    "POST room",
                    "POST sensortype",
                    *_PLACE,
                    *_SENT,
                    *_ENDED,
                ),
                (),
                ("POST nodetype", "POST sensor", "central.db turn"),
            ),
        ),
        # Batches, a new house with all that is in it, a renamed one, a calibration.
        "ship goes on": Scenario(
            "due",
            "ship",
            _both(
                (*_OPENED, "central.db hold lane", *_PLACE, "PUT house", *_SENT, *_ENDED),
                (),
                ("POST sensor", "PUT sensor", "central.db turn"),
            ),
            keys={"batch_rows": 20},
        ),
        # A house that was refused is taken: its rows leave the parked list in order.
        "ship drains": Scenario(
            "blocked",
            "ship",
            _both(
                (
                    *_OPENED,
                    "central.db hold lane",
                    *_PLACE,
                    "POST bulk",
                    "central.db settle drained",
                    *_ENDED,
                ),
                (),
                ("POST sensor", "central.db turn"),
            ),
            parked=("refused",),
            keys={"batch_rows": 5},
        ),
        # The outbox is older than the cursor.
        "ship rewinds": Scenario(
            "fallen",
            "ship",
            {"ours": (*_OPENED, "central.db rewind", "central.db hold lane", *_ENDED)},
        ),
    }
)
CASES: Sequence[tuple[str, Kind]] = tuple(
    (name, kind)
    for name, scenario in SCENARIOS.items()
    for kind in KINDS
    if kind in scenario.points
)
POINTS: Sequence[tuple[str, Kind, str]] = tuple(
    (name, kind, point) for name, kind in CASES for point in SCENARIOS[name].points[kind]
)

# On a stream: what tail, and ship's feed, do there and in outbox.db; delivery is as above.
STREAM_POINTS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "tail starts": (
            "NATS create stream",
            "NATS end",  # each chunk of the snapshot is one message
        ),
        "tail follows": (
            "NATS part",
            "NATS end",
        ),
        "ship feeds": (
            "NATS create bucket",
            "NATS settled",
            "NATS create desks",
            "NATS desk",
            "NATS reference",
            "NATS purge",
            "outbox.db append",
        ),
    }
)
