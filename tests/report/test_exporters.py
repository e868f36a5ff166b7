"""Each exporter, read back by the library that it writes for; again after more trials nothing is doubled."""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from nights import record
from toy import make_toy

from autogit import Lab
from autogit.cli import cli
from autogit.errors import AutogitError
from autogit.records import Curve, Verdict
from autogit.report.export import BUILT_IN, Exported, exporter

CURVE = Curve(7, "loss", (1, 2, 5), (3.0, 2.0, 1.5))


def exported(
    number: int, value: float | None = 1.25, title: str = "Change", verdict: Verdict = Verdict.REJECTED
) -> Exported:
    made = record(number, value, verdict)
    trial = replace(made.trial, title=title, commit=f"{number:040d}", parameters={"lr": 0.1, "betas": (0.9, 0.99)})
    made = replace(made, trial=trial, closed="2026-01-02T03:04:05+00:00", reproduce="python train.py --seed 7")
    return Exported("lab", "val_loss", "min", made, value, 1.5, 0.02, "--- a/t\n+++ b/t\n+x = 1\n", (CURVE,))


NIGHT = [
    exported(0, 1.5, "Baseline", Verdict.ACCEPTED),
    exported(1, 1.25, "tab\tand\nnewline \x1b[31m", Verdict.ACCEPTED),
    exported(2, None, "=HYPERLINK(1)", Verdict.CRASHED),
]

Readings = dict[str, float | None]
"""Trial's title or name -> its metric."""


def read_tsv(target: Path) -> Readings:
    head, *lines = target.read_text().splitlines()
    assert head == "commit\tval_loss\tmemory_gb\tstatus\tdescription"
    cells = [line.split("\t") for line in lines]
    assert {len(each) for each in cells} == {5} and {each[3] for each in cells} <= {"keep", "discard", "crash"}
    return {each[4].partition(":")[0]: None if each[1] == "nan" else float(each[1]) for each in cells}


def read_jsonl(target: Path) -> Readings:
    head, *lines = map(json.loads, target.read_text().splitlines())
    assert head == {
        "type": "config",
        "name": "lab",
        "metricName": "val_loss",
        "metricUnit": "",
        "bestDirection": "lower",
    }
    for line in lines:
        assert {"run", "commit", "metric", "metrics", "status", "description", "timestamp"} <= line.keys()
        assert line["status"] in ("keep", "discard", "crash", "checks_failed") and len(line["commit"]) == 7
    return {f"exp/{line['run']}": line["metric"] for line in lines}


def read_csv(target: Path) -> Readings:
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "@"))], "no formula from a title"
    return {row["trial"]: float(row["metric.val_loss"]) if row["metric.val_loss"] else None for row in rows}


def read_mlflow(target: Path) -> Readings:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{target}/mlflow.db")
    experiment = client.get_experiment_by_name("lab")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    for run in runs:
        assert run.data.params == {"lr": "0.1", "betas": "(0.9, 0.99)"}
        history = client.get_metric_history(run.info.run_id, "curve/loss/seed-7")
        assert sorted((m.step, m.value) for m in history) == list(zip(CURVE.steps, CURVE.values, strict=True))
        assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["change.diff"]
        assert run.info.status == ("FINISHED" if "val_loss" in run.data.metrics else "FAILED")
    return {run.data.tags["trial"]: run.data.metrics.get("val_loss") for run in runs}


def read_tensorboard(target: Path) -> Readings:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: Readings = {}
    for folder in target.iterdir():
        events = EventAccumulator(str(folder))
        events.Reload()
        scalars = events.Tags()["scalars"]
        assert [(e.step, e.value) for e in events.Scalars("loss/seed-7")] == [(1, 3.0), (2, 2.0), (5, 1.5)]
        assert events.Tensors("diff")[0].tensor_proto.string_val[0].startswith(b"    --- a/t")
        assert "hparams" in events.summary_metadata["_hparams_/session_start_info"].plugin_data.plugin_name
        name = folder.name.partition("@")[0].replace("-", "/", 1)
        found[name] = events.Scalars("val_loss")[0].value if "val_loss" in scalars else None
    return found


def read_wandb(target: Path) -> Readings:
    """By the file's format (LevelDB's log) and wandb's own protobuf."""
    from wandb.proto.wandb_internal_pb2 import Record as Message

    found: Readings = {}
    for file in target.glob("wandb/offline-run-*/*.wandb"):
        name, value, curve, artifacts = "", None, [], 0
        for data in leveldb(file.read_bytes()):
            message = Message.FromString(data)
            kind = message.WhichOneof("record_type")
            if kind == "run":
                name = message.run.display_name
            elif kind == "summary":
                for item in message.summary.update:
                    if "val_loss" in (item.key, *item.nested_key):
                        value = json.loads(item.value_json)
            elif kind == "history":
                items = {i.key or i.nested_key[0]: json.loads(i.value_json) for i in message.history.item}
                curve += [items["loss/seed-7"]] if "loss/seed-7" in items else []
            artifacts += kind == "request" and message.request.WhichOneof("request_type") == "log_artifact"
            artifacts += kind == "artifact"
        assert curve == [3.0, 2.0, 1.5] and artifacts
        found[name] = value
    return found


def leveldb(data: bytes) -> Iterator[bytes]:
    """The records of a log: blocks of 32 KiB, of chunks with checksum, length and kind."""
    place, whole = 7, b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield whole
            whole = b""


READERS: dict[str, tuple[str, Callable[[Path], Readings]]] = {
    "tsv": ("csv", read_tsv),
    "jsonl": ("json", read_jsonl),
    "csv": ("csv", read_csv),
    "mlflow": ("mlflow", read_mlflow),
    "tensorboard": ("tensorboard", read_tensorboard),
    "wandb": ("wandb", read_wandb),
}


def test_every_exporter_is_read_back() -> None:
    assert READERS.keys() == BUILT_IN.keys()


@pytest.mark.parametrize("name", READERS)
def test_trials_arrive_once_and_can_be_added_to(name: str, tmp_path: Path) -> None:
    module, read = READERS[name]
    pytest.importorskip(module)
    if name == "mlflow":
        pytest.importorskip("sqlalchemy")
    kind = exporter(name)
    target = tmp_path / "somewhere" / kind.default

    def export(trials: Iterable[Exported]) -> int:
        return kind(str(target)).export(trials)

    assert export(NIGHT) == 3
    expected = {"exp/0": 1.5, "exp/1": 1.25, "exp/2": None}
    assert read(target) == expected
    assert export(NIGHT) == 0 and read(target) == expected
    assert export([*NIGHT, exported(3)]) == 1
    assert read(target) == {**expected, "exp/3": 1.25}


def test_the_command_writes_and_says_how_to_open_it(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    lab = Lab.open(folder)
    lab.loop(trials=2)
    run = CliRunner(catch_exceptions=False)
    out = tmp_path / "results.tsv"
    done = run.invoke(cli, ["-C", str(folder), "export", "--to", "tsv", "--out", str(out)])
    assert done.exit_code == 0 and f"3 trials added to {out}" in done.output
    assert read_tsv(out).keys() == {"exp/0", "exp/1", "exp/2"}
    again = json.loads(
        run.invoke(cli, ["-C", str(folder), "export", "--to", "tsv", "--out", str(out), "--json"]).output
    )
    assert again["added"] == 0
    wrong = run.invoke(cli, ["-C", str(folder), "export", "--to", "excel"])
    assert wrong.exit_code == 1 and "there are: tsv, jsonl, csv" in wrong.output


def test_a_loop_exports_as_it_goes_and_one_that_fails_is_left_out(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab", more='[observe]\nexporters = ["csv", "tsv"]')
    lab = Lab.open(folder)
    exports = lab.ledger.private / "exports"
    (exports / "results.tsv").mkdir(parents=True)
    words: list[str] = []
    lab.loop(trials=3, observer=lambda event: words.append(getattr(event, "text", "")))
    assert read_csv(exports / "trials.csv").keys() == {"exp/0", "exp/1", "exp/2", "exp/3"}
    assert any("exporting to tsv failed and is left out" in word for word in words)


def test_an_unknown_exporter_ends_a_loop_before_it_begins(tmp_path: Path) -> None:
    lab = Lab.open(make_toy(tmp_path / "lab", more='[observe]\nexporters = ["excel"]'))
    with pytest.raises(AutogitError, match="no exporter is called excel"):
        lab.loop(trials=1)
    assert not lab.trials()
