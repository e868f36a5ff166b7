"""What the training command does when a loop starts it: it is started once, in a run's place, for a few seconds."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from autogit.errors import AutogitError, LabBusyError
from autogit.evaluate.objective import unreported
from autogit.lab import Lab
from autogit.setup.doctor.advice import advice, missing_module
from autogit.setup.doctor.findings import Finding, State
from autogit.setup.launch import UNKNOWN
from autogit.setup.metrics import printed
from autogit.trial.first_run import PATIENCE_SECONDS, FirstRun
from autogit.wording import duration, number

SHORT_SECONDS = 8.0
"""A first run that took no longer is made once more with another seed, to see what the seed does."""
MAX_LINE = 120
"""Characters of a line of output that are quoted."""
_PROGRAM_WORDS = re.compile(r"[\w./{}~+-]+")


def command(lab: Lab, files: Mapping[str, str]) -> Iterator[Finding]:
    """Starts the command and says what became of it; `files` are the editable ones."""
    text = lab.config.train.command
    if UNKNOWN in shlex.split(text, comments=False):
        yield Finding("command", State.WRONG, f"{text}: put what belongs there in place of {UNKNOWN} in train.command")
        return
    python = interpreter(text)
    program = None if python is None else shutil.which(python)
    if python is not None and program is None:
        yield Finding("command", State.WRONG, f"{python} of train.command is not there; name one that is")
        return
    try:
        with closing(lab.first_runs()) as runs:
            first = next(runs)
            yield from _first(lab, files, first, program)
            yield from _seed(lab, first, runs)
    except LabBusyError:
        yield Finding("run", State.NOTE, "a loop runs on this lab, so the command was not started; see: autogit status")
    except AutogitError as error:
        yield Finding("run", State.WRONG, str(error))


def interpreter(command: str) -> str | None:
    """The first word of a command that is a Python; None if another program starts it."""
    words = [word for word in _words(command) if _PROGRAM_WORDS.fullmatch(word) and "=" not in word]
    found = next((word for word in words if word == "{python}" or re.search(r"(^|/)python[\d.]*$", word)), None)
    return sys.executable if found == "{python}" else found


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _first(lab: Lab, files: Mapping[str, str], first: FirstRun, program: str | None) -> Iterator[Finding]:
    run = first.run
    if first.measured.reproduce:
        yield Finding("command", State.GOOD, first.measured.reproduce)
    module = missing_module(first.measured.log) if not first.worked else ""
    if module:
        yield Finding("imports", State.WRONG, f"{run.reason}; {advice(lab, first.measured.log, program)}")
        return
    if not first.worked:
        hint = advice(lab, first.measured.log, program)
        subject = "metric" if run.reason.startswith(f'no "{lab.config.metric.name}"') else "run"
        yield Finding(subject, State.WRONG, f"{run.reason or run.status}{f'; {hint}' if hint else ''}")
        return
    yield from _imports(lab, files, program)
    yield _end(lab, first)
    yield _metric(lab, files, first)
    yield from _others(lab, first)


def _end(lab: Lab, first: FirstRun) -> Finding:
    """Whether a run ends."""
    budget = lab.config.budget
    took = duration(first.run.seconds)
    if first.ended:
        return Finding("run", State.GOOD, f"the command was started in the sandbox and ended by itself after {took}")
    text = f"the command was started in the sandbox, and stopped after {took}, when enough was seen"
    if budget.seconds:
        return Finding("run", State.GOOD, f"{text}; a run has {duration(budget.seconds)}")
    if budget.timeout:
        return Finding("run", State.GOOD, f"{text}; a run fails after {duration(budget.timeout)}")
    if "{seconds}" in lab.config.train.command:
        return Finding("run", State.NOTE, f"{text}; its time comes from: autogit loop --hours H -n TRIALS")
    if "{steps}" in lab.config.train.command:
        return Finding("run", State.GOOD, f"{text}; a run ends after its steps")
    hint = "a run ends when the script does; if that is never or too late: [budget] seconds = 300"
    return Finding("run", State.NOTE, f"{text}; {hint}")


def _metric(lab: Lab, files: Mapping[str, str], first: FirstRun) -> Finding:
    """Where the metric was read."""
    config = lab.config
    name = config.metric.name
    way = f"{name}, {config.metric.direction} is better"
    if config.evaluate.command:
        if first.ended:
            value = number(first.run.metrics.get(name))
            return Finding("metric", State.GOOD, f"{way}; evaluate.command measures {value}")
        text = "evaluate.command measures it, and was not started, since training did not come to its end"
        return Finding("metric", State.NOTE, f"{way}; {text}")
    if first.value is not None:
        text = f'{way}; {number(first.value)} was read from the line "{_quoted(first.line)}"'
        return Finding("metric", State.GOOD, text)
    text = f"{way}; not printed in the first {PATIENCE_SECONDS:.0f} seconds"
    last = next((line for line in reversed(first.measured.log.splitlines()[1:]) if line.strip()), "")
    text += f', whose last line was "{_quoted(last)}"' if last else ", like anything else"
    found = [m for path, code in files.items() if path.endswith(".py") for m in printed(code, path)]
    places = {m.name: m.place for m in sorted(found, key=lambda m: m.order, reverse=True)}
    if lab.history.baseline is not None and name in lab.history.baseline.metrics:
        return Finding("metric", State.GOOD, f"{text}; the baseline reached {lab.history.baseline.metrics[name]:.6g}")
    if name in places:
        return Finding("metric", State.NOTE, f"{text}; {places[name]} prints it, as far as can be seen")
    hint = f"; the code prints {', '.join(list(places)[:6])}" if places else ""
    return Finding("metric", State.NOTE, f"{text}, and no editable file prints it, as far as can be seen{hint}")


def _quoted(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= MAX_LINE else f"{line[: MAX_LINE - 1]}…"


def _others(lab: Lab, first: FirstRun) -> Iterator[Finding]:
    """The other metrics, which are known once a run has come to its end, and the baseline's."""
    config = lab.config
    if first.ended and (lacking := unreported(config, first.run.metrics)):
        yield Finding("metrics", State.WRONG, lacking)
    baseline = next((record for record in lab.history if record.trial.is_baseline), None)
    if baseline is not None and config.metric.name not in baseline.metrics:
        had = ", ".join(list(baseline.metrics)[:6])
        text = f"the first baseline of this lab has no {config.metric.name}; it has {had}. A loop measures another one"
        yield Finding("baseline", State.NOTE, text)


def _imports(lab: Lab, files: Mapping[str, str], program: str | None) -> Iterator[Finding]:
    """What the editable files import and the interpreter does not find, though the command came past its imports."""
    yield Finding("imports", State.GOOD, "the command found what it imports")
    if program is None:
        return
    folder = lab.ledger.root / lab.ledger.prefix
    own = {part.removesuffix(".py") for path in files for part in Path(path).parts}
    own |= {path.stem for path in folder.iterdir()}
    pattern = re.compile(r"^(?:import|from)\s+(\w+)", re.MULTILINE)
    wanted: dict[str, str] = {}
    for path, text in files.items():
        for name in pattern.findall(text) if path.endswith(".py") else ():
            if name not in own:
                wanted.setdefault(name, path)
    script = (
        "import importlib.util, json, sys; print(json.dumps([n for n in json.loads(sys.argv[1])"
        " if n not in sys.builtin_module_names and importlib.util.find_spec(n) is None]))"
    )
    asked = json.dumps(sorted(wanted))
    done = subprocess.run([program, "-c", script, asked], capture_output=True, text=True, cwd="/", check=False)
    missing = json.loads(done.stdout) if done.returncode == 0 else []
    if missing:
        names = ", ".join(f"{name} ({wanted[name]})" for name in missing[:8])
        yield Finding("imports", State.NOTE, f"{program} does not find {names}; the command did without so far")


def _seed(lab: Lab, first: FirstRun, runs: Iterator[FirstRun]) -> Iterator[Finding]:
    """What the seed does."""
    name, given = lab.config.metric.name, "{seed}" in lab.config.train.command
    values = _known(lab) if given else []
    if not values and first.worked and first.run.seconds <= SHORT_SECONDS and _value(first, name) is not None:
        values = [value for each in (first, next(runs)) if (value := _value(each, name)) is not None]
    if len(values) < 2:
        if not given and first.worked:
            text = "train.command does not use {seed}: unless the script draws one itself, all runs are the same"
            yield Finding("seed", State.NOTE, text)
        return
    shown = " and ".join(number(value) for value in values[:2])
    if len(set(values)) > 1:
        how = "two seeds gave" if given else "train.command does not use {seed}, but two runs gave"
        yield Finding("seed", State.GOOD, f"{how} {name} {shown}")
    elif given:
        text = f"two seeds gave {name} {shown}: as far as that tells, the script does not use its seed"
        yield Finding("seed", State.NOTE, text)
    else:
        text = f"train.command does not use {{seed}}, and two runs gave {name} {shown}: noise cannot be measured"
        yield Finding("seed", State.NOTE, f"{text}, and any improvement counts")


def _known(lab: Lab) -> list[float]:
    """The metric of the baseline's runs, if there are two."""
    baseline, name = lab.history.baseline, lab.config.metric.name
    runs = baseline.runs if baseline is not None else ()
    values = [run.metrics[name] for run in runs if name in run.metrics]
    return values if len(values) > 1 else []


def _value(first: FirstRun, name: str) -> float | None:
    return first.run.metrics.get(name) if first.ended else first.value
