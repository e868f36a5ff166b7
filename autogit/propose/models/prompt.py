"""The briefing: all that a model or an agent is told before it proposes. A function from values to text."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from autogit.config.model import Config
from autogit.errors import ProposerError
from autogit.history import History
from autogit.propose.models.answer import form
from autogit.propose.models.quote import block, inline, tokens
from autogit.propose.models.templates import rendered
from autogit.propose.models.trials import by_seed, paired_noise, tried
from autogit.protocols import Context, Remaining, Revisions
from autogit.records import Curve, Idea, Proposal, Record

CURVE_POINTS = 12
LEAST_TOKENS = 40
"""Tokens that the list of trials takes at the least."""
TREND_ROWS = 12
"""Kinds of moves in the table of what has worked."""
SUMMARY_LINES = 60
"""Lines of a protected file that is shown whole; a longer one is told by its docstring and its definitions."""
PROTECTED_SHARE = 0.15
"""The most of the room that protected files take."""
FILES_SHARE = 0.75
"""The most of the room that the editable files take, if there are more of them."""
DERIVED = frozenset({"perplexity", "early_trend", "training_stability", "steps_to_baseline_loss"})
"""Metrics that autogit makes of others: without their explanation they mislead."""


@dataclass(frozen=True, slots=True)
class Briefing:
    """What there is to tell."""

    config: Config
    base: str
    files: Mapping[str, str]
    """The editable files, whole."""
    history: History
    revisions: Revisions
    pending: tuple[Proposal, ...] = ()
    guide: str = ""
    """The person's `program.md`."""
    ideas: tuple[Idea, ...] = ()
    """Those that nobody has followed yet, oldest first."""
    importance: Mapping[str, float] | None = None
    """Share of the metric's variation that each hyperparameter explains, if a search has found out."""
    remaining: Remaining = field(default_factory=Remaining)
    cost_left: float | None = None
    """Money that models and agents may still cost; None without a limit."""


def brief(
    context: Context,
    ideas: tuple[Idea, ...],
    importance: Mapping[str, float] | None = None,
    cost_left: float | None = None,
) -> Briefing:
    """Returns the briefing of this moment; `program.md` is read anew each time: editing it steers a running loop."""
    return Briefing(
        config=context.config, base=context.base, files=context.files, history=context.history,
        revisions=context.revisions, pending=context.pending, guide=context.revisions.guide(), ideas=ideas,
        importance=importance, remaining=context.remaining, cost_left=cost_left,
    )  # fmt: skip


def model_prompt(briefing: Briefing, room: int, told: str = "", ask: str = "") -> str:
    """Returns the text for a model, in at most about `room` tokens; `told` is what it is given back to mend.

    `ask` says how to hand the change in, if not in the form of an answer.

    Trials are told in less detail if there are many. Files are shown whole or only named, those that the training
    command imports first. Raises ProposerError if what cannot be shortened is too long.
    """
    ask = ask or form()
    bare = _filled(briefing, "", ask, told, files="", listed="")
    left = room - tokens(bare) - LEAST_TOKENS
    ordered = by_use(briefing.files, briefing.config.train.command)
    shown = {path: _shown_file(path, text) for path, text in ordered.items()}
    if sum(map(tokens, shown.values())) <= left:
        fitting = list(shown)
    else:
        fitting, space = [], int(left * FILES_SHARE)
        for path, text in shown.items():
            if tokens(text) <= space:
                fitting.append(path)
                space -= tokens(text)
    if briefing.files and not fitting:
        least = tokens(bare) + min(map(tokens, shown.values())) + LEAST_TOKENS
        raise ProposerError(
            f"the first editable file and the instructions alone take about {least} tokens, the limit is {room}: "
            "raise `context` in the configuration or let train.editable name fewer files"
        )
    files = "\n".join(shown[path] for path in fitting)
    unseen = [path for path in ordered if path not in fitting]
    listed = ", ".join(f"{inline(path)} ({briefing.files[path].count(chr(10))} lines)" for path in unseen[:60])
    text = _filled(briefing, "", ask, told, files, listed)
    left = room - tokens(text)
    if left < 0:
        raise ProposerError(
            f"the editable files and the instructions alone take about {tokens(text)} tokens, the limit is {room}: "
            "raise `context` in the configuration or let train.editable name fewer files"
        )
    return _filled(briefing, block(tried(briefing.history, briefing.revisions, left)), ask, told, files, listed)


def agent_briefing(briefing: Briefing, room: int, told: str, task: str) -> str:
    """Returns the text for an agent, which has the files before it; `task` says what to do and how to hand it in."""
    paths = sorted(briefing.files)
    listed = ", ".join(inline(path) for path in paths[:60]) + (f" and {len(paths) - 60} more" if paths[60:] else "")
    bare = _filled(briefing, "", task, told, "", listed, agent=True)
    left = max(room - tokens(bare), LEAST_TOKENS)
    return _filled(
        briefing, block(tried(briefing.history, briefing.revisions, left)), task, told, "", listed, agent=True
    )


def by_use(files: Mapping[str, str], command: str) -> dict[str, str]:
    """Returns the files in the order in which the training command comes to them: its scripts, then their imports."""
    words = [word for word in _words(command) if not word.startswith("-")]
    wanted = [path for word in words for path in _named(word, files)]
    ordered: dict[str, str] = {}
    while wanted:
        path = wanted.pop(0)
        if path not in ordered:
            ordered[path] = files[path]
            wanted += [each for name in _imports(path, files[path]) for each in _module(name, path, files)]
    return ordered | {path: text for path, text in files.items() if path not in ordered}


def _filled(briefing: Briefing, trials: str, task: str, told: str, files: str, listed: str, agent: bool = False) -> str:
    config, history = briefing.config, briefing.history
    incumbent = history.at(briefing.base)
    return rendered(
        "prompt.md.j2",
        metric=config.metric,
        better="lower" if config.metric.direction == "min" else "higher",
        others=_others(config),
        rule=_rule(config),
        budget=_budget(briefing, incumbent),
        command=inline(config.train.command, 400),
        editable=_globs(config.train.editable),
        protected=_globs((".autoresearch.toml", *config.train.protected)),
        protected_files=() if agent else _protected(briefing),
        guide=block(briefing.guide, "markdown") if briefing.guide.strip() else "",
        files=files,
        listed=listed,
        trials=trials,
        state=_state(briefing, incumbent) if incumbent else (),
        trends=_trends(history),
        importance=_importance(briefing.importance),
        remaining=_remaining(briefing),
        pending=[inline(p.title, 120) for p in briefing.pending],
        idea=block(f"{briefing.ideas[0].text}\n", "idea") if briefing.ideas else "",
        later=[inline(idea.text, 120) for idea in briefing.ideas[1:21]],
        task=task,
        told=told,
        agent=agent,
    )


# ---- the rules


def _others(config: Config) -> list[str]:
    lines = []
    for name, other in config.metrics.items():
        limits = [f"at most {other.max:g}"] if other.max is not None else []
        limits += [f"at least {other.min:g}"] if other.min is not None else []
        limits += [f"weight {other.weight:g}"] if other.weight else []
        lines.append(f"{name} ({', '.join(limits) or 'for information'})")
    return lines


def _rule(config: Config) -> list[str]:
    accept, metric = config.accept, config.metric
    told = {
        "greedy": ["It is run with one seed and accepted if it is better than the code to beat with that seed."],
        "stack": ["It is run with one seed and kept if it leads the code to beat by more than a pair's noise with that "
                  "seed. What was kept has to prove itself together, on other seeds, before it is accepted."],
    }.get(accept.rule, [
        f"It is run with the seeds that the code to beat was run with, one pair of runs after the other, at most "
        f"{accept.seeds}. It is dropped as soon as it is not clearly ahead, and accepted if its lead is more than luck "
        f"explains ({accept.confidence:.0%} sure)."
    ])  # fmt: skip
    if metric.min_delta:
        told.append(f"It has to be better by more than {metric.min_delta:g}.")
    if config.prune.confidence > 0:
        told.append(
            "While its first run trains, its curve is held against that of the code to beat at the same step, "
            "and a run that does not lead is stopped: a change that begins slowly and pays at the end has to catch up "
            "by about half of the run."
        )
    return told


def _budget(briefing: Briefing, incumbent: Record | None) -> str:
    budget = briefing.config.budget
    steps = next((run.step for run in incumbent.runs if run.step), None) if incumbent else None
    if budget.steps is not None:
        return f"{budget.steps} steps"
    if budget.seconds is not None:
        now = f"; the code to beat makes {steps} steps in it" if steps else ""
        return f"{budget.seconds:g} seconds of wall time{now}: what makes a step quicker buys more steps"
    if budget.flops is not None:
        now = f", which is {steps} steps of the code to beat" if steps else ""
        return (
            f"{budget.flops:g} floating-point operations{now}. The steps are this divided by those of one "
            "step: twice the batch or about twice the sequence length halve them, twice the depth nearly halves them, "
            "twice the width makes them up to four times fewer"
        )
    baseline = briefing.history.baseline
    runs = baseline.runs if baseline else ()
    first = next((run.step for run in runs if run.step), None)
    seconds = max((run.seconds for run in runs), default=None)
    held = f"{first} steps" if first else f"{seconds:.3g} seconds" if seconds else "steps or time"
    return (
        f"none is configured, so the baseline's {held} hold for every run: a change that trains longer is rejected. "
        "Better use of the same training is what is looked for"
    )


def _globs(globs: Sequence[str]) -> str:
    return ", ".join(f"`{inline(glob)}`" for glob in globs)


def _protected(briefing: Briefing) -> list[tuple[str, str]]:
    """(path, text or summary) of the protected files that say how a run is paid for and measured."""
    config = briefing.config
    commands = (config.budget.command, config.evaluate.command, config.train.command, config.budget.check)
    words = [word for command in commands for word in _words(command)]
    literal = [glob for glob in config.train.protected if not set(glob) & set("*?[")]
    paths = [path for path in dict.fromkeys([*words, *literal]) if path.endswith(".py") and path in literal]
    room = int(min(config.llm[0].context if config.llm else 60_000, 60_000) * PROTECTED_SHARE)
    found = []
    for path in paths:
        prefix = next((str(PurePosixPath(p).parent) for p in briefing.files if "/" in p), "")
        data = None
        for place in dict.fromkeys([path, f"{prefix}/{path}" if prefix else path]):
            data = data if data is not None else briefing.revisions.read(briefing.base, place)
        if data is None:
            continue
        text = data.decode("utf-8", "replace")
        shown = text if text.count("\n") <= SUMMARY_LINES else summary(text)
        if tokens(shown) <= room:
            room -= tokens(shown)
            found.append((path, block(shown, "py")))
    return found


def summary(text: str) -> str:
    """Returns what a Python file is for and what it defines: its docstring, its constants and its signatures."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return "\n".join(text.split("\n")[:20])
    lines = [f'"""{ast.get_docstring(tree)}"""', ""] if ast.get_docstring(tree) else []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            head = f"class {node.name}: ..."
            if not isinstance(node, ast.ClassDef):
                returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
                head = f"def {node.name}({ast.unparse(node.args)}){returns}"
            about = (ast.get_docstring(node) or "").split("\n\n")[0]
            lines.append(head + (f"  # {inline(about, 160)}" if about else ""))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            lines.append(ast.unparse(node)[:160])
    return "\n".join(lines)


# ---- what is known


def _state(briefing: Briefing, incumbent: Record) -> list[str]:
    history, name = briefing.history, briefing.history.metric.name
    lines = [f"Trial {incumbent.id}, {inline(incumbent.trial.title, 120)}."]
    if runs := by_seed(incumbent, None, name):
        lines.append(f"Its {name} by seed: {runs}.")
    others = [
        f"{metric} {value:.6g}" for metric, value in incumbent.metrics.items()
        if metric != name and (metric in briefing.config.metrics or metric not in DERIVED)
    ]  # fmt: skip
    if others:
        lines.append(f"Its other numbers: {', '.join(others)}.")
    gain = history.improvement(incumbent)
    if gain is not None and incumbent is not history.baseline:
        lines.append(f"{gain:+.2f}% against the first baseline.")
    if (noise := paired_noise(history)) is not None:
        lines.append(
            f"Noise: by luck alone the difference of {name} between two runs with the same seed varies with a standard "
            f"deviation of {noise:.3g}. Compare differences on the same seed only: values of different seeds differ "
            "besides."
        )
    facts = [f"{key} {inline(str(value), 60)}" for key, value in incumbent.environment.items()
             if key in ("device", "gpu", "gpus", "processor", "threads", "python", "torch")]  # fmt: skip
    lines += [f"Runs on: {', '.join(facts)}."] if facts else []
    lines += [f"One run takes {max(run.seconds for run in incumbent.runs):.3g} s."] if incumbent.runs else []
    curve = next(iter(briefing.revisions.curves(incumbent.id)), None)
    if curve is not None and curve.steps:
        lines.append(f"Its curve of {inline(curve.metric, 40)}, seed {curve.seed} (step: value): {_points(curve)}.")
    return lines


def _points(curve: Curve) -> str:
    points = list(zip(curve.steps, curve.values, strict=True))
    if len(points) > CURVE_POINTS:
        points = [points[i * (len(points) - 1) // (CURVE_POINTS - 1)] for i in range(CURVE_POINTS)]
    return ", ".join(f"{step}: {value:.4g}" for step, value in points)


def _trends(history: History) -> list[str]:
    return [
        f"{inline(f'{row.proposer}/{row.operator}', 80)}: {row.accepted} of {row.attempts} accepted"
        + ("" if row.improvement is None else f", mean effect {row.improvement:+.2f}%")
        for row in history.trends()[:TREND_ROWS]
    ]


def _importance(importance: Mapping[str, float] | None) -> str:
    ordered = sorted((importance or {}).items(), key=lambda pair: -pair[1])[:10]
    return ", ".join(f"{inline(name, 60)} {100 * share:.0f}%" for name, share in ordered)


def _remaining(briefing: Briefing) -> list[str]:
    remaining, lines = briefing.remaining, []
    if remaining.trials is not None:
        lines.append(f"{remaining.trials} trials, yours included")
    if remaining.hours is not None:
        lines.append(f"{remaining.hours:.2g} hours")
    if briefing.cost_left is not None:
        lines.append(f"{briefing.cost_left:.3g} of money for models and agents")
    return lines


# ---- which files a command uses


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _named(word: str, files: Mapping[str, str]) -> list[str]:
    """The files that a word of a command means: a path, the end of one, or a module's dotted name."""
    path = word.removeprefix("./")
    dotted = f"{path.replace('.', '/')}.py" if re.fullmatch(r"[A-Za-z_][\w.]*", path) else ""
    package = f"{path.replace('.', '/')}/__main__.py" if dotted else ""
    return [f for f in files for name in (path, dotted, package) if name and (f == name or f.endswith(f"/{name}"))]


def _imports(path: str, text: str) -> Iterable[str]:
    if not path.endswith(".py"):
        return
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            yield name
            yield from (f"{name}.{alias.name}" if node.module else f"{name}{alias.name}" for alias in node.names)


def _module(name: str, importer: str, files: Mapping[str, str]) -> list[str]:
    """The file of a module that `importer` imports, relative to it or to any folder above it."""
    dots = len(name) - len(name.lstrip("."))
    tail = name.lstrip(".").replace(".", "/")
    folders = [str(folder) for folder in PurePosixPath(importer).parents]
    bases = folders[dots - 1 : dots] if dots else [*folders, *(f"{folder}/src" for folder in folders)]
    for base in bases:
        root = "" if base == "." else f"{base.removeprefix('./')}/"
        for path in (f"{root}{tail}.py", f"{root}{tail}/__init__.py" if tail else f"{root}__init__.py"):
            if path in files:
                return [path]
    return []


def _shown_file(path: str, text: str) -> str:
    return f"### {path}\n\n" + block(text, path.rpartition(".")[2] if "." in path else "text")
