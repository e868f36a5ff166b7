"""TensorBoard: a folder of event files for each trial, with curves, final metrics, parameters and the diff as text."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.hparams import summary_v2 as hparams
from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from autogit.report.export import Exported


class TensorboardExporter:
    """Writes each trial's folder beside its place and renames it, so that a half written one is never taken for it."""

    default = "tensorboard"
    hint = "tensorboard --logdir {target}"

    def __init__(self, target: str) -> None:
        self._folder = Path(target)

    def export(self, trials: Iterable[Exported]) -> int:
        """See `Exporter`."""
        count = 0
        for trial in trials:
            place = self._folder / re.sub(r"[^\w.@-]", "-", f"exp-{trial.key}")
            if not place.is_dir():
                part = place.with_name(f".{place.name}.part")
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
                _write(part, trial)
                part.replace(place)
                count += 1
        return count


def _write(folder: Path, trial: Exported) -> None:
    record = trial.record
    when = datetime.fromisoformat(record.closed).timestamp() if record.closed else 0.0
    writer = EventFileWriter(str(folder))
    for curve in trial.curves:
        for step, value in zip(curve.steps, curve.values, strict=True):
            writer.add_event(_scalar(f"{curve.metric}/seed-{curve.seed}", step, value, when))
    for name, value in trial.numbers.items():
        writer.add_event(_scalar(name, 0, value, when))
    parameters = {
        name: value if isinstance(value, bool | int | float | str) else str(value)
        for name, value in {**record.trial.parameters, "verdict": str(record.verdict)}.items()
    }
    writer.add_event(Event(wall_time=when, summary=hparams.hparams_pb(parameters, trial_id=trial.key)))
    words = "\n\n".join(f"**{name}**: {value}" for name, value in trial.facts.items())
    writer.add_event(_text("trial", words, when))
    if trial.diff:
        code = "\n".join(f"    {line}" for line in trial.diff.splitlines())
        writer.add_event(_text("diff", code, when))
    writer.close()


def _scalar(tag: str, step: int, value: float, when: float) -> Event:
    return Event(wall_time=when, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))


def _text(tag: str, text: str, when: float) -> Event:
    """As TensorBoard's text plugin wants it; its own helper would need TensorFlow."""
    content = TextPluginData(version=0).SerializeToString()
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text", content=content))
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=shape)
    return Event(wall_time=when, summary=Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)]))
