"""Operations of the contract in OpenAPI's words: their answers, failures and headers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from replicator.central.shapes import REASONS, of, reference

Json = dict[str, Any]
JSON = "application/json"

MEANINGS = {
    400: "The request makes no sense.",
    401: "No token, or one that is not known here.",
    403: "The token is another station's than the one that is spoken for.",
    404: "There is no such path or row.",
    405: "Not a number: this is the path of something else, which does not take the method.",
    409: "A newer holder delivers this station by now, or its sender has given this request up;"
    " nothing was stored.",
    413: "The body, what it inflates to, or the number of its rows is over the limit.",
    415: "The body's Content-Encoding is not known here.",
    422: "A row cannot be stored, or not be deleted.",
    500: "A bug; the server's log has it.",
    503: "The database does not answer; nothing was stored.",
}
OF_BODIES = (400, 413, 415)  # what may be wrong with a body
OF_HOLDERS = (400, 403, 409)  # what may be wrong with who sends a change
# Every status from 400 up, and its codes (docs/rest.md).
CODES: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        400: (
            *("bad-json", "bad-zlib", "bad-zstd", "bad-columns", "bad-body", "bad-filter"),
            *("bad-range", "bad-request", "bad-holder"),
        ),
        401: ("unauthorized",),
        403: ("not-your-station",),
        404: ("no-slash", "unknown-type", "no-id", "no-such-row", "not-found"),
        405: ("method-not-allowed",),
        409: ("superseded", "late"),
        413: ("too-large",),
        415: ("unsupported-encoding",),
        422: (
            "rejected",
            *REASONS,
            "duplicate-key",
            "bad-id",
            "in-use",
            "no-station",
            "bad-heartbeat",
        ),
        500: ("internal",),
        503: ("database-unavailable",),
    }
)


def operation(
    summary: str,
    done: dict[int, Json],
    failing: tuple[int, ...],
    *,
    body: Json | None = None,
    parameters: list[Json] | None = None,
    token: bool = True,
) -> Json:
    """``done``: answers by status; ``failing``: statuses beside those of every operation."""
    failures = sorted({*failing, *((401,) if token else ()), 500, 503})
    made: Json = {"summary": summary}
    if not token:
        made["security"] = []
    if parameters:
        made["parameters"] = parameters
    if body is not None:
        made["requestBody"] = {"required": True, "content": body}
    made["responses"] = {str(status): said for status, said in done.items()} | {
        str(status): {"$ref": f"#/components/responses/{status}"} for status in failures
    }
    return made


def answer(description: str, schema: Json, headers: Json | None = None) -> Json:
    """A JSON answer."""
    return {
        "description": description,
        "headers": {**server(), **(headers or {})},
        "content": {JSON: {"schema": schema}},
    }


def failure(status: int) -> Json:
    """The component for this status."""
    headers: Json = {}
    if status == 405:
        headers["Allow"] = header("The methods that it takes.", "[A-Z]+")
    if status == 503:
        headers["Retry-After"] = header("Seconds.", r"^\d+$")
    if status == 401:
        headers["WWW-Authenticate"] = header("What to send.", "^Bearer ")
    said = {"description": MEANINGS[status], "content": {JSON: {"schema": _error(status)}}}
    return {**said, **({"headers": headers} if headers else {})}


def _error(status: int) -> Json:
    """The body of an answer with this status."""
    properties: Json = {
        "error": {"type": "string", "enum": list(CODES[status])},
        "detail": {"type": "string"},
    }
    if status == 422:
        properties["rejected"] = {
            "type": "array",
            "items": reference("Rejected"),
            "description": "The first ten bad rows of a refused batch.",
        }
    if status == 409:
        properties["turn"] = {
            "type": "integer",
            "description": "Of a late one's sender.",
        }
    return of(properties, required=("error", "detail"))


def header(description: str, pattern: str) -> Json:
    """One that always comes."""
    return {
        "description": description,
        "required": True,
        "schema": {"type": "string", "pattern": pattern},
    }


def server() -> Json:
    """The header by which a client knows this server."""
    return {"X-Replicator-Central": {"$ref": "#/components/headers/Server"}}
