"""Which runs may be stopped early, and against what they are held: the pruning rule with what the lab knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from autogit.config.model import Config
from autogit.diff import grown_by
from autogit.evaluate.pruning import LEAD, Calibration, Course, Pruner, seed_noise
from autogit.history import History
from autogit.records import Curve, Record, Trial

CALIBRATED = 12
"""Completed trials after which the rule is calibrated by what their gaps did."""
RECENT = 40
"""Trials, the latest first, whose curves are looked at: reading them must not take longer the more there are."""
AUDIT = 10
"""One stop in so many is allowed to finish, to see what the rule costs."""
COMMENT = re.compile(r"(?<=[\s+-])#.*")
SCHEDULE = re.compile(
    r"[+-](?![+-]{2}).*(?:schedul|warm_?up|(?<!weight_)(?<!ema_)decay|learning_rate_at|\bget_lr\b)", re.I
)
OBJECTIVE = re.compile(r"^[+-](?![+-]{2}).*(?:loss|cross_entropy|criterion|smoothing)", re.I | re.M)
WARM_UP = re.compile(r"^\s*\w*warm_?up\w*\s*(?::[^=\n]*)?=\s*([0-9][0-9_]*(?:\.\d*)?)\s*(?:#.*)?$", re.I | re.M)
MONITOR = "monitor_loss"
"""A curve of this name is measured in a way that a proposal does not redefine."""


class Past(Protocol):
    """What is asked of the ledger."""

    def diff(self, trial: str) -> str:
        """The change of a trial, open or closed, against its base."""

    def curves(self, trial: str) -> tuple[Curve, ...]:
        """The learning curves of a closed trial."""

    def files(self, commit: str) -> Mapping[str, str]:
        """The editable text files of a commit."""


class Stops:
    """Makes the pruner of a run from the curves in the ledger."""

    def __init__(self, config: Config, past: Past, history: History) -> None:
        self._confidence = config.prune.confidence
        self._rule = config.accept
        self._past = past
        self._history = history
        self._curves: dict[tuple[str, str], tuple[Curve, ...]] = {}

    def __call__(self, trial: Trial, seed: int, incumbent: Record, steps: int | None) -> Pruner | None:
        """The pruner of a trial's first run; None where nothing may end it but divergence.

        `steps` is the candidate's own budget, None where nobody knows how many its time is worth: then the
        incumbent's last step stands for it.
        """
        reference = self._course(incumbent, seed)
        if self._confidence == 0 or reference is None:
            return None
        diff = self._past.diff(trial.id)
        if reference.curve.metric != MONITOR and OBJECTIVE.search(diff):
            return None
        pairs, total = self._pairs(), steps or reference.total
        return Pruner(
            reference,
            total,
            self._noise(),
            Calibration(pairs) if len(pairs) >= CALIBRATED else None,
            self._confidence,
            warmup_end=warm_up(self._past.files(trial.commit), total),
            schedule_changed=reshaped(diff),
            audit=trial.number % AUDIT == 0,
            lead=self._lead(diff),
        )

    def _lead(self, diff: str) -> float:
        """What a change has to lead by, in units of noise; one that removes code may be behind by what it may cost."""
        if grown_by(diff) < 0 and self._rule.margin > 0:
            return -self._rule.margin
        return LEAD if self._rule.rule == "race" else 0.0

    def _pairs(self) -> tuple[tuple[Course, Course], ...]:
        """(candidate, its incumbent) of the same seed, of recent trials that ran to their end."""
        found = []
        for record in list(self._history)[-RECENT:]:
            incumbent = None if record.trial.is_baseline else self._history.at(record.trial.base)
            for run in record.runs if incumbent else ():
                own, other = self._course(record, run.seed), self._course(incumbent, run.seed) if incumbent else None
                if own is not None and other is not None:
                    found.append((own, other))
                    break
        return tuple(found)

    def _noise(self) -> Callable[[float], float | None]:
        """Noise between seeds at a share of a run, from the repeats of accepted trials."""
        accepted = [record for record in self._history if record.accepted][-RECENT:]
        groups = [
            [course for run in record.runs if (course := self._course(record, run.seed)) is not None]
            for record in accepted
        ]
        return lambda share: seed_noise(groups, share)

    def _course(self, record: Record, seed: int) -> Course | None:
        """The whole curve of a run that counts."""
        run = record.run(seed)
        if run is None or not run.status.counts or not run.step:
            return None
        key = (record.id, f"{record.closed}/{len(record.runs)}")
        if key not in self._curves:
            self._curves[key] = self._past.curves(record.id)
        curve = next((c for c in self._curves[key] if c.seed == seed and len(c.steps) > 1), None)
        return None if curve is None else Course(curve, run.step)


def reshaped(diff: str) -> bool:
    """Whether a diff changes the shape of the schedule. What comments say, and how long the warm-up is, is not that."""
    lines = (COMMENT.sub("", line) for line in diff.splitlines())
    return any(SCHEDULE.match(line) and not WARM_UP.match(line[1:]) for line in lines)


def warm_up(files: Mapping[str, str], total: int) -> int:
    """The step at which a run of `total` steps ends its warm-up, by the longest that the code has as a constant.

    A number below 1 is a share of the run. 0 where there is none.
    """
    found = [float(number) for text in files.values() for number in WARM_UP.findall(text)]
    return max((round(n * total if n < 1 else n) for n in found), default=0)
