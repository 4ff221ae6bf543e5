"""What a client is told when its request cannot be done. Stays inside this room."""

from __future__ import annotations

from dataclasses import dataclass


class Problem(Exception):
    """Ends a request with a status and ``{"error": code, "detail": text}``.

    ``retry_after``  seconds, sent as a header with 503
    ``rejected``     the first bad rows of a refused batch
    ``turn``         of the sender, the newest, where a request of an older one was refused
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after: int | None = None,
        rejected: list[dict[str, object]] | None = None,
        turn: int | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.rejected = rejected
        self.turn = turn


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one row cannot be stored: a code of docs/rest.md and a sentence."""

    reason: str
    detail: str
