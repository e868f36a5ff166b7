"""Looks whether everything that a loop needs is in place, and says what was found where."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from autogit.config.model import FILENAME
from autogit.errors import AutogitError
from autogit.lab import Lab
from autogit.setup.doctor.command import command
from autogit.setup.doctor.findings import Finding, State
from autogit.setup.doctor.models import models

LEAST_FREE_GB = 1.0
"""Free disk space below which a loop is not worth starting."""


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
    for subject, check in (
        ("sandbox", lambda: _sandbox(lab)),
        ("editable", lambda: _files(lab, files)),
        ("gpu", lambda: _gpus(lab)),
        ("run", lambda: command(lab, files)),
        ("luck", lambda: _luck(lab)),
        ("space", lambda: _space(lab, files)),
        ("pattern", lambda: _patterns(lab, files)),
        ("llm", lambda: models(lab.config, files)),
        ("disk", lambda: _disk(lab)),
    ):
        yield from _each(subject, check)


def _each(subject: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a check finds; what it cannot look at is a finding, too, and the other checks go on."""
    try:
        yield from check()
    except (AutogitError, OSError) as error:
        yield Finding(subject, State.WRONG, str(error))


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
    from autogit.execute.scratch import shared_memory_fault

    tiers = probe()
    wanted = lab.config.sandbox.tier
    chosen = next((tier for tier in tiers if tier.works and wanted in ("auto", tier.tier)), None)
    for tier in tiers:
        if tier is chosen:
            weak = State.NOTE if tier.tier == "rlimits" else State.GOOD
            why = " (limits alone: training can read your files and reach the network)" if weak is State.NOTE else ""
            yield Finding("sandbox", weak, f"{tier.tier} works and is used{why}")
            if fault := shared_memory_fault():
                yield Finding(
                    "sandbox", State.NOTE, f"shared memory of runs lies on the disk, which is slower: {fault}"
                )
            return
        if not tier.tried and wanted in ("auto", tier.tier):
            yield Finding("sandbox", State.WRONG, f"{tier.tier} could not be tried for now: {tier.why}")
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
        place = (lab.ledger.root / prefix / name).resolve()
        if place.exists():
            yield Finding("data", State.GOOD, str(place))
            continue
        text = f"train.data names {name}, but {place} does not exist"
        if (lab.ledger.root / name).exists():
            text += f'; from this folder it is "{os.path.relpath(lab.ledger.root / name, lab.ledger.root / prefix)}"'
        yield Finding("data", State.WRONG, text)
    covered = [os.path.normpath(PurePosixPath(prefix, name)) for name in train.data]
    for module in lab.ledger.submodules(lab.ledger.main()):
        if not any(PurePosixPath(module).is_relative_to(path) for path in covered):
            spelled = os.path.relpath(module, prefix or ".")
            text = f'{module} is empty in a run; if training reads it: [train] data = ["{spelled}"]'
            yield Finding("submodule", State.NOTE, text)


def _gpus(lab: Lab) -> Iterator[Finding]:
    from autogit.execute.local import job_count

    job_count(lab.config)
    yield from ()


def _luck(lab: Lab) -> Iterator[Finding]:
    for name, checks in zip(("A/A test", "null trials"), lab.fooled(), strict=True):
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
