"""`replicator support-bundle`: all that helps somebody else to see what is wrong, in one file."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import click

from replicator.cli.bundling import MOST_BYTES, Part, parts
from replicator.cli.options import config_option, log_level_option, option_of_either
from replicator.cli.redacted import Redactor, secret_files, secrets_in
from replicator.config import Config
from replicator.config.load import locate
from replicator.errors import ConfigError, ReplicatorError
from replicator.outbox import clock

_CUT = "\n… cut: a part has at most 1 MiB …\n"
_ABOUT = """\
Made by `replicator support-bundle`. Passwords and tokens are ***; there are no readings in it.
Names of houses, hosts and files are: look before you send it to strangers.
"""


@click.command(
    "support-bundle",
    epilog="\b\nExamples:\n  replicator support-bundle\n"
    "  replicator support-bundle --output /tmp/bundle.tar.gz --no-check",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Else replicator-support-TIME.tar.gz in this folder.",
)
@click.option("--no-check", is_flag=True, help="Ask neither the database nor the central servers.")
@config_option
@log_level_option
@click.pass_context
def support_bundle(
    context: click.Context,
    /,
    output: Path | None,
    *,
    no_check: bool,
    config_path: Path | None,
    log_level: str | None,
) -> None:
    """Write configuration (without secrets), versions, backlog, logs and checks to one file.

    \b
    Works when half is broken: what cannot be had is said in it, a line each. Changes nothing. The
    file is readable by its owner only.
    """
    del log_level  # nothing is logged here
    environ = os.environ
    text, config, problems = _configured(
        option_of_either(context, "config_path", config_path), environ
    )
    redactor = Redactor(_secrets(text or "", config, environ))
    wanted = parts(config, text, environ, checks=not no_check)
    files, failures = _made(wanted, redactor)
    problems += failures
    now = clock.now()
    about = [_ABOUT, f"at {clock.text(now)}", *(f"NOT IN IT: {line}" for line in problems)]
    path = output or Path(f"replicator-support-{now:%Y%m%dT%H%M%S}Z.tar.gz")
    _write(path, {"about.txt": redactor.redact("\n".join(about) + "\n"), **files})
    for line in problems:
        click.echo(redactor.redact(f"not in it: {line}"))
    click.echo(f"{path}: {len(files) + 1} parts, {path.stat().st_size:,} bytes")


def _configured(
    given: Path | None, environ: Mapping[str, str]
) -> tuple[str | None, Config | None, list[str]]:
    """The configuration's text and values, as far as they can be had, and what went wrong."""
    problems: list[str] = []
    text = config = None
    try:
        with locate(given, environ).open("rb") as file:
            text = file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        problems.append(f"configuration: {error}")
    except ConfigError as error:
        problems.append(f"configuration: {error}")
        return None, None, problems
    try:
        config = Config.load(given, environ)
    except ConfigError as error:
        problems.append(f"what needs the configuration: {error}")
    return text, config, problems


def _secrets(text: str, config: Config | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Known by value, by the name of their key, or by the file that holds them."""
    yield from secrets_in(text, environ)
    variables = (value for name, value in environ.items() if name.endswith("_FILE"))
    for name in (*secret_files(text), *variables):
        yield from _file_content(Path(name))
    if config is not None:
        yield from config.secrets()
        for name in secret_files(text):
            yield from _file_content(config.path.absolute().parent / name)


def _file_content(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            yield file.read(1 << 16).decode("utf-8", "replace").strip()
    except OSError:  # then nobody of us has read it either
        return


def _made(wanted: Iterable[Part], redactor: Redactor) -> tuple[dict[str, str], list[str]]:
    """Name → text; and a line for each part that failed."""
    files: dict[str, str] = {}
    failures = []
    for part in wanted:
        try:
            text = redactor.redact(part.make())
        except ReplicatorError as error:
            failures.append(f"{part.name}: {error}")
        except Exception as error:  # noqa: BLE001  # whatever is broken, the others must be had
            failures.append(f"{part.name}: {type(error).__name__}: {error}")
        else:
            files[part.name] = _bounded(text, tail=part.tail)
    return files, failures


def _bounded(text: str, *, tail: bool) -> str:
    if len(text) <= MOST_BYTES:
        return text
    return _CUT + text[-MOST_BYTES:] if tail else text[:MOST_BYTES] + _CUT


def _write(path: Path, files: Mapping[str, str]) -> None:
    """Whole or not at all, its owner's alone. Raises ConfigError where it cannot be."""
    try:
        descriptor, draft = tempfile.mkstemp(dir=path.absolute().parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as out, tarfile.open(fileobj=out, mode="w:gz") as tar:
                for name, text in files.items():
                    data = text.encode("utf-8", "backslashreplace")
                    entry = tarfile.TarInfo(f"replicator-support/{name}")
                    entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
                    tar.addfile(entry, io.BytesIO(data))
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(
            "the support bundle cannot be written",
            f"{path}: {error.strerror}",
            "--output names another place, such as /tmp/bundle.tar.gz",
        ) from error
