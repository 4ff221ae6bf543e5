"""The station's database: what source.inspect finds, and what makes capture fail later."""

from __future__ import annotations

import re
from collections.abc import Iterator

from replicator.checks.facts import Facts, ask
from replicator.checks.finding import Finding, Target, failed, warned, well
from replicator.errors import OutboxBusy, OutboxError, ReplicatorError, SourceMisconfigured
from replicator.outbox.lock import RoleLock
from replicator.source.endpoint import grants
from replicator.source.inspect import inspect

_PART = "source"
_WRITES = re.compile(
    r"\b(ALL PRIVILEGES|INSERT|UPDATE|DELETE|DROP|CREATE|ALTER|SUPER|GRANT OPTION)\b"
)
_NON_TRANSACTIONAL = ("MyISAM", "Aria", "MEMORY", "CSV", "ARCHIVE", "MRG_MyISAM")
_CLOCK_SECONDS = 10.0


def source(target: Target) -> Iterator[Finding]:
    """All findings on it, in the order to mend them; never raises."""
    endpoint, source_id = target.endpoint, target.config.source.server_id
    found = inspect(endpoint, server_id=source_id)
    try:
        facts = ask(endpoint) if found[0].ok else None
    except ReplicatorError:  # inspect has said it
        facts = None
    general = f"'{endpoint.user}'@'localhost'"
    account = "@".join(f"'{part}'" for part in facts.account.rsplit("@", 1)) if facts else general
    for one in found:
        if one.name == "binlog_row_metadata" and facts and "binlog_row_metadata" in facts.variables:
            yield metadata(facts.variables["binlog_row_metadata"].upper(), one.message)
            continue
        hint = one.hint.replace(general, account)
        if one.name.startswith("table ") and "GRANT SELECT" in hint:
            hint += "\n" + grants(endpoint).splitlines()[-1].replace(general, account)
        yield Finding(_PART, one.name, one.ok, one.message, hint, 0 if one.ok else one.exit_code)
    if facts:
        yield from judged(facts, source_id, running=_tail_runs(target))


def metadata(value: str, said: str) -> Finding:
    """Of a server that knows the setting. Pure."""
    if value == "FULL":
        return well(_PART, "binlog_row_metadata", said)
    hint = "SET GLOBAL binlog_row_metadata = FULL; -- my.cnf: binlog_row_metadata = FULL"
    return warned(_PART, "binlog_row_metadata", said, hint)


def judged(facts: Facts, server_id: int, *, running: bool) -> Iterator[Finding]:
    """``running``: whether our own tail reads the log right now. Pure."""
    yield _checksum(facts)
    yield _replicas(facts, server_id, 1 if running else 0)
    yield _writes(facts)
    yield _engines(facts)
    yield _unlogged(facts)
    yield _durability(facts)
    yield _zone(facts)
    yield _clock(facts)


def _tail_runs(target: Target) -> bool:
    folder = target.config.outbox.path
    if not (folder / "tail.lock").exists():
        return False
    try:
        RoleLock(folder, "tail").release()
    except OutboxBusy:
        return True
    except OutboxError:  # the checks of the outbox say it
        return False
    return False


def _checksum(facts: Facts) -> Finding:
    value = facts.variables.get("binlog_checksum", "NONE").upper()
    if value != "NONE":
        return well(_PART, "binlog_checksum", value)
    hint = "SET GLOBAL binlog_checksum = CRC32; -- my.cnf: binlog_checksum = CRC32"
    return warned(_PART, "binlog_checksum", "NONE", hint)


def _replicas(facts: Facts, server_id: int, ours: int) -> Finding:
    if server_id in (facts.replicas or ()):  # where our own tail does not sign in
        hint = "[source] server_id: any number no server or replica uses"
        said = f"another reader of the log has our server_id {server_id}"
        return failed(_PART, "replicas", said, hint, SourceMisconfigured.exit_code)
    if facts.dumps > ours:
        said = f"{facts.dumps - ours} more readers of the log are logged in as {facts.account}"
        return warned(_PART, "replicas", said, "give each reader a user and a server_id of its own")
    if facts.replicas is None:
        said = f"none under our user; the list of all is not ours to see ({facts.account})"
        return well(_PART, "replicas", said)
    return well(_PART, "replicas", f"none under our server_id {server_id}")


def _writes(facts: Facts) -> Finding:
    told = sorted(set(_WRITES.findall(facts.grants.upper())))
    if not told:
        return well(_PART, "grants to write", "none")
    said = f"{facts.account} has {', '.join(told)}"
    account = "@".join(f"'{part}'" for part in facts.account.rsplit("@", 1))
    hint = f"a user for replicator alone, or: REVOKE {', '.join(told)} ON … FROM {account};"
    return warned(_PART, "grants to write", said, hint)


def _engines(facts: Facts) -> Finding:
    odd = sorted(t for t, engine in facts.engines.items() if engine in _NON_TRANSACTIONAL)
    if not odd:
        return well(_PART, "engines", ", ".join(sorted(set(facts.engines.values()))) or "none")
    hint = "\n".join(f"ALTER TABLE `{table}` ENGINE = InnoDB;" for table in odd)
    said = ", ".join(f"{table} is {facts.engines[table]}" for table in odd)
    return warned(_PART, "engines", said, hint)


def _unlogged(facts: Facts) -> Finding:
    text = facts.variables.get("init_connect", "")
    if not re.search(r"sql_log_bin\W*=\W*(0|off)", text, re.IGNORECASE):
        return well(_PART, "unlogged sessions", "init_connect leaves the log on")
    said = f"init_connect switches the log off in every session: {text}"
    hint = "SET GLOBAL init_connect = ''; -- and in my.cnf; reconnect the loggers"
    return failed(_PART, "unlogged sessions", said, hint, SourceMisconfigured.exit_code)


def _durability(facts: Facts) -> Finding:
    wanted = ("sync_binlog", "innodb_flush_log_at_trx_commit")
    odd = [name for name in wanted if facts.variables.get(name, "1") != "1"]
    if not odd:
        return well(_PART, "durability", "a commit is on the disk, in tables and log")
    said = ", ".join(f"{name} = {facts.variables[name]}" for name in odd)
    hint = "\n".join(f"SET GLOBAL {name} = 1; -- my.cnf: {name} = 1" for name in odd)
    return warned(_PART, "durability", said, hint)


def _zone(facts: Facts) -> Finding:
    if facts.offset == 0:
        return well(_PART, "time zone", "UTC")
    said = f"{facts.offset / 3600:+g} hours from UTC at the moment"
    hint = "SET GLOBAL time_zone = '+00:00'; -- only if the loggers mean UTC; my.cnf, reconnect"
    return warned(_PART, "time zone", said, hint)


def _clock(facts: Facts) -> Finding:
    said = f"{facts.ahead:+.1f} s from this machine's"
    if abs(facts.ahead) <= _CLOCK_SECONDS:
        return well(_PART, "clock", said)
    return warned(_PART, "clock", said, "timedatectl set-ntp true -- on both machines")
