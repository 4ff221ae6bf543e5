"""The two kinds of central server, as data, and how to tell them apart. Pure.

Facts on the original server: the REST contract of cogent-house as its servers speak it. Ours is in
docs/rest.md. Nothing is configured: the answer to ``capabilities/`` decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from replicator.model import STREAM_TABLES, TABLES
from replicator.sink.judge import Bad, Denied, Reply, Wait, failure, rows_of, words

SIGNATURE_HEADER = "x-replicator-central"
PROBE_TABLE = "SensorType"
# Features that are used where both sides have them.
COLUMNS, ZSTD, HEARTBEATS, HOLDERS, TURNS = "columns", "zstd", "heartbeats", "holders", "turns"
_NEEDED = frozenset({"receipts", "delete", "sensor-get", "idempotent-create"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a kind of server can do.

    ``receipts``        answers a bulk request row by row, and stores the good ones
    ``deletes``         deletes readings and node states
    ``finds_by_key``    a create answers with the row that is there already
    ``exact_floats``    what it says of a FLOAT has all its bits
    ``listed``          tables that it can show; others are written blindly, under a computed id
    ``keeps_on_null``   tables in which a NULL does not overwrite a value
    ``columns``         reads bulk bodies in columns
    ``zstd``            reads Zstandard
    ``heartbeats``      keeps what a station says of itself; else there is only ``pushstatus/``
    ``fences``          refuses what a superseded holder of a station sends
    ``turns``           refuses what its sender has given up, should it arrive after all
    """

    name: str
    receipts: bool
    deletes: bool
    finds_by_key: bool
    exact_floats: bool
    listed: frozenset[str]
    keeps_on_null: frozenset[str]
    columns: bool = False
    zstd: bool = False
    heartbeats: bool = False
    fences: bool = False
    turns: bool = False


_ALL = frozenset(TABLES)
OURS = Dialect("replicator-central", True, True, True, True, _ALL, frozenset())
ORIGINAL = Dialect(
    name="cogent-house",
    receipts=False,
    deletes=False,
    finds_by_key=False,
    exact_floats=False,
    listed=_ALL - {"Sensor", *STREAM_TABLES} | {"Reading"},
    keeps_on_null=frozenset({"Reading"}),
)


def recognised(capabilities: Reply) -> Dialect | Wait | Denied | None:
    """The dialect that an answer to ``capabilities/`` shows; None: ask for the probe."""
    said = capabilities.json()
    if capabilities.status == 200 and isinstance(said, dict):
        return _ours(said, capabilities)
    failed = failure(capabilities)
    if failed is None:  # the original says 500 of a type that it does not know
        return _no_answer(capabilities)
    if isinstance(failed, Bad) and isinstance(said, dict) and "error" in said:
        return Wait(f"the central server did not say what it can do: {failed.words}")
    if isinstance(failed, Wait):
        return failed
    if isinstance(failed, Denied) and capabilities.status != 404:
        return failed
    return None


def _no_answer(reply: Reply) -> Wait | Denied:
    if reply.body.lstrip().startswith(b"<"):  # a page: a wrong path, or a captive portal
        return Denied("this is not a central server", words(reply), "[destination NAME] url")
    return Wait(f"the central server's answer is not understood: {words(reply)}")


def _ours(said: dict[str, object], reply: Reply) -> Dialect | Denied:
    if said.get("server") != OURS.name:
        return Denied("this is not a central server", words(reply), "[destination NAME] url")
    features = said.get("features")
    can = features if isinstance(features, list) else []
    missing = [feature for feature in sorted(_NEEDED) if feature not in can]
    if missing:
        lacking = ", ".join(missing)
        return Denied("the central server is too old", f"it lacks {lacking}", "update it")
    told = {name: name in can for name in (COLUMNS, ZSTD, HEARTBEATS, HOLDERS, TURNS)}
    return replace(
        OURS,
        columns=told[COLUMNS],
        zstd=told[ZSTD],
        heartbeats=told[HEARTBEATS],
        fences=told[HOLDERS],
        turns=told[TURNS],
    )


def probed(probe: Reply) -> Dialect | Wait | Denied:
    """The dialect of a server that knows no ``capabilities/``, by its list of sensor types."""
    rows = rows_of(probe, PROBE_TABLE)
    if isinstance(rows, list):
        if SIGNATURE_HEADER in probe.headers:
            return Wait("the central server did not say what it can do")
        return ORIGINAL
    if isinstance(rows, Denied):
        return rows
    if probe.status == 200:
        return _no_answer(probe)
    return rows if isinstance(rows, Wait) else Wait(f"the central server is ill: {words(probe)}")
