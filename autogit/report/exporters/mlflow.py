"""MLflow: a run for each trial, with its parameters, metrics, learning curves, and its diff as an artifact."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from autogit.errors import AutogitError
from autogit.report.export import Exported

BATCH = 1000
"""Most metrics that MLflow takes at once."""
TAG_LENGTH = 5000
"""Characters that MLflow takes for the value of a tag."""
KEY, DONE = "autogit.key", "autogit.done"


class MlflowExporter:
    """Writes to a tracking server, or to a sqlite file in a folder. A run that was cut short is made again."""

    default = "mlflow"
    hint = "mlflow ui --backend-store-uri sqlite:///{target}/mlflow.db"

    def __init__(self, target: str) -> None:
        """`target` is a folder, or a URI such as http://host:5000; MLFLOW_TRACKING_URI goes before a default."""
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self._artifacts: str | None = None
        if "://" not in target and target.endswith(f"{os.sep}{self.default}"):
            target = os.environ.get("MLFLOW_TRACKING_URI", target)
        if "://" not in target:
            folder = Path(target).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            target, self._artifacts = f"sqlite:///{folder}/mlflow.db", (folder / "artifacts").as_uri()
        self._uri = target
        self._experiments: dict[str, tuple[str, set[str]]] = {}

    def export(self, trials: Iterable[Exported]) -> int:
        """See `Exporter`."""
        count = 0
        try:
            client = MlflowClient(tracking_uri=self._uri)
            for trial in trials:
                experiment, known = self._experiment(client, trial.lab)
                if trial.key not in known:
                    _write(client, experiment, trial)
                    known.add(trial.key)
                    count += 1
        except MlflowException as error:
            raise AutogitError(f"MLflow at {self._uri} does not take it: {error.message}") from None
        return count

    def _experiment(self, client: MlflowClient, lab: str) -> tuple[str, set[str]]:
        if lab not in self._experiments:
            found = client.get_experiment_by_name(lab)
            id = found.experiment_id if found else client.create_experiment(lab, artifact_location=self._artifacts)
            self._experiments[lab] = (id, _known(client, id))
        return self._experiments[lab]


def _known(client: MlflowClient, experiment: str) -> set[str]:
    """The trials that are there whole; what was cut short is deleted."""
    found, token = set(), None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        for run in page:
            if KEY in run.data.tags and DONE not in run.data.tags:
                client.delete_run(run.info.run_id)
            elif KEY in run.data.tags:
                found.add(run.data.tags[KEY])
        token = page.token
        if not token:
            return found


def _write(client: MlflowClient, experiment: str, trial: Exported) -> None:
    record = trial.record
    end = int(datetime.fromisoformat(record.closed).timestamp() * 1000) if record.closed else None
    start = None if end is None else end - int(record.seconds * 1000)
    tags = {KEY: trial.key, "mlflow.note.content": record.reason} | trial.facts
    tags = {name: value[:TAG_LENGTH] for name, value in tags.items()}
    run = client.create_run(
        experiment, start_time=start, tags=tags, run_name=f"{record.trial.ref} {record.trial.title}"[:250]
    )
    id, when = run.info.run_id, end or 0
    metrics = [Metric(_name(name), value, when, 0) for name, value in trial.numbers.items()]
    for curve in trial.curves:
        name = _name(f"curve/{curve.metric}/seed-{curve.seed}")
        metrics += [Metric(name, value, when, step) for step, value in zip(curve.steps, curve.values, strict=True)]
    params = [Param(_name(name), str(value)[:TAG_LENGTH]) for name, value in record.trial.parameters.items()]
    client.log_batch(id, params=params[:100])
    for place in range(0, len(metrics), BATCH):
        client.log_batch(id, metrics=metrics[place : place + BATCH])
    if trial.diff:
        client.log_text(id, trial.diff, "change.diff")
    client.log_batch(id, tags=[RunTag(DONE, "1")])
    client.set_terminated(id, "FINISHED" if record.metrics else "FAILED", end)


def _name(name: str) -> str:
    """A name with the characters that MLflow allows."""
    return "".join(char if char.isalnum() or char in "_-. /" else "_" for char in name)[:250]
