"""Every check as data: what it looks at, and what happens where it fails (docs/check.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Check:
    """``looks``: at what; ``why``: what goes wrong where it is not so."""

    part: str
    name: str
    looks: str
    why: str


_C, _S, _O, _K, _D = "configuration", "source", "outbox", "continuity", "destination"
_N = "stream"
_LIST = (
    Check(_C, "file", "the configuration was read, and only its owner can change it",
          "whoever can write it can send the rows elsewhere"),
    Check(_C, "secrets", "nobody else can read the files that hold a password or token",
          "every user of the machine could read the database and write to the centre"),
    Check(_C, "destinations", "which destinations are enabled",
          "without one, rows are captured and wait"),
    Check(_C, "duplicates", "no two enabled destinations have one address",
          "the same rows would be sent there twice, for nothing"),
    Check(_C, "log file", "the log's file can be written",
          "what replicator says about itself would be lost"),
    Check(_C, "python", "the version of Python is supported", "it is not tested with this one"),
    Check(_C, "sqlite", "SQLite has what the outbox's views need",
          "the outbox cannot be opened, or read by people"),
    Check(_S, "connection", "the server can be reached and lets us in", "nothing can be captured"),
    Check(_S, "binlog", "the binlog is on", "nothing can be captured"),
    Check(_S, "binlog_format", "ROW", "statements have no rows to copy"),
    Check(_S, "binlog_row_image", "FULL", "changes would arrive without some of their columns"),
    Check(_S, "binlog_row_value_options", "no partial JSON", "values would arrive in part"),
    Check(_S, "binlog_transaction_compression", "off, or Zstandard is installed here",
          "transactions could not be unpacked"),
    Check(_S, "binlog_row_metadata", "which names of columns the log carries",
          "after an ALTER TABLE capture may stop, as it does not guess"),
    Check(_S, "binlog_checksum", "events carry a checksum",
          "a bit that a bad card or link turns is taken for data"),
    Check(_S, "retention", "the log is kept three days at least",
          "a longer pause of capture makes a gap"),
    Check(_S, "server_id", "the server has one, and ours is another",
          "the server refuses us, or cuts the line"),
    Check(_S, "replicas", "nobody else reads the log under our server_id or user",
          "two readers with one number throw each other out for ever"),
    Check(_S, "binlog filter", "no binlog_do_db, binlog_ignore_db keeps our database out",
          "its rows are not in the log"),
    Check(_S, "grant REPLICATION SLAVE", "given", "the log cannot be read"),
    Check(_S, "grant BINLOG MONITOR", "given", "the log's end cannot be asked for"),
    Check(_S, "grants to write", "our user may only read",
          "nothing is ever written there; a stolen password could"),
    Check(_S, "table", "each replicated table: there, with its columns and primary key, of types "
          "that are decoded, without cascades or system versioning",
          "rows would be missing, or capture stops at them"),
    Check(_S, "engines", "the replicated tables are transactional",
          "after a crash the table has rows that the log has not, or the reverse"),
    Check(_S, "unlogged sessions", "init_connect does not switch the log off",
          "what such sessions write is not in the log"),
    Check(_S, "durability", "sync_binlog and innodb_flush_log_at_trx_commit are 1",
          "a power cut takes commits from the log that the tables still have"),
    Check(_S, "time zone", "the server's default zone is UTC",
          "times that loggers write with NOW() are local, and come twice in an autumn night"),
    Check(_S, "clock", "the server's clock agrees with the station's within ten seconds",
          "ages, lags and forecasts are wrong"),
    Check(_O, "folder", "it can be written", "nothing can be captured"),
    Check(_O, "disk", "it has room for [outbox] max_size", "the disk is full before the budget is"),
    Check(_O, "budget", "less than four fifths of max_size are used",
          "at the end of the budget capture pauses"),
    Check(_O, "filesystem", "of this machine, and still there after a power cut",
          "SQLite's locks and WAL do not work over a network; memory forgets"),
    Check(_O, "wal", "SQLite can write ahead (WAL) there, in a file that is removed again",
          "tail and ship would wait for each other's locks"),
    Check(_O, "fsync", "how long the disk takes to say that data are safe",
          "one that says so at once may lose them; a slow one slows capture"),
    Check(_O, "schema", "the outbox's files are whole enough to open, and of this version",
          "tail and ship would refuse to start, or migrate them first"),
    Check(_N, "servers", "NATS answers, and takes one writer at a time",
          "nothing can be captured; the binlog is the overflow"),
    Check(_N, "settings", "the stream drops nothing by itself", "rows would be lost silently"),
    Check(_N, "replicas", "as many as [outbox] replicas, all there and up to date",
          "one more server that dies, and the stream stands, or rows are lost"),
    Check(_N, "durability", "three replicas", "a power cut takes what was acknowledged last;"
          " it is read from the binlog again, while that has it"),
    Check(_N, "room", "less than four fifths of its limit are used",
          "a full stream takes no more: capture pauses"),
    Check(_N, "leaves", "a hub hears every station's own server",
          "what is captured there waits there"),
    Check(_N, "hub", "a station's own server reaches the hub", "what is captured waits here"),
    Check(_K, "position", "the log still has what capture reads next", "there will be a gap"),
    Check(_K, "gaps", "no gap is open", "rows are missing until it is healed"),
    Check(_K, "log kept", "how long the source keeps what is unread",
          "what it purges before it is read makes a gap"),
    Check(_D, "server", "it answers, lets us in, and is a central server",
          "nothing can be delivered; what is captured waits"),
    Check(_D, "token", "it is sent encrypted, and configured where the server asks for one",
          "who listens on the line could write in the station's name"),
    Check(_D, "certificate", "its TLS certificate is trusted and valid for three weeks yet",
          "from that day on nothing can be delivered"),
    Check(_D, "link", "five small requests: how long they take, how many fail",
          "a slow link delivers slowly"),
    Check(_D, "clock there", "the centre's clock agrees with the station's within a minute",
          "one of the two is wrong, and the readings' times with it"),
    Check(_D, "mappings", "no house or node waits for something that the centre has not got",
          "its rows wait, in order, until it is mended there"),
)  # fmt: skip

CHECKS: Mapping[tuple[str, str], Check] = MappingProxyType(
    {(check.part, check.name): check for check in _LIST}
)


def why(part: str, name: str) -> str:
    """Of a finding's part ("destination home" too) and check. Raises KeyError for none of ours."""
    return CHECKS[part.split(" ", maxsplit=1)[0], name].why
