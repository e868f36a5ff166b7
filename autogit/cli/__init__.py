"""The command line: the only place that prints, prompts or exits.

Each command is a module of this package; heavy imports happen inside the commands, so that `--help` is quick.
"""

from __future__ import annotations

import sys

import click

from autogit import __version__
from autogit.cli.ablate import ablate
from autogit.cli.best import best
from autogit.cli.common import Commands
from autogit.cli.compare import compare
from autogit.cli.completion import completion
from autogit.cli.context import context_
from autogit.cli.doctor import doctor
from autogit.cli.export import export
from autogit.cli.finalize import finalize
from autogit.cli.gc import gc
from autogit.cli.idea import idea
from autogit.cli.init import init
from autogit.cli.install import install
from autogit.cli.log import log
from autogit.cli.loop import loop
from autogit.cli.mcp import mcp
from autogit.cli.report import report
from autogit.cli.reproduce import reproduce
from autogit.cli.reset import reset
from autogit.cli.show import show
from autogit.cli.status import status
from autogit.cli.stop import stop
from autogit.cli.sync import sync
from autogit.cli.top import top
from autogit.cli.trends import trends
from autogit.cli.try_ import try_
from autogit.cli.undo import undo
from autogit.cli.verify import verify
from autogit.cli.watch import watch


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="autogit")
@click.option("-C", "folder", default=".", metavar="DIR", help="Work as if started in DIR.")
@click.pass_context
def cli(context: click.Context, folder: str) -> None:
    """Machine-learning research as git history.

    autogit proposes a change to your training code, commits it as exp/N, trains from that commit, measures it, and lets
    git remember: accepted changes fast-forward main, the others stay as tagged dead branches.

    \b
    Start here:   autogit init        look at a repository and write .autoresearch.toml
                  autogit doctor      is everything in place?
                  autogit loop        do research until you stop it
    """
    context.obj = folder


COMMANDS = (
    init, doctor, loop, watch, try_, status, stop, log, show, top, best, trends, compare, undo, ablate, reset, idea,
    context_, mcp, install, report, export, finalize, reproduce, verify, sync, gc, completion,
)  # fmt: skip
"""Every command, in the order of a day's work; each is in the file of its name."""
for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """The entry point of the installed command."""
    cli.main(windows_expand_args=False, prog_name="autogit", args=sys.argv[1:])
