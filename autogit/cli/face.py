"""What all commands share: one form of errors, tables, JSON, and how the lab is opened."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from autogit.errors import AutogitError, BaselineError, BrokenEnvironmentError, ConfigError, Interrupted

if TYPE_CHECKING:
    from autogit.lab import Lab
    from autogit.records import Record

INTERRUPTED = 130


class Commands(click.Group):
    """A group whose commands end with one line on stderr where something is wrong, and the exit code that says how.

    0 done, 1 failed, 2 wrong usage (the configuration's too), 130 interrupted.
    """

    def invoke(self, context: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(context)
        except (BaselineError, BrokenEnvironmentError) as error:
            if error.log:
                click.echo(error.log.rstrip(), err=True)
            _fail(str(error), 1)
        except Interrupted as error:
            _fail(str(error), INTERRUPTED)
        except ConfigError as error:
            _fail(str(error), 2)
        except AutogitError as error:
            _fail(str(error), 1)
        except KeyboardInterrupt:
            _fail("interrupted", INTERRUPTED)


def _fail(message: str, status: int) -> None:
    click.echo(f"{click.style('error', fg='red')}: {message}", err=True)
    sys.exit(status)


def open_lab(context: click.Context) -> Lab:
    """The lab of the folder that the command was started in (or `-C`)."""
    from autogit.lab import Lab

    return Lab.open(context.find_root().obj)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
"""Every command that shows something has it."""


def echo_json(value: object) -> None:
    """Prints a value as JSON: two spaces, in the order given, one line at the end."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def width() -> int:
    """Columns of the terminal; without end in a pipe, where a line is for a program to cut."""
    import shutil

    return shutil.get_terminal_size((sys.maxsize, 24)).columns


def wrapped(text: str, first: str) -> str:
    """A text behind `first`, its further lines below its own beginning."""
    import textwrap

    lines = textwrap.wrap(text, max(width(), 40), initial_indent=first, subsequent_indent=" " * len(first),
                          break_long_words=False, break_on_hyphens=False)  # fmt: skip
    return "\n".join(lines)


def echo_table(rows: Sequence[Mapping[str, str]], right: Sequence[str] = (), squeeze: str = "") -> None:
    """Prints rows under their keys as headings, within the width of the terminal.

    Columns in `right` are numbers; `squeeze` is the column that gives way where the table is too wide.
    """
    if not rows:
        return
    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    if squeeze:
        over = sum(widths.values()) + 2 * (len(names) - 1) - width()
        widths[squeeze] = max(12, widths[squeeze] - max(0, over))
    for row in [dict(zip(names, names, strict=True)), *rows]:
        cells = [_cell(row[name], widths[name], name in right) for name in names]
        click.echo("  ".join(cells).rstrip())


def _cell(text: str, width: int, right: bool) -> str:
    text = text if len(text) <= width else text[: width - 1] + "…"
    return text.rjust(width) if right else text.ljust(width)


def number(value: float | None) -> str:
    """A measurement for people: about six figures, "-" where there is none."""
    return "-" if value is None else f"{value:.6g}"


def percent(value: float | None) -> str:
    """A signed change in percent, "-" where there is none."""
    return "-" if value is None else f"{value:+.2f}%"


def spent(records: Iterable[Record]) -> str:
    """What the models' and agents' proposals among `records` have cost, in a line; empty where there are none."""
    from autogit.spending import spending

    total = spending(records)
    if total is None:
        return ""
    usage, each = total.usage, total.cost_per_accepted
    words = f"models and agents: {total.proposals} proposals, {usage.input_tokens + usage.output_tokens:,} tokens"
    words += f", {duration(usage.seconds)}, cost {usage.cost:.4g}"
    return words + (", none accepted yet" if each is None else f", {each:.4g} for each of {total.accepted} accepted")


def counted(number: int, noun: str) -> str:
    """`1 trial`, `3 trials`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """`4.2 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
