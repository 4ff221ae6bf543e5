"""Every key of replicator.ini, as data: the parser, the example and the documentation read this.

A destination's keys stand in a section of their own for each destination, [destination NAME].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from replicator.config import kinds
from replicator.config.kinds import Kind


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    ``default``   as it would stand in the file; "" = not set
    ``computed``  what stands in for a default that depends on the machine ("the host name")
    ``example``   the value the example file sets (uncommented)
    """

    section: str
    name: str
    kind: Kind
    default: str
    doc: str
    computed: str = ""
    example: str = ""
    required: bool = False


DESTINATION = "destination"

SECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "station": "Who this station is.",
        "source": "The station's MySQL or MariaDB server. Nothing is ever written into it.",
        "outbox": "The folder of SQLite files in which captured rows wait for delivery.",
        DESTINATION: "A central server. Give each one a section and a name of its own:"
        " [destination NAME].",
        "alarm": "When `replicator backlog` and `replicator status` warn, and `backlog --check`"
        " ends with 1 (warning) or 2 (critical). 0 turns one off.",
        "fleet": "Several shippers that share many stations of one stream (docs/scaling.md).",
        "log": "What replicator says about itself.",
        "central": "The central server that `replicator central` runs; a station needs none.",
        "web": "The page, /metrics and /healthz of `replicator web`.",
    }
)

# The secret's key → the key that names a file holding it.
SECRET_FILES: Mapping[str, str] = MappingProxyType(
    {"password": "password_file", "token": "token_file"}
)

KEYS: tuple[Key, ...] = (
    Key(
        "station",
        "name",
        kinds.TEXT,
        "",
        "Name of this station, unique among the stations of one central server.",
        computed="the host name",
    ),
    Key(
        "source",
        "host",
        kinds.TEXT,
        "127.0.0.1",
        "Host of the database server; in a fleet, {station} in it, in unix_socket or in database is"
        " the station's name.",
    ),
    Key("source", "port", kinds.whole(1, 65535), "3306", "TCP port of the database server."),
    Key("source", "unix_socket", kinds.TEXT, "", "Unix socket to use instead of host and port."),
    Key("source", "user", kinds.TEXT, "replicator", "Database user with the replication grants."),
    Key("source", "password", kinds.SECRET, "", "Its password."),
    Key(
        "source",
        "password_file",
        kinds.SECRET_FILE,
        "",
        "File that holds the password, in place of password; a line break at its end is ignored.",
    ),
    Key("source", "database", kinds.TEXT, "ch", "Name of the station's database."),
    Key(
        "source",
        "server_id",
        kinds.whole(1, 2**32 - 1),
        "",
        "Number of this reader among all replicas of the database server; must be unique there.",
        computed="derived from the station's name",
    ),
    Key(
        "source",
        "position",
        kinds.choice("auto", "gtid", "file"),
        "auto",
        "How the place in the binlog is kept: by GTID, by file and offset, or by GTID where the"
        " server has it.",
    ),
    Key("source", "ssl_ca", kinds.PATH, "", "CA certificate; turns on and verifies TLS."),
    Key("source", "connect_timeout", kinds.duration(), "10", "How long connecting may take."),
    Key(
        "source",
        "heartbeat",
        kinds.duration(),
        "30",
        "How often an idle server says that it is there; after three silent ones we reconnect.",
    ),
    Key(
        "source",
        "snapshot",
        kinds.BOOLEAN,
        "yes",
        "On the first start, also send the rows that are already there.",
    ),
    Key(
        "source",
        "snapshot_chunk",
        kinds.whole(1, 100_000),
        "1000",
        "Rows read at a time while the snapshot runs, or a comparison after a gap.",
    ),
    Key(
        "source",
        "heal",
        kinds.choice("automatic", "ask"),
        "automatic",
        "What to do when the log was purged or reset: heal the gap at once, where the rows captured"
        " last show that this is the same station's data, or stop and wait for `replicator heal`.",
    ),
    Key(
        "source",
        "purge_warning",
        kinds.duration(),
        "1 day",
        "Warn when the source may purge what is unread within this time.",
    ),
    Key("outbox", "path", kinds.PATH, "/var/lib/replicator", "The folder, for the outbox alone."),
    Key(
        "outbox",
        "url",
        kinds.OUTBOX_URL,
        "",
        "Where captured rows wait. sqlite:///FOLDER is the same as path (set one of them);"
        " nats://HOST[,HOST]/STREAM is a stream of NATS JetStream, and path is then the folder for"
        " what delivery needs (docs/scaling.md).",
        computed="the folder of path",
    ),
    Key(
        "outbox",
        "ca_file",
        kinds.PATH,
        "",
        "CA certificate of the NATS servers, in place of the system's own; turns on TLS, as tls://"
        " in url does.",
    ),
    Key(
        "outbox",
        "cert_file",
        kinds.PATH,
        "",
        "Our certificate for NATS servers that ask for one (mutual TLS); turns on TLS.",
    ),
    Key("outbox", "key_file", kinds.PATH, "", "Its private key, without a passphrase."),
    Key(
        "outbox",
        "credentials_file",
        kinds.PATH,
        "",
        "Who we are to the NATS servers: a .creds file, or one with the seed of a user's nkey.",
    ),
    Key(
        "outbox",
        "hub",
        kinds.TEXT,
        "",
        "At a station with a NATS server of its own, a leaf node: JetStream domain of the hub that"
        " sources the stream. tail removes here what is settled there (docs/scaling.md).",
    ),
    Key(
        "outbox",
        "replicas",
        kinds.whole(1, 5),
        "3",
        "Servers that keep each row, when tail makes the stream.",
    ),
    Key(
        "outbox",
        "reader",
        kinds.TEXT,
        "ship",
        "Name under which ship reads the stream, one for each folder that is filled from it. Rows"
        " stay in the stream until every name has settled them.",
    ),
    Key(
        "outbox",
        "synchronous",
        kinds.choice("FULL", "NORMAL"),
        "FULL",
        "FULL waits for the disk at every commit. NORMAL is faster; after a power cut the last"
        " moments are read from the binlog again.",
    ),
    Key(
        "outbox",
        "max_size",
        kinds.size(64 << 10),
        "2 GiB",
        "When captured rows fill this much disk, capture pauses until some are delivered. A stream"
        " is made with this limit.",
    ),
    Key(
        "outbox",
        "keep",
        kinds.duration(0),
        "7 days",
        "How long rows stay after every destination has acknowledged them.",
    ),
    Key(DESTINATION, "enabled", kinds.BOOLEAN, "yes", "Whether rows are sent there."),
    Key(
        DESTINATION,
        "url",
        kinds.URL,
        "",
        "Root of the central server, without the rest/ at its end.",
        example="https://central.example.org/",
        required=True,
    ),
    Key(DESTINATION, "token", kinds.SECRET, "", "Bearer token of this station there."),
    Key(
        DESTINATION,
        "token_file",
        kinds.SECRET_FILE,
        "",
        "File that holds the token, in place of token; a line break at its end is ignored.",
    ),
    Key(DESTINATION, "ca_file", kinds.PATH, "", "CA certificate, in place of the system's own."),
    Key(DESTINATION, "timeout", kinds.duration(), "60", "How long an answer may take."),
    Key(DESTINATION, "connect_timeout", kinds.duration(), "10", "How long connecting may take."),
    Key(
        DESTINATION,
        "batch_rows",
        kinds.whole(1, 100_000),
        "10000",
        "Rows in one request, at most.",
    ),
    Key(
        DESTINATION,
        "batch_bytes",
        kinds.size(1 << 10),
        "256 KiB",
        "Size of one request as it is sent (compressed), at most.",
    ),
    Key(
        DESTINATION,
        "retry_blocked",
        kinds.duration(),
        "60",
        "How often to look whether what blocked rows wait for is there by now.",
    ),
    Key(
        DESTINATION,
        "heartbeat",
        kinds.duration(0),
        "1 hour",
        "How often ship tells the central server that the station lives, by one small request; 0:"
        " never.",
    ),
    Key(
        DESTINATION,
        "daily_bytes",
        kinds.size(1 << 10),
        "",
        "Bytes that delivery may put on the link in a day (UTC), both ways, without TLS's own; then"
        " it waits for the next day. Not set: as many as it takes.",
    ),
    Key(
        DESTINATION,
        "windows",
        kinds.WINDOWS,
        "",
        "When delivery may use the link: 01:00-05:30, 22:00-23:00 (UTC, one may go over midnight)."
        " Not set: always.",
    ),
    Key(
        "alarm",
        "lag_warning",
        kinds.duration(0),
        "1 hour",
        "A row has waited for a destination so long, or tail is so far behind the source.",
    ),
    Key("alarm", "lag_critical", kinds.duration(0), "1 day", "The same, and it is serious."),
    Key(
        "alarm",
        "outbox_warning",
        kinds.whole(0, 100),
        "70",
        "The outbox has used so many percent of [outbox] max_size.",
    ),
    Key("alarm", "outbox_critical", kinds.whole(0, 100), "90", "The same, and it is serious."),
    Key("alarm", "parked_warning", kinds.whole(0, 10**9), "1", "So many rows are parked."),
    Key(
        "alarm",
        "parked_critical",
        kinds.whole(0, 10**9),
        "10000",
        "The same, and it is serious.",
    ),
    Key(
        "alarm",
        "purge_critical",
        kinds.duration(0),
        "6 hours",
        "The source may purge what is unread within this time; a warning comes at [source]"
        " purge_warning.",
    ),
    Key(
        "alarm",
        "silent_warning",
        kinds.duration(0),
        "15 min",
        "A daemon that runs has noted nothing for so long.",
    ),
    Key(
        "fleet",
        "stations",
        kinds.PATTERNS,
        "",
        "Which stations of the stream `replicator ship` shares with the other shippers: names, with"
        " * and ? in them. Set, and ship is one of a fleet; each station has a folder of its own in"
        " [outbox] path, and other commands take --station.",
    ),
    Key(
        "fleet",
        "lease",
        kinds.duration(1),
        "10 s",
        "How long a shipper may be silent before others take its stations; the same on all.",
    ),
    Key(
        "fleet",
        "desk",
        kinds.duration(1),
        "15 s",
        "How often what delivery knows (cursors, mappings, parked rows) is kept beside the stream"
        " when it has changed; also for the one shipper of a single station.",
    ),
    Key(
        "log",
        "level",
        kinds.choice("debug", "info", "warning", "error"),
        "info",
        "The least serious messages to write.",
    ),
    Key(
        "log",
        "format",
        kinds.choice("text", "json"),
        "text",
        "A record as a line of text, or as a JSON object on a line.",
    ),
    Key("log", "file", kinds.PATH, "", "File to write to.", computed="standard error"),
    Key("log", "max_bytes", kinds.size(1 << 10), "10 MiB", "Size at which the file is rotated."),
    Key("log", "backups", kinds.whole(0, 1000), "5", "Rotated files to keep."),
    Key(
        "central",
        "listen",
        kinds.LISTEN,
        "127.0.0.1:8080",
        "Address to listen on; put a TLS proxy before it on an open network.",
    ),
    Key(
        "central",
        "database",
        kinds.DATABASE_URL,
        "sqlite:///central.db",
        "Its database: SQLite, MariaDB/MySQL (mysql+pymysql://) or PostgreSQL.",
    ),
    Key(
        "central",
        "authentication",
        kinds.choice("required", "off"),
        "required",
        "Whether stations need a token; `replicator central --create-token STATION` makes one."
        " On a loopback address none is asked for until the first one is made.",
    ),
    Key("central", "max_body", kinds.size(1 << 10), "8 MiB", "Largest request body."),
    Key("central", "max_inflated", kinds.size(1 << 10), "64 MiB", "The same, decompressed."),
    Key("central", "threads", kinds.whole(1, 256), "4", "Requests served at the same time."),
    Key(
        "web",
        "listen",
        kinds.LISTEN,
        "127.0.0.1:8090",
        "Address to listen on. On any but a loopback address everything needs the token.",
    ),
    Key(
        "web",
        "token",
        kinds.SECRET,
        "",
        "What whoever acts on the page must know, 16 characters at least; without one, nobody acts"
        " there.",
    ),
    Key(
        "web",
        "token_file",
        kinds.SECRET_FILE,
        "",
        "File that holds the token, in place of token; a line break at its end is ignored.",
    ),
    Key(
        "web",
        "hosts",
        kinds.NAMES,
        "",
        "Other names than localhost by which browsers may ask for the page, as behind a proxy; then"
        " everything needs the token.",
    ),
)


def section_keys(section: str) -> Mapping[str, Key]:
    """The keys of one kind of section by name ("destination" for every [destination NAME])."""
    return {key.name: key for key in KEYS if key.section == section}
