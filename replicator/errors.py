"""The errors a user can meet: what happened, to what, and what to do about it.

Every error that leaves a room is one of these. `cli` prints ``message``, ``detail`` and ``hint``
on three lines and exits with ``exit_code``; docs/exit-codes.md is the table. A foreign exception
(PyMySQL, sqlite3, requests) is translated where it enters, never further in.
"""

from __future__ import annotations


class ReplicatorError(Exception):
    """A failure with a name.

    ``message``  what happened, one line, no trailing full stop.
    ``detail``   to what: the table, the file, the server's own words.
    ``hint``     what to do: a command, an SQL statement or a configuration line.
    """

    exit_code = 1

    def __init__(self, message: str, detail: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        return " · ".join(part for part in (self.message, self.detail, self.hint) if part)


class ConfigError(ReplicatorError):
    """replicator.ini or the environment cannot be used as it is."""

    exit_code = 2


class SourceUnavailable(ReplicatorError):
    """The station's database cannot be reached now; trying again may help."""

    exit_code = 3


class SourceMisconfigured(ReplicatorError):
    """The server answers, but its settings, grants or schema do not allow capture."""

    exit_code = 4


class PositionLost(ReplicatorError):
    """The log can no longer be read from where we stopped: purged, reset, or another server."""

    exit_code = 5


class Unsupported(ReplicatorError):
    """An event, column type, row image or charset of a replicated table that we do not decode."""

    exit_code = 6


class OutboxError(ReplicatorError):
    """The outbox cannot be used: missing, damaged, written by a newer version."""

    exit_code = 7


class OutboxBusy(OutboxError):
    """Another process holds this role on the outbox (one writer per role)."""

    exit_code = 8


class OutboxFull(OutboxError):
    """No room for another entry: the disk or the budget is used up. Capture pauses."""

    exit_code = 9


class OutboxUnavailable(OutboxError):
    """The NATS servers that hold the outbox cannot be reached now; capture waits."""

    exit_code = 12


class OutboxTaken(OutboxBusy):
    """Another process has taken over this role on an outbox that is a stream."""

    exit_code = 13


class DestinationUnavailable(ReplicatorError):
    """The link or the central server is down; waiting helps."""

    exit_code = 10

    def __init__(
        self, message: str, detail: str = "", hint: str = "", after: float | None = None
    ) -> None:
        super().__init__(message, detail, hint)
        self.after = after  # seconds that the server asked us to wait


class HoldingLost(ReplicatorError):
    """Another shipper delivers this station by now: the central server refused this one's rows."""

    exit_code = 14


class DestinationRefused(ReplicatorError):
    """The central server answers, but not to us: credentials, URL, or not such a server."""

    exit_code = 11


class NotTheSame(ReplicatorError):
    """An audit found rows that are missing, extra or different at the centre, and are not repaired.

    Or a certificate is not what was signed.
    """

    exit_code = 20


class Untold(ReplicatorError):
    """An audit cannot tell: the log is not read to its end, or a certificate's key is not known."""

    exit_code = 21


class PromiseBroken(ReplicatorError):
    """The self-test found rows lost, doubled or out of order on this machine."""

    exit_code = 22
