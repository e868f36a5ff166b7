"""Looks whether everything that a loop needs is in place, and says what was found where. Trains nothing."""

from __future__ import annotations

import json
import platform
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from autogit.config.model import FILENAME
from autogit.errors import AutogitError, ConfigError
from autogit.lab import Lab

LEAST_FREE_GB = 1.0
"""Free disk space below which a loop is not worth starting."""
_PROGRAM_WORDS = re.compile(r"[\w./{}~+-]+")


class State(StrEnum):
    """How one thing is."""

    GOOD = "good"
    NOTE = "note"
    """Works, and should be known."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: State
    text: str


def examine(folder: Path) -> Iterator[Finding]:
    """Everything, one finding after the other, as it is found out."""
    yield from _git(folder)
    yield from _machine()
    try:
        lab = Lab.open(folder)
    except AutogitError as error:
        yield Finding("workspace", State.WRONG, str(error))
        return
    yield Finding("workspace", State.GOOD, f"{lab.ledger.root}, configured in {lab.file.path}")
    files = dict(lab.ledger.files(lab.ledger.main()))
    yield from _sandbox(lab)
    yield from _files(lab, files)
    yield from _training(lab, files)
    yield from _metric(lab, files)
    yield from _luck(lab)
    yield from _space(lab, files)
    yield from _patterns(lab, files)
    yield from _disk(lab)


def _git(folder: Path) -> Iterator[Finding]:
    from autogit.ledger.git.program import check_version, personal, run_git

    try:
        check_version()
        version = run_git(["version"], b"", personal(), (0,), Path.cwd(), ()).decode().strip()
    except AutogitError as error:
        yield Finding("git", State.WRONG, str(error))
        return
    yield Finding("git", State.GOOD, version)


def _machine() -> Iterator[Finding]:
    from autogit.execute.machine import cores, gpus, memory, processor

    yield Finding("python", State.GOOD, f"{platform.python_version()} runs autogit")
    yield Finding("machine", State.GOOD, f"{cores()} cores of {processor()}, {memory() / 1e9:.0f} GB")
    found = gpus()
    names = ", ".join(f"{gpu.id}: {gpu.name}" for gpu in found)
    yield Finding("gpu", State.GOOD, names) if found else Finding("gpu", State.NOTE, "none: training runs on the CPU")


def _sandbox(lab: Lab) -> Iterator[Finding]:
    from autogit.execute.probe import probe

    tiers = probe()
    wanted = lab.config.sandbox.tier
    chosen = next((tier for tier in tiers if tier.works and wanted in ("auto", tier.tier)), None)
    for tier in tiers:
        if tier is chosen:
            weak = State.NOTE if tier.tier == "rlimits" else State.GOOD
            why = " (limits alone: training can read your files and reach the network)" if weak is State.NOTE else ""
            yield Finding("sandbox", weak, f"{tier.tier} works and is used{why}")
            return
        if not tier.works:
            yield Finding("sandbox", State.NOTE, f"{tier.tier} does not work here: {tier.why}")
    yield Finding("sandbox", State.WRONG, f'sandbox.tier = "{wanted}" does not work here; "auto" takes what does')


def _files(lab: Lab, files: dict[str, str]) -> Iterator[Finding]:
    from autogit.patch import Policy

    train, prefix = lab.config.train, lab.ledger.prefix
    if files:
        shown = ", ".join(sorted(files)[:5]) + (f" and {len(files) - 5} more" if len(files) > 5 else "")
        yield Finding("editable", State.GOOD, shown)
    else:
        yield Finding("editable", State.WRONG, f"no committed file matches train.editable = {list(train.editable)}")
    for glob in train.editable if files else ():
        if not any(Policy([glob], [], prefix).allows(path) for path in files):
            yield Finding("editable", State.NOTE, f'"{glob}" in train.editable matches no committed file')
    for glob in train.protected:
        if not any((lab.ledger.root / prefix).glob(glob)):
            yield Finding("protected", State.NOTE, f'"{glob}" in train.protected matches nothing')
    for name in train.data:
        place = lab.ledger.root / prefix / name
        found = Finding("data", State.GOOD, str(place)) if place.exists() else None
        yield found or Finding("data", State.WRONG, f"train.data names {name}, but {place} does not exist")


def _training(lab: Lab, files: dict[str, str]) -> Iterator[Finding]:
    from autogit.execute.local import job_count
    from autogit.setup.launch import UNKNOWN
    from autogit.trial.jobs import JobMaker

    config = lab.config
    try:
        job_count(config)
    except ConfigError as error:
        yield Finding("gpu", State.WRONG, str(error))
    try:
        recipe = JobMaker(config, lab.ledger.root, lab.ledger.prefix, config.budget.seconds or 60.0)
        line = recipe.line("exp/0", config.train.seed, config.budget.steps, {})
    except ConfigError as error:
        yield Finding("command", State.WRONG, str(error))
        return
    if UNKNOWN in shlex.split(config.train.command):
        text = f"{line}: put what belongs there in place of {UNKNOWN} in train.command"
        yield Finding("command", State.WRONG, text)
        return
    python = _interpreter(config.train.command)
    if python is None:
        yield Finding("command", State.GOOD, line)
        return
    program = shutil.which(python)
    if program is None:
        yield Finding("command", State.WRONG, f"{python} of train.command is not there; name one that is")
        return
    yield Finding("command", State.GOOD, line)
    missing = _missing(program, files, lab)
    if missing:
        names = ", ".join(missing)
        yield Finding("imports", State.WRONG, f"{program} does not find {names}; install, or name another interpreter")
    else:
        yield Finding("imports", State.GOOD, f"{program} finds what the code imports")
    if "{seed}" not in config.train.command:
        text = "train.command does not use {seed}: all runs of a trial are the same, and noise is not seen"
        yield Finding("seed", State.NOTE, text)


def _interpreter(command: str) -> str | None:
    """The first word of a command that is a Python; None where another program starts it."""
    import sys

    words = [word for word in shlex.split(command) if _PROGRAM_WORDS.fullmatch(word) and "=" not in word]
    found = next((word for word in words if word == "{python}" or re.search(r"(^|/)python[\d.]*$", word)), None)
    return sys.executable if found == "{python}" else found


def _missing(program: str, files: dict[str, str], lab: Lab) -> list[str]:
    """Imported modules that are neither the code's own nor found by the interpreter."""
    pattern = re.compile(r"^(?:import|from)\s+(\w+)", re.MULTILINE)
    names = {name for path, text in files.items() if path.endswith(".py") for name in pattern.findall(text)}
    folder = lab.ledger.root / lab.ledger.prefix
    own = {part.removesuffix(".py") for path in files for part in Path(path).parts}
    own |= {path.stem for path in folder.iterdir()}
    script = (
        "import importlib.util, json, sys; print(json.dumps([n for n in json.loads(sys.argv[1])"
        " if n not in sys.builtin_module_names and importlib.util.find_spec(n) is None]))"
    )
    done = subprocess.run(
        [program, "-c", script, json.dumps(sorted(names - own))], capture_output=True, text=True, cwd="/", check=False
    )
    return [str(name) for name in json.loads(done.stdout)] if done.returncode == 0 else [f"anything: {done.stderr}"]


def _metric(lab: Lab, files: dict[str, str]) -> Iterator[Finding]:
    from autogit.evaluate.lines import normalised
    from autogit.setup.metrics import printed

    metric = lab.config.metric
    baseline = lab.history.baseline
    way = f"{metric.name}, {metric.direction} is better"
    if baseline is not None:
        yield Finding("metric", State.GOOD, f"{way}; the baseline reached {lab.history.value(baseline):.6g}")
        return
    found = [m for path, text in files.items() if path.endswith(".py") for m in printed(text, path)]
    names = {m.name: m.place for m in sorted(found, key=lambda m: m.order, reverse=True)}
    if normalised(metric.name) in names:
        yield Finding("metric", State.GOOD, f"{way}; printed at {names[normalised(metric.name)]}")
    elif metric.name in metric.patterns or lab.config.evaluate.command:
        source = "metric.patterns" if metric.name in metric.patterns else "evaluate.command"
        yield Finding("metric", State.GOOD, f"{way}; from {source}")
    else:
        hint = f"; the code prints {', '.join(list(names)[:6])}" if names else ""
        yield Finding("metric", State.NOTE, f"{way}; no editable file prints it, as far as can be seen{hint}")


def _luck(lab: Lab) -> Iterator[Finding]:
    for name, checks in zip(("code against itself", "null trials"), lab.fooled(), strict=True):
        if checks.trials:
            # More than the rule promises, beyond what the interval leaves open.
            state = State.NOTE if checks.low > 1 - lab.config.accept.confidence else State.GOOD
            yield Finding("luck", state, f"{name}: the rule was {checks}")


def _space(lab: Lab, files: dict[str, str]) -> Iterator[Finding]:
    from autogit.propose.search.parameters import find

    found = find(lab.config.space, files, lab.config.train.command)
    for name, parameter in found.parameters.items():
        yield Finding("space", State.GOOD, f"{name} is {parameter.value} in {', '.join(map(str, parameter.places))}")
    for problem in found.problems:
        yield Finding("space", State.NOTE, problem)


def _patterns(lab: Lab, files: dict[str, str]) -> Iterator[Finding]:
    from autogit.propose.patterns import available
    from autogit.propose.rewriting import rewrite

    applies = {
        pattern.name: rewrite(pattern, files, lab.config.train.command) is not None for pattern in available(lab.config)
    }
    for pattern in lab.config.pattern:
        if applies.pop(pattern.name):
            yield Finding("pattern", State.GOOD, f"{pattern.name} applies")
        else:
            yield Finding("pattern", State.NOTE, f"{pattern.name} matches nothing in the editable files")
    if applies:
        names = ", ".join(name for name, does in applies.items() if does) or "none; your own: docs/patterns.md"
        yield Finding("catalogue", State.GOOD, f"of {len(applies)} patterns these apply: {names}")


def _disk(lab: Lab) -> Iterator[Finding]:
    free = shutil.disk_usage(lab.ledger.private).free / 1e9
    text = f"{free:.0f} GB free at {lab.ledger.private}"
    if free < LEAST_FREE_GB:
        yield Finding("disk", State.WRONG, f"{text}; a loop needs at least {LEAST_FREE_GB:g} GB")
    elif free < lab.config.checkpoints.max_gb:
        text += f"; checkpoints.max_gb = {lab.config.checkpoints.max_gb:g} is more than that ({FILENAME})"
        yield Finding("disk", State.NOTE, text)
    else:
        yield Finding("disk", State.GOOD, text)
