"""Looks at a repository as a newcomer would: what trains here, what it prints, what could be tried.

Nothing is run. It stands beside `lab` and uses the rooms: parameters are found as the proposers find them, metrics as
the evaluator reads them.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import os
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from autogit.config.model import FILENAME
from autogit.errors import WorkspaceError
from autogit.evaluate.lines import normalised
from autogit.setup.commands import Command, commands, target
from autogit.setup.constants import Constant, constraints, worth_searching
from autogit.setup.endless import bound, endless
from autogit.setup.habits import Habit, habit, started_by
from autogit.setup.imports import Closure, closure
from autogit.setup.launch import Script, given, interpreter, started, taken
from autogit.setup.metrics import Printed, direction, printed, printed_by, unprinted
from autogit.setup.scripts import Candidate, candidates, runnable
from autogit.setup.surroundings import Surroundings, parsed, read, strings

__all__ = ["Survey", "survey"]

_PROTECTED = re.compile(r"(eval\w*|evaluate\w*|metrics?|scor(e|ing)|prepare\w*)\.py|conftest\.py|test_\w*\.py")
_EVALUATORS = re.compile(r"^(eval\w*|evaluat\w*|valid\w*|score\w*|test)\.py$")
_CACHES = {
    "datasets": "~/.cache/huggingface", "transformers": "~/.cache/huggingface", "timm": "~/.cache/huggingface",
    "nltk": "~/nltk_data",
}  # fmt: skip
"""Where libraries keep what they have downloaded."""
MAX_NAMED = 12
"""Files that are named one by one as editable; more are a glob."""
SURE_LEAD = 2
"""Points by which the likeliest script has to lead for nobody to be asked."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found in a folder. Paths are relative to it."""

    folder: Path
    prefix: str
    """Where the folder is in its repository; "" at the root."""
    branch: str
    script: Script
    candidates: tuple[Candidate, ...]
    """Every script that looks as if it trains, the likeliest first; empty if the command was given."""
    metric: Printed | None
    other_metrics: tuple[Printed, ...]
    editable: tuple[str, ...]
    protected: tuple[str, ...]
    data: tuple[str, ...]
    outside: tuple[str, ...]
    """Paths outside the repository that the code reads."""
    constants: tuple[Constant, ...]
    constraints: tuple[str, ...]
    doubts: tuple[str, ...]
    """What could not be told, each a sentence with what to do."""
    evaluate: str = ""
    """The command that measures, if training itself prints no metric."""
    endless: str = ""
    """Why training may never end; "" if it ends by itself."""
    steps: int | None = None
    """The budget in steps, if the command takes {steps}."""
    seconds: float | None = None
    """The budget in seconds, for a script that never ends."""
    ideas: tuple[str, ...] = ()
    """What another loop's backlog would like to see tried."""

    @property
    def others(self) -> tuple[str, ...]:
        """Further scripts that look as if they train."""
        return tuple(c.path for c in self.candidates if c.path != self.script.path)[:3]

    @property
    def sure(self) -> bool:
        """Whether one script stands out, so that nobody has to be asked."""
        scores = [candidate.score for candidate in self.candidates]
        return len(scores) < 2 or scores[0] - scores[1] >= SURE_LEAD


def survey(folder: Path, script: str = "", metric: str = "", command: str = "") -> Survey:
    """Looks at `folder`; what is given is not looked for.

    Raises WorkspaceError if it is in no repository, holds nothing that trains, or `script` is not one of its files.
    """
    around = Surroundings.of(folder)
    told = commands(around)
    agreed = habit(around)
    found, launched = _launched(around, told, agreed, script, command)
    made_of = closure(launched.path, around.texts, launched.command) if launched.path.endswith(".py") else _all(around)
    files = {path: around.texts[path] for path in made_of.files if path in around.texts}
    doubts = list(launched.doubts)
    metrics, why = _metrics(launched, made_of, around, metric, agreed)
    evaluate, measured = ("", ()) if metric or agreed else _evaluator(launched, metrics, around)
    if evaluate:
        metrics, why = list(measured), []
    doubts += why
    launched, steps, for_ever = _bounded(launched, made_of, around)
    constants, fixed = worth_searching(files, launched.command, {**around.texts, **files})
    doubts += fixed
    if not constants:
        doubts.append("no constant has a name that says what it does; list those worth searching in [space]")
    used, unused, outside = _reads(launched, files, made_of, around)
    doubts += [
        f"{path} is not in git and no code names it; if training reads it, add it to train.data" for path in unused
    ]
    doubts += _habits(files, made_of)
    if launched.path in around.changed:
        doubts.append(f"{launched.path} has changes that are not committed; trials start from the last commit")
    apart = [each.path for each in found if each.path not in made_of.python]
    editable, protected = _may_change(launched, constants, made_of, around, agreed, evaluate, apart)
    return Survey(
        folder=around.folder, prefix=around.prefix, branch=around.branch, script=launched, candidates=tuple(found),
        metric=metrics[0] if metrics else None, other_metrics=tuple(metrics[1:6]), editable=editable,
        protected=protected, data=tuple(path.rstrip("/") for path in used), outside=tuple(outside),
        constants=tuple(constants), constraints=tuple(constraints(constants)), doubts=tuple(doubts),
        evaluate=evaluate, endless=for_ever, steps=steps, ideas=agreed.ideas if agreed else (),
    )  # fmt: skip


def _launched(
    around: Surroundings, told: list[Command], agreed: Habit | None, script: str, command: str
) -> tuple[list[Candidate], Script]:
    if command:
        path, folder = target(command, "", around)
        return [], given(command, around, path, folder)
    if script:
        path = _named(script, around)
        return [], _notebook(path, around) if path.endswith(".ipynb") else started(path, around, told)
    if agreed is not None and agreed.benchmark:
        line = started_by(agreed.benchmark) + (f" && bash {agreed.checks}" if agreed.checks else "")
        text = read(around.folder / agreed.benchmark) or ""
        path = next((c.target for c in told if c.source == agreed.benchmark and c.target.endswith(".py")), "")
        launched = given(line, around, path, "")
        if "{seed}" not in line and re.search(r"\$\{?SEED\b", text):
            launched = replace(launched, command=f"SEED={{seed}} {line}", seeded=True, doubts=())
        return [], replace(launched, origin=f"the benchmark of another loop: {agreed.benchmark}")
    found = candidates(around, told)
    if not found:
        notebooks = [path for path in around.tracked if path.endswith(".ipynb") and "/." not in path]
        if notebooks and not [p for p in around.left_out if p.endswith(".py")] and _converter(around):
            documented = [c.target for c in told if c.target in notebooks]
            return [], _notebook((documented or notebooks)[0], around)
        raise WorkspaceError(_nothing_trains(around))
    return found, started(found[0].path, around, told)


def _named(script: str, around: Surroundings) -> str:
    """The tracked file meant by `script`. Raises WorkspaceError with the nearest ones if there is none."""
    place = os.path.normpath(script)
    if Path(script).is_absolute():
        place = os.path.relpath(Path(script).resolve(), around.folder)
    if place in around.tracked and place.endswith((".py", ".ipynb")):
        return place
    known = [path for path in around.tracked if path.endswith((".py", ".ipynb"))]
    near = difflib.get_close_matches(place, known, n=3, cutoff=0.5) or known[:3]
    hint = f"; there are {', '.join(near)}" if near else ""
    why = "is not committed" if (around.folder / place).is_file() else "is no file of it"
    if place in around.tracked:
        why = "is no Python script; start it by: autogit init -- COMMAND"
        hint = ""
    raise WorkspaceError(f"--script {script}: looked in {around.folder}, and that {why}{hint}")


def _converter(around: Surroundings) -> str:
    """The program that runs notebooks here: in autogit's own environment, or beside the interpreter of the code."""
    python = shlex.split(interpreter(around.folder, around.top))[0]
    beside = Path(python).parent if "/" in python else None
    for name, module in (("jupyter-nbconvert", "nbconvert"), ("papermill", "papermill")):
        if (beside is not None and (beside / name).exists()) or (beside is None and importlib.util.find_spec(module)):
            return module
    return ""


def _notebook(path: str, around: Surroundings) -> Script:
    """How a notebook is run: as the script that nbconvert makes of it, or cell by cell by papermill."""
    python = interpreter(around.folder, around.top)
    program = _converter(around)
    name, folder = PurePosixPath(path).name, PurePosixPath(path).parent.as_posix().removeprefix(".")
    if not program:
        raise WorkspaceError(_nothing_trains(around))
    if program == "nbconvert":
        # Magic commands need IPython, which any notebook's kernel brings along.
        code = f"{{out}}/{PurePosixPath(name).stem.replace(' ', '_')}.py"
        convert = f"{python} -m nbconvert --log-level ERROR --to script --stdout {shlex.quote(name)}"
        command = f"{convert} > {shlex.quote(code)} && {python} -m IPython --colors=NoColor {shlex.quote(code)}"
    else:
        notebook = f"{shlex.quote(name)} {{out}}/{shlex.quote(name)}"
        command = f"{python} -m papermill --log-output --stdout-file /dev/stdout {notebook}"
    command = f"cd {shlex.quote(folder)} && {command}" if folder else command
    doubts = (
        f'{path} is a notebook and takes no seed: read int(os.environ.get("SEED", 0)) in it and begin train.command '
        "with SEED={seed}; constants in a notebook are not searched, those in a script are",
    )
    return Script(path, command, False, None, f"a notebook, run by {program}", folder, doubts)


def _cells(notebook: Path) -> str:
    """The code cells of a notebook that are plain Python when magic commands are left out."""
    try:
        # Pictures make notebooks larger than any code that is read.
        cells = json.loads(notebook.read_bytes()).get("cells", [])
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    plain = (re.sub(r"^\s*[%!].*$", "", text, flags=re.MULTILINE) for text in texts)
    return "\n".join(text for text in plain if parsed(text) is not None)


def _nothing_trains(around: Surroundings) -> str:
    untracked = [path for path in around.left_out if path.endswith(".py")]
    if untracked:
        names = ", ".join(untracked[:3])
        add = f"git add {shlex.quote(untracked[0])} && git commit -m start"
        return f"{names} in {around.folder} is not committed; trials start from commits: {add}"
    texts = {path: text for path, text in around.texts.items() if path.endswith(".py")}
    broken = [path for path, text in texts.items() if parsed(text) is None]
    if broken and len(broken) == len(texts):
        return f"{', '.join(broken[:3])} in {around.folder} is no valid Python: python -m py_compile {broken[0]}"
    notebook = next((path for path in around.tracked if path.endswith(".ipynb")), None)
    if notebook:
        script = f"{notebook.removesuffix('.ipynb')}.py"
        return (
            f"{notebook} in {around.folder} is a notebook, and neither nbconvert nor papermill is here to run it: "
            f"pip install nbconvert ipython, or jupyter nbconvert --to script {shlex.quote(notebook)}, "
            f"commit {script}; then again: autogit init"
        )
    able = [path for path, text in texts.items() if runnable(path, text)]
    listed = f"; {', '.join(able[:5])} can be run" + (" and others" if len(able) > 5 else "") if able else ""
    aside = ""
    if broken:
        import platform

        aside = f" ({broken[0]} cannot be read by Python {platform.python_version()}, on which autogit runs)"
    return (
        f"nothing in {around.folder} looks like a training script{listed}{aside}; say which one it is: "
        f"autogit init --script FILE --metric NAME, or autogit init -- COMMAND, "
        f'or write {FILENAME} by hand: [train]  command = "python train.py --seed {{seed}}"'
    )


def _all(around: Surroundings) -> Closure:
    """Without a Python script that the command starts, everything may have to do with it."""
    return Closure(tuple(around.texts), frozenset(), frozenset())


def _metrics(
    script: Script, made_of: Closure, around: Surroundings, metric: str, agreed: Habit | None
) -> tuple[list[Printed], list[str]]:
    """What is measured, the likeliest first, and what is doubtful about it."""
    files = made_of.python if script.path.endswith(".py") else ()
    found = printed_by(files, around.texts)
    if script.path.endswith(".ipynb"):
        found = [replace(each, place=script.path) for each in printed(_cells(around.folder / script.path), script.path)]
    if not metric and agreed is not None and agreed.metric:
        way = agreed.direction or direction(agreed.metric)
        named = Printed(normalised(agreed.metric), way or "min", way is not None, agreed.goal or agreed.benchmark, (0,))
        return [named, *(m for m in found if m.name != named.name)], []
    if metric:
        name = normalised(metric)
        known = next((m for m in found if m.name == name), None)
        if known is not None:
            return [known, *(m for m in found if m is not known)], _unsure(known)
        way = direction(metric)
        doubts = [] if way else [f"whether {metric} is better when lower is a guess: see metric.direction"]
        near = [m.name for m in found[:4]]
        if script.path.endswith(".py"):
            seen = f"; it prints {', '.join(near)}" if near else ""
            doubts.append(f"no line of {script.path} or what it imports prints {metric}, as far as can be seen{seen}")
        return [Printed(name, way or "min", way is not None, "", (0,)), *found], doubts
    if not found:
        where = unprinted([around.texts[p] for p in files if p in around.texts])
        gone = f" (its numbers go to {where})" if where else ""
        subject = script.path or "the command"
        return [], [
            f'no metric is printed by {subject}, as far as can be seen{gone}; "val_loss" is a guess: print a line '
            'such as "val_loss: 0.5" at the end, or name what it prints: autogit init --metric NAME'
        ]
    return found, _unsure(found[0])


def _unsure(metric: Printed) -> list[str]:
    if not metric.sure:
        return [f"whether {metric.name} is better when lower is a guess: see metric.direction"]
    if metric.training or metric.name == "loss":
        return [
            f"{metric.name} is measured on what is trained on, as far as can be seen: a change that only memorises "
            "wins by it; print a validation metric and name it in metric.name"
        ]
    return []


def _evaluator(script: Script, metrics: list[Printed], around: Surroundings) -> tuple[str, list[Printed]]:
    """(the command, its metrics) of a script that measures what training leaves, if training prints none itself."""
    if any(not m.training and m.name != "loss" for m in metrics) or not script.path.endswith(".py"):
        return "", []
    home = PurePosixPath(script.path).parent
    for path, text in sorted(around.texts.items(), key=lambda pair: (PurePosixPath(pair[0]).parent != home, pair[0])):
        if not _EVALUATORS.match(PurePosixPath(path).name) or path == script.path or not runnable(path, text):
            continue
        made_of = closure(path, around.texts)
        found = [m for m in printed_by(made_of.python, around.texts) if m.sure]
        if not found or script.path in made_of.files:
            continue
        measured = started(path, around, [])
        command = measured.command
        for option in taken(path, made_of, around):
            if re.search(r"ckpt|checkpoint|model_?path|weights|model_?dir|run_?dir|^model$|^dir$|^out", option.name):
                command = _checkpoint(command, option.flag, option.given("{out}"), script, around)
        return command, found
    return "", []


def _checkpoint(command: str, flag: str, filled: str, script: Script, around: Surroundings) -> str:
    """An evaluator's command with the folder, or the file in it, that training leaves."""
    names = re.findall(r"[\w./-]*?([\w-]+\.(?:pt|pth|ckpt|npz|pkl|joblib|safetensors|bin|h5|keras|json|npy))[\"']",
                       around.texts.get(script.path, ""))  # fmt: skip
    wanted = f"{filled}/{names[-1]}" if names and "dir" not in flag else filled
    plain = (
        re.sub(rf" {re.escape(flag)}([= ]\S+)?", "", command).replace(" ...", "")
        if flag
        else command.replace(" ...", "", 1)
    )
    return f"{plain} {wanted}" if "{out}" not in plain else plain


def _bounded(script: Script, made_of: Closure, around: Surroundings) -> tuple[Script, int | None, str]:
    """The script with {steps} if it would train for ever and takes a number of steps; (script, steps, why endless)."""
    why = endless(made_of, around.texts) if script.path.endswith(".py") else ""
    if not why:
        return script, None, ""
    found = {option.name: option for option in taken(script.path, made_of, around) if not option.toggle}
    limit = bound(found)
    if limit is None or re.search(rf"(?<!\S){re.escape(limit.flag)}[= ]", script.command):
        if limit is not None:
            return script, None, ""
        return script, None, why
    return replace(script, command=f"{script.command} {limit.given('{steps}')}"), 1000, why


def _may_change(
    script: Script,
    constants: list[Constant],
    made_of: Closure,
    around: Surroundings,
    agreed: Habit | None,
    evaluate: str,
    apart: list[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(editable globs, protected files). `apart`: scripts that train something else."""
    settings = sorted({c.place.path for c in constants if not c.place.path.endswith(".py")})
    top, inner, _ = script.path.partition("/")
    one_of_many = bool(inner) and f"{top}/__init__.py" not in around.tracked and not _is_sources(top)
    reached = all(path.startswith(f"{top}/") for path in made_of.python)
    code = f"{top}/**/*.py" if inner and not _is_sources(top) and reached else "**/*.py"
    editable: tuple[str, ...] = (code, *settings)
    if script.path.endswith(".ipynb"):
        editable = (script.path, *editable)
    own = [p for p in around.tracked if not one_of_many or not reached or p.startswith(f"{top}/")]
    protected = {p for p in own if _PROTECTED.fullmatch(PurePosixPath(p).name) and p != script.path}
    if evaluate:
        protected |= {
            path for path in around.texts if f" {path}" in evaluate or f" {PurePosixPath(path).name}" in evaluate
        }
    inside = [path for path in sorted(made_of.python) if path in around.tracked and path not in protected]
    if len(inside) <= MAX_NAMED and any(code == "**/*.py" or path.startswith(f"{top}/") for path in apart):
        # A change to another lesson or example would be a trial of nothing.
        editable = (*inside, *settings)
    if agreed is not None:
        protected |= {p for p in (agreed.benchmark, agreed.checks) if p} | set(agreed.protected)
        editable = agreed.editable or (("train.py",) if agreed.goal == "program.md" else editable)
    return editable, tuple(sorted(protected))


def _is_sources(folder: str) -> bool:
    return folder in ("src", "scripts", "lib", "bin", "tools", "examples")


def _reads(
    script: Script, files: dict[str, str], made_of: Closure, around: Surroundings
) -> tuple[list[str], list[str], list[str]]:
    texts: set[str] = set()
    for path, text in files.items():
        tree = parsed(text) if path.endswith(".py") else None
        # A YAML file's words, split where a value may begin or end.
        texts.update(strings(tree) if tree else re.split(r"[\s:\"',\[\]{}]+", text))
    texts.update(re.split(r"[\s=]+", script.command))
    used, unused, outside = around.data(
        texts, script.folder or PurePosixPath(script.path).parent.as_posix().removeprefix(".")
    )
    caches = [_CACHES[name] for name in sorted(made_of.packages) if name in _CACHES]
    return used, unused, [*outside, *(c for c in dict.fromkeys(caches) if Path(c).expanduser().exists())]


def _habits(files: dict[str, str], made_of: Closure) -> list[str]:
    """What the sandbox would stop: the network."""
    doubts = []
    if imported := {"wandb", "comet_ml", "neptune"} & made_of.packages:
        names = ", ".join(sorted(imported))
        doubts.append(
            f"the code imports {names}, and runs have no network: use its offline mode, or sandbox.network = true"
        )
    if any(
        re.search(r"download\s*=\s*True|urlretrieve|requests\.get\(|fetch_(openml|california)|load_dataset\(", t)
        for t in files.values()
    ):
        doubts.append("the code downloads data, and runs have no network: download once, keep it in train.data")
    return doubts
