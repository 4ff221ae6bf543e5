"""The program: its commands, and how each way of ending becomes an exit code."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import click

from replicator import __version__
from replicator.cli import logs
from replicator.cli.commands import LazyCommands
from replicator.cli.options import config_option, log_level_option, station_option
from replicator.errors import ReplicatorError

# Where each command is; it is imported when it is asked for.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "init": "replicator.cli.init:init",
        "check": "replicator.cli.check:check",
        "run": "replicator.cli.run:run",
        "tail": "replicator.cli.tail:tail",
        "ship": "replicator.cli.ship:ship",
        "backlog": "replicator.cli.backlog:backlog",
        "status": "replicator.cli.status:status",
        "trace": "replicator.cli.trace:trace",
        "verify": "replicator.cli.verify:verify",
        "certificate": "replicator.cli.certificate:certificate",
        "heal": "replicator.cli.heal:heal",
        "selftest": "replicator.cli.selftest:selftest",
        "migrate": "replicator.cli.migrate:migrate",
        "central": "replicator.cli.central:central",
        "import-legacy": "replicator.cli.import_legacy:import_legacy",
        "settle": "replicator.cli.settle:settle_",
        "support-bundle": "replicator.cli.support_bundle:support_bundle",
        "web": "replicator.cli.web:web",
        "parked": "replicator.cli.parked:parked",
        "map": "replicator.cli.map:map_",
        "pause": "replicator.cli.pause:pause",
        "resume": "replicator.cli.resume:resume",
        "rewind": "replicator.cli.rewind:rewind",
        "replay": "replicator.cli.replay:replay",
        "prune": "replicator.cli.prune:prune",
        "outbox": "replicator.cli.outbox_move:outbox_",
        "simulate": "replicator.cli.simulate:simulate",
        "leaf": "replicator.cli.leaf:leaf",
    }
)

EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells count
EXIT_PIPE = 141  # 128 + SIGPIPE


class Program(click.Group):
    """A group of commands that ends with an exit code for every error, and never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. A ReplicatorError is told on standard error; a bug is logged."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # ✓ on a terminal that has none is a ?
        try:
            result = super().invoke(ctx)
            click.echo(nl=False)  # flushes: a reader that has left is noticed here
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except ReplicatorError as error:
            logs.report(error)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            ctx.exit(EXIT_INTERRUPTED)
        except BrokenPipeError:
            _close_stdout()
            ctx.exit(EXIT_PIPE)
        except Exception:  # the last line: whatever it is, it is a bug of ours
            logging.getLogger("replicator").critical(
                "a bug in replicator: please report it with these lines", exc_info=True
            )
            ctx.exit(EXIT_BUG)
        finally:
            logs.close()
        return result


def _close_stdout() -> None:
    """Let the interpreter's last flush go nowhere; the reader of our output has left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(
    cls=Program,
    commands=LazyCommands(COMMANDS),
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: docs/exit-codes.md. Keys of the configuration: docs/configuration.md.",
)
@click.version_option(__version__, prog_name="replicator")
@config_option
@log_level_option
@station_option
def main(config_path: object, log_level: object, one_station: object) -> None:
    """Replicate a station's MySQL or MariaDB to central servers: exactly once, in order.

    \b
    Examples:
      replicator init                 write a commented replicator.ini
      replicator check                can everything be reached, is it set up right?
      replicator run                  capture and deliver (a small station)
      replicator status --line        how it goes, to read out on the phone
      replicator backlog              what waits, and why
      replicator verify               is the centre complete?
      replicator parked list          which rows were taken out of the flow, and what helps
    """
