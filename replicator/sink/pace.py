"""How many rows go into one request: as many as the link carries in a few seconds. Pure."""

from __future__ import annotations

_SLOW_SECONDS, _QUICK_SECONDS = 10.0, 2.5
_FEWEST_ROWS = 10
_WEIGHT = 0.2  # of the newest request in the bytes of a row


class Pace:
    """Smaller batches on a link that fails or is slow, larger ones while it carries them.

    ``most_rows``, ``most_bytes`` (as sent): of one request. Outlives a connection: after an
    outage it begins with few rows.
    """

    def __init__(self, most_rows: int, most_bytes: int) -> None:
        self._most_rows = most_rows
        self._most_bytes = most_bytes
        self._rows = most_rows
        self._row_bytes = 16.0

    def limit(self) -> int:
        """Rows for the next request."""
        return max(1, min(self._rows, int(self._most_bytes / self._row_bytes)))

    def learn(self, rows: int, bytes_sent: int, seconds: float, *, failed: bool) -> None:
        """What a round sent and what it took. ``failed``: it could not go on, or was too large."""
        if rows and not failed:
            self._row_bytes += _WEIGHT * (bytes_sent / rows - self._row_bytes)
        if failed or seconds > _SLOW_SECONDS:
            fewer = max(_FEWEST_ROWS, min(self._rows, rows) // 2)
            self._rows = min(self._most_rows, fewer)
        elif rows and seconds < _QUICK_SECONDS:
            self._rows = min(self._most_rows, self._rows * 2)
