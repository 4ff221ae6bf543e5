"""The rows and answers of the contract as JSON schemas, for the OpenAPI document. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from replicator.audit.digest import LEVELS
from replicator.central.schema import BULK_TABLES, TABLES, TIME, CentralTable, Kind
from replicator.central.settings import MAX_ROWS
from replicator.model import STREAM_TABLES

Json = dict[str, Any]

_SHOWN_TIME = r"^[1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d$"
_SENT_TIME = r"^[1-9]\d{3}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?(\d\d)?)?$"
_INT32 = {"minimum": -(2**31), "maximum": 2**31 - 1}
_INT64 = {"minimum": -(2**63), "maximum": 2**63 - 1}
# From here on a double rounds to infinity as a 32 bit float.
_FLOAT32 = {"exclusiveMinimum": -3.4028235677973366e38, "exclusiveMaximum": 3.4028235677973366e38}

# Reasons for one row; also the codes of a 422 to a request about one row.
REASONS: tuple[str, ...] = (
    "unknown-table",
    "bad-op",
    "null-key",
    "bad-type",
    "bad-time",
    "bad-number",
    "too-long",
    "unknown-reference",
    "id-taken",
)


def schemas() -> Json:
    """Components by name."""
    found: Json = {}
    for table in TABLES.values():
        found[table.name] = _shown(table)
        found[f"{table.name}Sent"] = _sent(table)
    return {**found, **_bulk(), **_answers(), **_stations()}


def reference(name: str) -> Json:
    """A component by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def filters(table: CentralTable) -> Json:
    """The query of a list, one property for each column and comparison."""
    properties: Json = {}
    for name in table.kinds:
        properties[name] = {"type": "string"}
    compared = f"^(ge|gt|le|lt)_({'|'.join(table.kinds)})$"
    columns = f"[+-]?({'|'.join(table.kinds)})"
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": {
            compared: {"type": "string"},
            rf"^sort\({columns}(,{columns})*\)$": {"type": "string", "maxLength": 0},
        },
        "additionalProperties": False,
    }


def of(properties: Json, required: tuple[str, ...] | None = None) -> Json:
    """An object of these properties and no others; all of them, or the ``required`` ones."""
    return {
        "type": "object",
        "required": list(properties if required is None else required),
        "properties": properties,
        "additionalProperties": False,
    }


def _cell(kind: Kind, nullable: bool, time: str) -> Json:
    numbers: Mapping[str, Json] = {
        "integer": {"type": "integer", **_INT32},
        "bigint": {"type": "integer", **_INT64},
        "flag": {"type": "integer", "minimum": -128, "maximum": 127},
        "float": {"type": "number", **_FLOAT32},
        "text": {"type": "string", "maxLength": kind.length},
        "time": {"type": "string", "pattern": time},
    }
    cell = dict(numbers[kind.name])
    if nullable:
        cell["type"] = [cell["type"], "null"]
    return cell


def _shown(table: CentralTable) -> Json:
    properties: Json = {"__table__": {"const": table.name}}
    for name, kind in table.kinds.items():
        properties[name] = _cell(kind, name not in table.primary_key, _SHOWN_TIME)
    return of(properties)


def _sent(table: CentralTable) -> Json:
    """Unknown keys are ignored, so they are allowed. The id may be in the path, so it may lack."""
    cells: Json = {}
    for name, kind in table.kinds.items():
        cells[name] = _cell(kind, name not in table.required, _SENT_TIME)
        if kind.name == "flag":
            cells[name]["type"] = [*cells[name]["type"], "boolean"]
    if table.numbers:
        cells["id"] = {"type": ["integer", "null"], "minimum": 1, "maximum": 2**31 - 1}
    required = [name for name in table.required if name != "id"]
    return {"type": "object", "required": required, "properties": cells}


def made(table: CentralTable) -> Json:
    """A row to be made: where its id is not handed out, it has one."""
    if table.name == "Pushstatus":  # its id and its time are ours, whatever is sent
        sent = _sent(table)
        named = ("localtime", "hostname", "version")
        return {"type": "object", "properties": {name: sent["properties"][name] for name in named}}
    row = reference(f"{table.name}Sent")
    return {"allOf": [row, {"required": ["id"]}]} if table.natural_key == ("id",) else row


def _bulk() -> Json:
    either = [
        {
            "allOf": [
                {
                    "type": "object",
                    "required": ["__table__"],
                    "properties": {
                        "__table__": {"const": name},
                        "__op__": {"enum": _operations(TABLES[name])},
                    },
                },
                made(TABLES[name]),
            ]
        }
        for name in BULK_TABLES
    ]
    rows = {"type": "array", "items": reference("BulkRow"), "maxItems": MAX_ROWS}
    return {"BulkRow": {"anyOf": either}, "BulkRows": rows}


def _operations(table: CentralTable) -> list[str]:
    return ["upsert", "delete"] if table.stream else ["upsert"]


def _answers() -> Json:
    count = {"type": "integer", "minimum": 0}
    text = {"type": "string"}
    after = {
        "type": ["array", "null"],
        "description": "The primary key of the last row that was read; null: that was all.",
        "items": {"type": ["integer", "string"]},
        "minItems": 3,
        "maxItems": 3,
    }
    group = {
        "type": "array",
        "description": "The key as the level has it, the number of rows, the digest.",
        "minItems": 4,
        "maxItems": 6,
    }
    named = ("max_body", "max_inflated", "max_rows", "default_page", "max_page")
    reasons = {"type": "string", "enum": list(REASONS)}
    return {
        "Rejected": of({"index": count, "reason": reasons, "detail": text}),
        "Receipt": of(
            {
                "receipt": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                "stored": count,
                "rejected": {"type": "array", "items": reference("Rejected")},
            }
        ),
        "Capabilities": of(
            {
                "server": {"const": "replicator-central"},
                "version": text,
                "features": {"type": "array", "items": text},
                "limits": of(dict.fromkeys(named, count)),
            }
        ),
        "Counts": {
            "type": "array",
            "items": {
                "type": "array",
                "description": "Day and number.",
                "items": {"type": ["integer", "string"], "pattern": r"^\d{4}-\d\d-\d\d$"},
                "minItems": 2,
                "maxItems": 2,
            },
        },
        "LastTime": {"type": ["string", "null"], "pattern": _SHOWN_TIME},
        "Digests": of({"groups": {"type": "array", "items": group}, "after": after}),
        "DigestsAsked": _digests_asked(after),
    }


def _digests_asked(after: Json) -> Json:
    number = {"type": "integer", **_INT32}
    place = {"type": "array", "items": {"type": ["integer", "null"], **_INT32}}
    time = {"type": ["string", "null"], "pattern": _SENT_TIME}
    properties: Json = {
        "table": {"type": "string", "enum": list(STREAM_TABLES)},
        "level": {"type": "string", "enum": list(LEVELS)},
        "nodes": {"type": "array", "items": number, "maxItems": 10_000},
        "from": time,
        "to": time,
        "types": {"type": ["array", "null"], "items": number, "maxItems": 500},
        "places": {"type": ["array", "null"], "items": place, "maxItems": 10_000},
        "after": after,
    }
    return of(properties, required=("table", "level", "nodes"))


def _stations() -> Json:
    """What stations say of themselves, sent and listed."""
    texts = dict.fromkeys(("version", "tail", "ship"), _cell(Kind("text", 255), True, ""))
    names = ("interval", "waiting_rows", "lag_seconds", "parked_rows", "open_gaps")
    counts = (*names, "disk_free", "outbox_bytes")
    times = ("sent_at", "last_commit")
    whole = {"type": ["integer", "null"], "minimum": 0}
    number = {"type": ["number", "null"], "minimum": 0, "maximum": _INT64["maximum"]}
    sent = {
        **texts,
        **dict.fromkeys(counts, number),
        **dict.fromkeys(times, _cell(TIME, True, _SENT_TIME)),
    }
    time = _cell(TIME, True, _SHOWN_TIME)
    shown: Json = {
        "station": {"type": "string"},
        "state": {"enum": ["silent", "critical", "warning", "never", "fine"]},
        "why": {"type": "array", "items": {"type": "string"}},
        "last_seen": time,
        "seconds_ago": {"type": ["integer", "null"]},
    }
    said = {**texts, **dict.fromkeys(counts, whole), **dict.fromkeys(times, time)}
    return {
        "Heartbeat": {"type": "object", "properties": sent},
        "Kept": of({"station": {"type": "string"}}),
        "Station": of({**shown, **said}),
    }
