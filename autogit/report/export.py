"""The lab in other tools: what is handed over of each trial, who takes it, and how a running loop feeds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from autogit.errors import AutogitError
from autogit.events import Closed, Ended, Event
from autogit.history import History
from autogit.records import Curve, Record
from autogit.report.background import Background

GROUP = "autogit.exporters"
"""The entry points by which another package adds an exporter: `name = "package.module:Class"`."""
BUILT_IN = {
    "tsv": "autogit.report.exporters.tsv:TsvExporter",
    "jsonl": "autogit.report.exporters.jsonl:JsonlExporter",
    "csv": "autogit.report.exporters.csv:CsvExporter",
    "mlflow": "autogit.report.exporters.mlflow:MlflowExporter",
    "tensorboard": "autogit.report.exporters.tensorboard:TensorboardExporter",
    "wandb": "autogit.report.exporters.wandb:WandbExporter",
}


def record_dict(history: History, record: Record) -> dict[str, Any]:
    """A trial's record, with what only the whole history knows: its improvement over the first baseline, in percent."""
    more = {"improvement_percent": history.improvement(record), "ref": record.trial.ref}
    return {"id": record.id} | asdict(record) | more


@dataclass(frozen=True, slots=True)
class Exported:
    """One trial as exporters get it."""

    lab: str
    """The workspace's folder name: the project, the experiment."""
    metric: str
    direction: str
    """"min" or "max"."""
    record: Record
    value: float | None
    """The primary metric."""
    improvement: float | None
    """Over the first baseline, in percent, by shared seeds."""
    effect: float | None
    """Over what it had to beat, in the metric's unit, by shared seeds."""
    diff: str
    curves: tuple[Curve, ...]

    @property
    def key(self) -> str:
        """What identifies the trial for ever: numbers begin again after `autogit reset`, commits do not."""
        return f"{self.record.id}@{self.record.trial.commit[:12]}"

    @property
    def facts(self) -> dict[str, str]:
        """What is known of it in words, for tags and notes."""
        record, trial = self.record, self.record.trial
        found = {
            "trial": trial.ref, "commit": trial.commit, "base": trial.base, "verdict": str(record.verdict),
            "reason": record.reason, "title": trial.title, "operator": trial.operator, "proposer": trial.proposer,
            "rationale": trial.rationale, "parents": ", ".join(f"exp/{parent}" for parent in trial.parents),
            "reproduce": record.reproduce, "closed": record.closed,
        }  # fmt: skip
        found |= {f"environment.{name}": str(value) for name, value in record.environment.items()}
        return {name: value for name, value in found.items() if value}

    @property
    def numbers(self) -> dict[str, float]:
        """Everything that was measured: metrics, gains, seconds, and how the verdict was reached."""
        found = dict(self.record.metrics) | {"training_seconds": self.record.seconds}
        found |= {f"statistics.{name}": value for name, value in self.record.statistics.items()}
        more = {"improvement_percent": self.improvement, "effect": self.effect}
        return found | {name: value for name, value in more.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Done:
    """What an export did."""

    added: int
    target: str
    hint: str
    """How to open it."""


class Exporter(Protocol):
    """Takes trials into another tool."""

    default: str
    """The name of the file or folder that it writes to if no other is given."""
    hint: str
    """How to open it; {target} stands for where it is."""

    def __init__(self, target: str) -> None:
        """`target` is a file, a folder, or what the tool calls a tracking URI."""

    def export(self, trials: Iterable[Exported]) -> int:
        """Takes over those that are not there yet, and gives how many. Can be killed and asked again.

        Raises AutogitError if the tool is not installed or does not take them.
        """


def exporter_names() -> list[str]:
    """The built-in ones, then those of other packages."""
    return [*BUILT_IN, *sorted({point.name for point in entry_points(group=GROUP)} - BUILT_IN.keys())]


def exporter(name: str) -> type[Exporter]:
    """The class of this name. Raises AutogitError if there is none, or if its tool is not installed."""
    path = BUILT_IN.get(name) or next((point.value for point in entry_points(group=GROUP) if point.name == name), None)
    if path is None:
        raise AutogitError(f"no exporter is called {name}; there are: {', '.join(exporter_names())}")
    module, _, attribute = path.partition(":")
    try:
        found: type[Exporter] = getattr(import_module(module), attribute)
    except ImportError as error:
        raise AutogitError(f"exporting to {name} needs a package: pip install 'autogit[{name}]' ({error})") from None
    return found


def target_of(kind: type[Exporter], private: Path) -> str:
    """Where an exporter writes if nothing else is said: in the lab's private folder, out of the person's way."""
    folder = private / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / kind.default)


class LiveExport:
    """An observer that hands each closed trial to exporters, in a thread of its own, so that no loop waits for them.

    An exporter that fails is left out from then on and the person is told; the loop goes on.
    """

    def __init__(self, names: Sequence[str], private: Path, read: Callable[[Record], Exported]) -> None:
        """`read` gives what is handed over of a trial. Raises AutogitError if an exporter cannot be had."""
        kinds = {name: exporter(name) for name in names}
        exporters = {name: kind(target_of(kind, private)) for name, kind in kinds.items()}
        self._read = read
        self._background: Background[Exported] = Background(
            {name: partial(_export_one, each) for name, each in exporters.items()},
            "exporting to {name} failed and is left out from here on: {error}",
        )

    def tell(self, event: Event) -> None:
        """Listens for closed trials, and for the end."""
        if isinstance(event, Closed) and not self._background.idle:
            self._background.put(self._read(event.record))
        elif isinstance(event, Ended):
            self._background.end()

    def take(self) -> list[str]:
        """What the person should know since the last call."""
        return self._background.take()


def _export_one(each: Exporter, trial: Exported) -> None:
    each.export([trial])
