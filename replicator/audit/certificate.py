"""A statement that a researcher can file: what was captured, acknowledged and is present. Pure.

The statement is a JSON object; its signature covers the same object with sorted keys and no blanks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from replicator.errors import NotTheSame

FORMAT = "replicator-certificate/1"
PARKED_LISTED = 1_000

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Signed:
    """``statement`` with the signature (Ed25519) and the public key beside it, both base64."""

    statement: Json
    public_key: str
    signature: str

    def to_json(self) -> bytes:
        """The file."""
        signature = {
            "algorithm": "Ed25519",
            "public_key": self.public_key,
            "value": self.signature,
        }
        content = {"statement": self.statement, "signature": signature}
        return orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n"

    @classmethod
    def parse(cls, content: bytes) -> Signed:
        """Inverse of ``to_json``. Raises NotTheSame for anything else."""
        try:
            said = orjson.loads(content)
        except orjson.JSONDecodeError:
            said = None
        match said:
            case {
                "statement": {"format": "replicator-certificate/1", **_others} as statement,
                "signature": {
                    "algorithm": "Ed25519",
                    "public_key": str(public_key),
                    "value": str(value),
                },
            }:
                return cls(statement, public_key, value)
        raise NotTheSame("this is not a certificate", "", "name the JSON file, not the text")


def signed_bytes(statement: Json) -> bytes:
    """What the signature covers."""
    return orjson.dumps(statement, option=orjson.OPT_SORT_KEYS)


def text_of(statement: Json, fingerprint: str) -> str:
    """The statement for people; the JSON is what is signed."""
    period, house = statement["period"], statement["house"]
    lines = [
        f"Certificate of station {statement['station']['name']}: house {house['address']} "
        f"({house['id']}), {period['from']} to {period['until']}",
        f"at {statement['destination']['name']} ({statement['destination']['url']})",
        "",
        *_tables(statement["tables"]),
        "",
        f"unexplained rows: {statement['unexplained']}; not to be told: {statement['untold']}",
        *_explained(statement),
        *_gaps(statement["gaps"]),
        "",
        f"read up to {statement['positions']['captured_to']}",
        f"at {statement['made_at']} by replicator {statement['software']}",
        f"signed with the key {fingerprint}; the JSON file beside this text holds the signature",
    ]
    verdict = "COMPLETE" if statement["complete"] else "NOT COMPLETE"
    return "\n".join([*lines, verdict]) + "\n"


def _tables(tables: Mapping[str, Json]) -> list[str]:
    lines = []
    for table, known in tables.items():
        present = "not counted" if known["present"] is None else f"{known['present']:,}"
        lines.append(
            f"{table}: {known['captured']:,} captured, {known['acknowledged']:,} acknowledged, "
            f"{present} present"
        )
        for side in ("acknowledged_digest", "present_digest"):
            lines.append(f"  {side.replace('_', ' ')}: {known[side] or 'not given by the server'}")
    return lines


def _explained(statement: Json) -> list[str]:
    lines = [
        f"explained: {each['rows']:,} {each['table']} {each['kind']}: {each['reason']}"
        for each in statement["excused"]
    ]
    others = [("twin", "identities that the station has again")]
    others.append(("elsewhere", "rows of other stations under these nodes"))
    lines += [
        f"explained: {statement['found'][kind]:,} {meaning}"
        for kind, meaning in others
        if kind in statement["found"]
    ]
    listed: Sequence[Json] = statement["parked"]
    return lines + [
        f"  parked {each['table']} {each['key']}: {each['reason']}: {each['detail']}"
        for each in listed
    ]


def _gaps(gaps: Sequence[Json]) -> list[str]:
    return [
        f"gap in the log after {gap['last_position']}, found {gap['found_at']}: {gap['reason']}; "
        f"{'healed ' + gap['healed_at'] if gap['healed_at'] else 'not healed'}"
        for gap in gaps
    ]
