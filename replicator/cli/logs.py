"""What the program says: to standard error or a rotating file, as text or as JSON lines.

Times are UTC, ISO 8601. A record is one line: control characters in messages are escaped, and
only a traceback (a bug) takes more lines, in text format. Secrets of the configuration are
replaced wherever they turn up. Values for machines go in ``extra={"rows": 5}``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from pathlib import Path

from replicator.config import LogConfig
from replicator.errors import ConfigError, ReplicatorError

_LIBRARIES = ("pymysql", "urllib3", "requests", "sqlalchemy", "waitress")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SHORTEST_SECRET = 4  # replacing every "ch" or "a" would only spoil the log


def set_up(log: LogConfig, secrets: Iterable[str] = (), level: str | None = None) -> None:
    """Send this process's log where ``log`` says; ``level`` overrides its level.

    Raises ConfigError when the file cannot be opened.
    """
    handler = _file_handler(log) if log.file else logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLine(secrets) if log.format == "json" else _TextLine(secrets))
    root = logging.getLogger()
    close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("replicator").setLevel((level or log.level).upper())
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


def close() -> None:
    """Undo ``set_up``: take its handler away and close its file."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler.formatter, _Line):
            root.removeHandler(handler)
            with contextlib.suppress(OSError):  # a full disk: standard error has the records
                handler.close()


def report(error: ReplicatorError) -> None:
    """Say on standard error why the command ends; a log file or JSON log gets a record too."""
    logger = logging.getLogger("replicator")
    handlers = logging.getLogger().handlers
    json_on_stderr = any(
        isinstance(handler.formatter, _JsonLine) and not isinstance(handler, RotatingFileHandler)
        for handler in handlers
    )
    if json_on_stderr or any(isinstance(handler, RotatingFileHandler) for handler in handlers):
        fields = {"detail": error.detail, "hint": error.hint, "exit_code": error.exit_code}
        logger.error(error.message, extra={name: value for name, value in fields.items() if value})
    if not json_on_stderr:
        formatters = [h.formatter for h in handlers if isinstance(h.formatter, _Line)]
        text = human(error)
        print(formatters[0].redact(text) if formatters else text, file=sys.stderr)


def human(error: ReplicatorError) -> str:
    """``message``, ``detail`` and ``hint`` as lines for a person."""
    lines = [f"replicator: {error.message}"]
    lines += [f"  {line}" for line in error.detail.splitlines()]
    if error.hint:
        lines += [f"  → {line}" for line in error.hint.splitlines()]
    return "\n".join(lines)


def _file_handler(log: LogConfig) -> logging.Handler:
    assert log.file is not None
    try:
        return _SharedFile(log.file, log.max_bytes, log.backups)
    except OSError as error:
        raise ConfigError(
            "the log file cannot be written",
            f"{log.file}: {error.strerror}",
            "set [log] file to a place this user may write, or leave it out for standard error",
        ) from error


class _Line(logging.Formatter):
    """What both formats share: the time, the fields, the secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]

    def redact(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    @staticmethod
    def when(record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, timezone.utc)
        return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"

    @staticmethod
    def fields(record: logging.LogRecord) -> Mapping[str, object]:
        return {name: value for name, value in vars(record).items() if name not in _STANDARD}

    def trace(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


class _TextLine(_Line):
    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in self.fields(record).items())
        message = _CONTROL.sub(_escape, record.getMessage() + fields)
        line = f"{self.when(record)} {record.levelname} {record.name}: {message}"
        trace = self.trace(record)
        return self.redact(f"{line}\n{trace}" if trace else line)


class _JsonLine(_Line):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": self.when(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.redact(record.getMessage()),
        }
        for name, value in self.fields(record).items():
            plain = isinstance(value, int | float) or value is None
            line.setdefault(name, value if plain else self.redact(str(value)))
        if trace := self.trace(record):
            line["traceback"] = self.redact(trace)
        return json.dumps(line, ensure_ascii=False)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


class _SharedFile(RotatingFileHandler):
    """A rotating file that several processes (tail and ship) may write at the same time.

    The standard handler keeps writing into a file that another process has rotated away, and then
    rotates again. This one follows the name, and rotates under a lock on the folder.
    """

    def __init__(self, path: Path, max_bytes: int, backups: int) -> None:
        super().__init__(path, maxBytes=max_bytes, backupCount=backups, encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):  # the old file is still open: better there than nowhere
            self._follow()
        super().emit(record)

    def doRollover(self) -> None:  # noqa: N802  # the name is logging's
        folder = os.open(Path(self.baseFilename).parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if not self._follow():
                super().doRollover()
        finally:
            os.close(folder)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # likewise
        """The file cannot be written (disk full, say): standard error gets the record instead."""
        print(self.format(record), file=sys.stderr)

    def _follow(self) -> bool:
        """Reopen when the name no longer means the open file; say whether it was so."""
        try:
            there = Path(self.baseFilename).stat()
        except FileNotFoundError:
            there = None
        before = None if self.stream is None or self.stream.closed else self.stream
        if before and there and os.path.samestat(os.fstat(before.fileno()), there):
            return False
        self.stream = self._open()
        if before:
            before.close()
        return True
