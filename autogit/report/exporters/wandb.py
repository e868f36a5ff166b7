"""Weights & Biases: an offline run for each trial, to be uploaded with `wandb sync` when the person wants to."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import wandb

from autogit.errors import AutogitError
from autogit.report.export import Exported

DONE = "autogit.done"
"""A file in the folder of each run that is whole."""


class WandbExporter:
    """Nothing leaves this machine unless WANDB_MODE says so."""

    default = "wandb"
    hint = "wandb sync {target}/wandb/offline-run-*"

    def __init__(self, target: str) -> None:
        self._folder = Path(target)

    def export(self, trials: Iterable[Exported]) -> int:
        """See `Exporter`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        known = set()
        for run in (self._folder / "wandb").glob("*run-*"):
            if run.is_symlink() or not run.is_dir():
                continue
            if (run / DONE).exists():
                known.add(run.name.split("-", 3)[-1])
            else:
                shutil.rmtree(run, ignore_errors=True)
        count = 0
        for trial in trials:
            id = re.sub(r"[^\w]", "-", trial.key)
            if id not in known:
                self._write(trial, id)
                count += 1
        return count

    def _write(self, trial: Exported, id: str) -> None:
        record = trial.record
        try:
            quiet = wandb.Settings(console="off", silent=True, disable_git=True, save_code=False, x_disable_stats=True)
            run = wandb.init(
                project=re.sub(r"[^\w.-]", "-", trial.lab)[:128], id=id, name=record.trial.ref,
                notes=f"{record.trial.title}\n{record.reason}", tags=[str(record.verdict)],
                group=record.trial.operator[:128],
                config=dict(record.trial.parameters) | trial.facts, dir=str(self._folder),
                mode="online" if os.environ.get("WANDB_MODE") == "online" else "offline", reinit="finish_previous",
                settings=quiet,
            )  # fmt: skip
            steps: dict[int, dict[str, float]] = {}
            for curve in trial.curves:
                for step, value in zip(curve.steps, curve.values, strict=True):
                    steps.setdefault(step, {})[f"{curve.metric}/seed-{curve.seed}"] = value
            for step in sorted(steps):
                run.log(steps[step], step=step)
            run.summary.update(trial.numbers)
            if trial.diff:
                artifact = wandb.Artifact(f"change-{id}", type="diff")
                with artifact.new_file("change.diff") as file:
                    file.write(trial.diff)
                run.log_artifact(artifact)
            folder = Path(run.dir).parent
            run.finish(exit_code=0 if record.metrics else 1)
        except (wandb.Error, OSError) as error:
            raise AutogitError(f"wandb does not take {record.trial.ref}: {error}") from None
        (folder / DONE).touch()
