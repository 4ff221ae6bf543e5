"""The generated files: replicator.ini and some of docs/.

``python -m replicator.cli.reference`` at the top of the repository writes them anew; a test holds
that they are current.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from replicator.central.openapi import document
from replicator.cli.main import EXIT_BUG, EXIT_INTERRUPTED, EXIT_PIPE, main
from replicator.cli.manual import Page, Paragraph, common, pages
from replicator.cli.yamltext import yaml
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
environment; never on the command line. They appear in no log. Under systemd, a relative
`password_file` or `token_file` is read from `$CREDENTIALS_DIRECTORY` where `LoadCredential` put it
([operations.md](operations.md#services)): `secrets/token` is the credential `secrets_token`.
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

_COMMANDS = f"""\
# Commands

{_MADE}

`replicator COMMAND --help` says the same; `make man` makes a man page of it, build/replicator.1.
How commands end: [exit-codes.md](exit-codes.md). Before or behind the name of any command:
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


def commands() -> str:
    """docs/commands.md: what --help says of every command."""
    program, *below = pages(main)
    parts = [_COMMANDS, _options([*common(main), *program.options]), _examples(program)]
    for page in below:
        text = ["\n".join(_shown(paragraph)) + "\n" for paragraph in page.text]
        head = f"## {page.name}\n\n    {page.name} {page.usage}\n"
        parts += [head, *text, _options(page.options), _examples(page)]
    return "\n".join(part for part in parts if part)


def _shown(paragraph: Paragraph) -> Iterator[str]:
    if paragraph.verbatim:
        yield from ("```text", *paragraph.lines, "```")
    else:
        yield from textwrap.wrap(paragraph.lines[0], 105, break_on_hyphens=False)


def _options(options: Sequence[tuple[str, str]]) -> str:
    if not options:
        return ""
    rows = [f"| `{_cell(name)}` | {_cell(meaning)} |\n" for name, meaning in options]
    return "".join(["| option | |\n|---|---|\n", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _examples(page: Page) -> str:
    lines = "\n".join(page.examples)
    return f"```\n{lines}\n```\n" if lines else ""


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
        "docs/commands.md": commands(),
        "docs/openapi.yaml": f"# {_MADE[5:-4]}\n{yaml(document())}",
    }


def write() -> None:
    """Write them below the working directory. Raises OSError."""
    for name, text in files().items():
        Path(name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
