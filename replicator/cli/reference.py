"""The generated files: replicator.ini, docs/configuration.md and docs/exit-codes.md.

``python -m replicator.cli.reference`` at the top of the repository writes them anew; a test holds
that they are current.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path

from replicator.cli.main import EXIT_BUG, EXIT_INTERRUPTED, EXIT_PIPE
from replicator.config import example
from replicator.config.raw import variable_name
from replicator.config.schema import DESTINATION, KEYS, SECTIONS, Key
from replicator.errors import ReplicatorError

_MADE = "<!-- Made by `python -m replicator.cli.reference`; change the table it reads instead. -->"

_CONFIGURATION = f"""\
# Configuration

{_MADE}

`replicator init` writes a commented `replicator.ini`; `replicator check` says whether it works.

**Which file**: `--config PATH`, else `$REPLICATOR_CONFIG`, else `./replicator.ini`, else
`/etc/replicator/replicator.ini`. Relative paths in it start at its folder.

**Environment**: every key can be set there, and wins over the file. An empty variable counts as not
set. `NAME` of a destination is in upper case there, with `_` for all but letters and digits.

**Mistakes** (unknown sections and keys, wrong values, things said twice) are all reported at once,
each with its line, and the command ends with exit code 2.

**Grammar**: `[section]`, `key = value`, comments on lines of their own. No quotes, no
interpolation, no continuation lines; a `#` or `;` behind a value belongs to the value. Sizes:
`512 MiB`, `2 GiB`, `10 MB`, or bytes. Durations: `30` (seconds), `10 min`, `1.5 hours`, `7 days`.
Yes or no: `yes`, `no`, `on`, `off`, `true`, `false`.

**Secrets** (`password`, `token`) belong into a file that only the service's user can read (`init`
writes replicator.ini so), into a file of their own (`password_file`, `token_file`), or into the
environment; never on the command line. They appear in no log.
"""

_EXIT_CODES = f"""\
# Exit codes

{_MADE}

Every command ends with one of these. On standard error stand what happened, to what, and what to do
about it. The daemons (`tail`, `ship`, `run`) end only where waiting cannot help; a link that is
down they wait for. `check` ends with the code of the most basic part that needs mending: source
before outbox before destination. `backlog --check` and `status --check` alone end as monitoring
plugins do: 0 fine, 1 warning, 2 critical, 3 cannot tell ([backlog.md](backlog.md#alarms)).

| code | name | meaning |
|---|---|---|
"""

_OTHERS: Mapping[int, tuple[str, str]] = {
    0: ("", "Done; a daemon: stopped by SIGTERM or SIGINT in an orderly way."),
    EXIT_BUG: ("", "A bug in replicator: the log has a traceback. Please report it."),
    EXIT_INTERRUPTED: ("", "Interrupted with Ctrl-C before it was done."),
    EXIT_PIPE: ("", "The reader of the output has gone (a pager, `head`)."),
}


def configuration() -> str:
    """docs/configuration.md."""
    return "\n".join([_CONFIGURATION, *(_section(name, doc) for name, doc in SECTIONS.items())])


def exit_codes() -> str:
    """docs/exit-codes.md: the children of ReplicatorError with their docstrings, and the others."""
    rows = {**_OTHERS}
    for error in family(ReplicatorError):
        name = f"`{error.__name__}`"
        rows[error.exit_code] = (name, " ".join(inspect.getdoc(error).split()))  # type: ignore[union-attr]  # every error has one
    rows[ReplicatorError.exit_code] = ("`ReplicatorError`", "A failure without a code of its own.")
    usage = "Or the command line is wrong: an unknown command or option."
    rows[2] = (rows[2][0], f"{rows[2][1]} {usage}")
    lines = [f"| {code} | {name} | {meaning} |" for code, (name, meaning) in sorted(rows.items())]
    return _EXIT_CODES + "\n".join(lines) + "\n"


def family(error: type[ReplicatorError]) -> Iterator[type[ReplicatorError]]:
    """All errors below this one, depth first."""
    for child in error.__subclasses__():
        yield child
        yield from family(child)


def _section(section: str, doc: str) -> str:
    name = f"{DESTINATION} NAME" if section == DESTINATION else section
    head = f"## [{name}]\n\n{doc}\n\n| key | kind | default | meaning |\n|---|---|---|---|\n"
    rows = "".join(_row(key) for key in KEYS if key.section == section)
    key = next(key.name for key in KEYS if key.section == section)
    variable = variable_name(name, key)
    return f"{head}{rows}\nIn the environment: `{variable}` and so on.\n"


def _row(key: Key) -> str:
    default = f"`{key.default}`" if key.default else key.computed or "none"
    default = "required" if key.required else default
    return f"| `{key.name}` | {key.kind.label} | {default} | {key.doc} |\n"


def files() -> Mapping[str, str]:
    """Path in the repository → content, of every generated file."""
    return {
        "replicator.ini": example(),
        "docs/configuration.md": configuration(),
        "docs/exit-codes.md": exit_codes(),
    }


def write() -> None:
    """Write them below the working directory. Raises OSError."""
    for name, text in files().items():
        Path(name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
