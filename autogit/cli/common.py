"""What all commands share: one form of errors, tables, JSON, and how the lab is opened."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import CompletionItem

from autogit.errors import AutogitError, BaselineError, BrokenEnvironmentError, ConfigError, Interrupted, PatchError
from autogit.wording import duration, plain

if TYPE_CHECKING:
    from autogit.lab import Lab
    from autogit.records import Record

LEAST_SQUEEZED = 12
"""Columns that a squeezed column of a table keeps."""
INTERRUPTED = 130
PIPE_CLOSED = 141
"""As the shell counts a process that SIGPIPE ended: whoever read the output had enough of it."""


class Commands(click.Group):
    """A group whose commands end with one line on stderr where something is wrong, and the exit code that says how.

    0 done, 1 failed, 2 wrong usage (the configuration's too), 130 interrupted.
    """

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        """Reads what stands before the command."""
        try:
            context = super().make_context(*arguments, **settings)
            if os.environ.get("NO_COLOR"):
                context.color = False
            return context
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            _misused(error)

    def invoke(self, context: click.Context) -> Any:
        """Runs the command."""
        try:
            try:
                if sys.stdout is None:
                    _fail("standard output is closed; send it to a file, or to /dev/null", 1)
                return super().invoke(context)
            finally:
                if sys.stdout is not None:
                    # Here, and not when Python ends: a full disk is an error of this command.
                    sys.stdout.flush()
        except click.UsageError as error:
            _misused(error)
        except click.Abort:
            _fail("not done: the question was not answered with yes", 1)
        except click.ClickException as error:
            _fail(error.format_message(), error.exit_code)
        except (BaselineError, BrokenEnvironmentError) as error:
            if error.log:
                echo_error(plain(error.log.rstrip()))
            _fail(str(error), 1)
        except PatchError as error:
            if error.detail:
                echo_error(plain(error.detail.rstrip()))
            _fail(str(error), 1)
        except Interrupted as error:
            _fail(str(error), INTERRUPTED)
        except ConfigError as error:
            _fail(str(error), 2)
        except AutogitError as error:
            _fail(str(error), 1)
        except KeyboardInterrupt:
            _fail("interrupted", INTERRUPTED)
        except BrokenPipeError:
            _close_standard_output()
            sys.exit(PIPE_CLOSED)
        except OSError as error:
            if _is_standard_output(error):
                _close_standard_output()
                _fail(f"standard output cannot be written: {error.strerror or error}", 1)
            if isinstance(error, FileNotFoundError) and error.filename is None:
                _fail("the current folder is not there any more; change to one that is", 1)
            where = f"{error.filename}: " if error.filename else ""
            _fail(f"{where}{error.strerror or error}", 1)
        except UnicodeError as error:
            _fail(f"text that is not UTF-8: {error}; save the file as UTF-8", 1)


def _misused(error: click.UsageError) -> NoReturn:
    command = error.ctx.command_path if error.ctx else "autogit"
    message = error.format_message()
    _fail(f"{message[:1].lower()}{message[1:].rstrip('.')}; see: {command} --help", 2)


def _fail(message: str, status: int) -> NoReturn:
    echo_error(f"{click.style('error', fg='red')}: {plain(message)}")
    sys.exit(status)


def _is_standard_output(error: OSError) -> bool:
    """Whether it was writing the output that failed: such an error names no file."""
    return error.filename is None and error.errno in (errno.ENOSPC, errno.EBADF, errno.EIO, errno.EDQUOT, errno.EFBIG)


def _close_standard_output() -> None:
    """Lets go of what cannot be written, so that Python does not try it again when it ends."""
    if sys.stdout is not None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def open_lab(context: click.Context) -> Lab:
    """The lab of the folder that the command was started in (or `-C`)."""
    from autogit.lab import Lab

    return Lab.open(context.find_root().obj)


def consent(yes: bool) -> Callable[[str], bool]:
    """Returns what asks the person before foreign commands are run. `yes` agrees; without a terminal nobody does."""

    def ask(question: str) -> bool:
        return yes or (sys.stdin.isatty() and click.confirm(plain(f"{question}\nRun it?"), err=True))

    return ask


def echo(text: object = "", nl: bool = True, err: bool = False, **style: Any) -> None:
    """Prints text that may have come from anywhere; `style` is click's: fg, bold, dim."""
    words = plain(str(text))
    click.echo(click.style(words, **style) if style else words, nl=nl, err=err)


def echo_parts(parts: Iterable[tuple[str, str | None]]) -> None:
    """Prints pieces of one line, each in its colour."""
    click.echo("".join(click.style(plain(text), fg=color) if color else plain(text) for text, color in parts))


def echo_error(text: str) -> None:
    """Prints on standard error what is safe already."""
    click.echo(text, err=True)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
"""Every command that shows something has it."""


def echo_json(value: object) -> None:
    """Prints a value as JSON: two spaces, in the order given, one line at the end."""
    click.echo(json_text(value, indent=2))


def json_text(value: object, indent: int | None = None) -> str:
    """A value as JSON that is safe on a terminal: what could be taken for a control character is escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return (
        "".join(char if char == "\n" or plain(char) else json.dumps(char)[1:-1] for char in text)
        if (plain(text) != text)
        else text
    )


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


def pulse(quiet: float, line: str, cores: float | None, columns: int = 100) -> str:
    """How a run is that says little: whether it works, since when (seconds) it has been quiet, its last line."""
    parts = [] if cores is None else [f"{cores:.1f} cores busy"]
    if not line:
        return ", ".join([*parts, "nothing printed yet"])
    parts.append(f"last line{f' {duration(quiet)} ago' if quiet >= 1 else ''}: ")
    return ", ".join(parts) + shortened(" ".join(plain(line).split()), columns)


def echo_table(
    rows: Sequence[Mapping[str, str]], right: Sequence[str] = (), squeeze: str = "", optional: Sequence[str] = ()
) -> None:
    """Prints rows under their keys as headings, within the width of the terminal.

    Columns in `right` are numbers; `squeeze` is the column that gives way if the table is too wide, and then `optional`
    ones are left out, the first one first.
    """
    if not rows:
        return
    rows = [{name: " ".join(plain(cell).split()) for name, cell in row.items()} for row in rows]
    names = list(rows[0])
    widths = {name: max(columns(name), *(columns(row[name]) for row in rows)) for name in names}

    def over(least: int) -> int:
        needed = sum(min(widths[name], least) if name == squeeze else widths[name] for name in names)
        return needed + 2 * (len(names) - 1) - width()

    for name in optional:
        if name in names and over(LEAST_SQUEEZED) > 0:
            names.remove(name)
    if squeeze:
        widths[squeeze] = max(LEAST_SQUEEZED, widths[squeeze] - max(0, over(widths[squeeze])))
    for row in [dict(zip(names, names, strict=True)), *rows]:
        cells = [_cell(row[name], widths[name], name in right) for name in names]
        echo("  ".join(cells).rstrip())


def _cell(text: str, width: int, right: bool) -> str:
    text = shortened(text, width)
    blanks = " " * (width - columns(text))
    return blanks + text if right else text + blanks


def columns(text: str) -> int:
    """How wide a text is in a terminal: Chinese characters and most pictures take two columns, accents none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def shortened(text: str, width: int) -> str:
    """The text in at most `width` columns; an ellipsis says that it goes on."""
    if columns(text) <= width:
        return text
    kept, used = [], 0
    for char in text:
        used += columns(char)
        if used > width - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


def echo_tsv(rows: Sequence[Mapping[str, float | str | None]]) -> None:
    """Prints rows for programs: a line of headings, tabs between cells, nothing cut."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    table: list[list[float | str | None]] = [[*names], *([row.get(name) for name in names] for row in rows)]
    for cells in table:
        echo("\t".join("" if cell is None else " ".join(plain(str(cell)).split()) for cell in cells))


def color_of_line(line: str) -> str | None:
    """The colour of a diff's line."""
    colors = {"+": "green", "-": "red", "@": "cyan"}
    return None if line.startswith(("+++", "---")) else colors.get(line[:1])


@contextmanager
def paged() -> Iterator[None]:
    """What is printed inside goes through a pager on a terminal, as git does: one screen or less is shown at once.

    $GIT_PAGER and $PAGER are followed; `cat` or an empty one turns it off.
    """
    pager = os.environ.get("GIT_PAGER", os.environ.get("PAGER", "less"))
    if sys.stdout is None or not sys.stdout.isatty() or pager in ("", "cat"):
        yield
        return
    context = click.get_current_context()
    terminal, text = sys.stdout, io.StringIO()
    color = context.color is not False
    context.find_root().color = context.color = color
    sys.stdout = text
    try:
        yield
    finally:
        sys.stdout = terminal
        os.environ["PAGER"] = pager
        os.environ.setdefault("LESS", "FRX")
        if text.getvalue():
            click.echo_via_pager(text.getvalue(), color=color)


class TrialNumber(click.ParamType[str]):
    """The number of a trial; the shell completes it, with its title where the shell shows such."""

    name = "trial"

    def shell_complete(self, context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The closed trials whose number begins so."""
        import subprocess

        from autogit.config.load import find

        start = "exp/" if incomplete.startswith("exp/") else ""
        try:
            file = find(Path(context.find_root().params.get("folder") or "."))
            command = ["git", "for-each-ref", "--sort=-version:refname", "--format=%(refname:lstrip=3)%09%(subject)",
                       "refs/tags/exp"]  # fmt: skip
            folder = file.root / file.config.workspace
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=5)
        except (AutogitError, OSError, subprocess.SubprocessError):
            return []
        found = [line.partition("\t")[::2] for line in done.stdout.splitlines()]
        return [
            CompletionItem(start + id, help=plain(title)) for id, title in found if (start + id).startswith(incomplete)
        ]


def trial_argument(name: str, shown: str = "N", required: bool = True) -> Callable[[Any], Any]:
    """An argument that names a trial."""
    return click.argument(name, metavar=shown, type=TrialNumber(), required=required)


def metric_name(lab: Lab) -> str:
    """The primary metric as tables and reports call it: marked where nobody but the training script measures it."""
    return lab.config.metric.name + ("" if lab.config.evaluate.command else " (self-reported)")


def luck(lab: Lab) -> list[str]:
    """How often the rule took luck for progress, a line for each way to know; none where there is nothing to tell."""
    free, trials = lab.fooled()
    names = {"A/A test": free, "null trials": trials}
    return [f"{name}: {checks}" for name, checks in names.items() if checks.trials]


def spent(records: Iterable[Record]) -> str:
    """What the models' and agents' proposals among `records` have cost, in a line; empty where there are none."""
    from autogit.history import spending

    total = spending(records)
    if total is None:
        return ""
    usage, each = total.usage, total.cost_per_accepted
    words = f"models and agents: {total.proposals} proposals, {usage.input_tokens + usage.output_tokens:,} tokens"
    words += f", {duration(usage.seconds)}, cost {usage.cost:.4g}"
    return words + (", none accepted yet" if each is None else f", {each:.4g} for each of {total.accepted} accepted")


def megabytes(size: float) -> str:
    """A size in bytes, for people."""
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:.1f} MB"
