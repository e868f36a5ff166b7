"""Which series is judged, and by what an incumbent's curve is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from evaluate.world import config

from autogit.config.model import Config
from autogit.evaluate.output import reading
from autogit.evaluate.pruning import MIN_RANKED_TRIALS, PrunerMaker, rank_correlation
from autogit.history import History
from autogit.records import BASELINE, Curve, Record, Run, RunStatus, Trial, Verdict

STEPS = tuple(range(1, 41))
PLAIN = "--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-lr = 0.1\n+lr = 0.2\n"


class Lab:
    """The past of a lab whose trials are (metric, end of the curve), each with one seed."""

    def __init__(self, settings: Config, series: str) -> None:
        self.config = settings
        self.series = series
        self.history = History(settings.metric)
        self._curves: dict[str, tuple[Curve, ...]] = {}
        self.change = PLAIN

    def add(self, number: int, base: int | None, metric: Sequence[float], end: float, accepted: bool = False) -> Record:
        commit = f"c{number}"
        proposer = BASELINE if base is None else "person"
        trial = Trial(str(number), commit, commit if base is None else f"c{base}", "", proposer, "")
        name = self.config.metric.name
        runs = tuple(Run(seed, RunStatus.COMPLETED, 1.0, 40, {name: value}) for seed, value in enumerate(metric, 1))
        self._curves[str(number)] = tuple(
            Curve(run.seed, self.series, STEPS, tuple(end + 0.01 * run.seed + 2 / step for step in STEPS))
            for run in runs
        )
        verdict = Verdict.ACCEPTED if accepted or base is None else Verdict.REJECTED
        record = Record(trial, verdict, "", {name: sum(metric) / len(metric)}, runs)
        self.history.add(record)
        return record

    def diff(self, trial: str) -> str:
        return self.change

    def curves(self, trial: str) -> tuple[Curve, ...]:
        return self._curves[trial]

    def files(self, commit: str) -> Mapping[str, str]:
        return {}

    def prunes(self, incumbent: Record) -> bool:
        """Whether a new candidate's first run may be stopped."""
        trial = Trial("99", "c99", incumbent.trial.commit, "", "person", "")
        return PrunerMaker(self.config, self, self.history)(trial, 1, incumbent, 40) is not None


def lab(series: str, ranks: float = 1.0, trials: int = MIN_RANKED_TRIALS) -> tuple[Lab, Record]:
    """A lab of finished trials whose curves end in the order of their metrics, or (`ranks` -1) the other way round."""
    made = Lab(config(), series)
    baseline = made.add(0, None, (2.0, 2.02, 1.98, 2.01, 1.99), 3.0)
    for number in range(1, trials):
        made.add(number, 0, (2.0 + 0.1 * number,), 3.0 + ranks * 0.1 * number)
    return made, baseline


def test_the_metrics_own_series_goes_before_any_loss() -> None:
    text = "".join(f"step {s}: train loss {5 - s}, val loss {6 - s}\n" for s in range(1, 5))
    found = reading(config(), 1).read(text)
    assert found.curve is not None
    assert (found.curve.metric, found.curve.values, found.loss) == ("val_loss", (5.0, 4.0, 3.0, 2.0), 2.0)
    assert found.followed("train_loss") == 1.0
    assert found.followed("monitor_loss") is None


def test_a_metric_that_is_printed_at_the_end_alone_is_no_series() -> None:
    found = reading(config(), 1).read("".join(f"step {s} loss {5 - s}\n" for s in range(1, 5)) + "step 5 val_loss 2.5")
    assert found.curve is not None
    assert found.curve.metric == "loss"
    assert found.followed("loss") is None, "it says nothing at the last step"


def test_a_rising_metric_does_not_explode() -> None:
    listener = reading(config('[metric]\nname = "reward"\ndirection = "max"'), 1)
    lines = [f"step {step} reward {1 if step < 20 else 1000}" for step in range(60)]
    assert not [line for line in lines if listener.line(line, 0.0)]


@pytest.mark.parametrize("series", ["val_loss", "monitor_loss"])
def test_the_metric_itself_and_a_declared_monitor_judge_at_once(series: str) -> None:
    made, baseline = lab(series, trials=1)
    assert made.prunes(baseline)


def test_a_training_loss_judges_when_it_was_seen_to_rank_as_the_metric_does() -> None:
    assert not lab("loss", trials=MIN_RANKED_TRIALS - 1)[0].prunes(lab("loss")[1])
    made, baseline = lab("loss")
    assert made.prunes(baseline)
    ranking = PrunerMaker(made.config, made, made.history).ranking()
    assert ranking is not None
    assert (ranking.metric, ranking.trials) == ("loss", MIN_RANKED_TRIALS)
    assert ranking.correlation == pytest.approx(1)
    against, first = lab("loss", ranks=-1)
    assert not against.prunes(first)


APART = (
    "weight_decay = 3.0", "DROPOUT = 0.3", "HIDDEN = 8", "batch_size = 16", "criterion = Huber()", "n_layer = 2",
    "label_smoothing = 0.1", "x = augment(x)",
)  # fmt: skip


@pytest.mark.parametrize("change", APART)
@pytest.mark.parametrize("sign", ["+", "-"])
def test_a_training_loss_never_judges_what_parts_it_from_the_metric(change: str, sign: str) -> None:
    made, baseline = lab("loss")
    made.change = f"--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n{sign}{change}\n"
    assert not made.prunes(baseline)
    monitored, first = lab("monitor_loss")
    monitored.change = made.change
    assert monitored.prunes(first), "a fixed measure does"


def test_an_incumbent_whose_curve_says_more_than_its_metric_is_no_reference() -> None:
    made, _ = lab("monitor_loss")
    honest = made.add(50, 0, (1.9, 1.92, 1.88, 1.91, 1.89), 2.9, accepted=True)
    assert made.prunes(honest)
    flattering = made.add(51, 0, (1.99, 2.01, 1.97, 2.0, 1.98), 1.5, accepted=True)
    assert not made.prunes(flattering)


def test_an_incumbent_that_later_runs_contradict_is_no_reference() -> None:
    made, baseline = lab("monitor_loss", trials=1)
    made.add(1, 0, (1.5,), 3.5)
    assert made.prunes(baseline)
    made.add(2, 0, (1.6,), 3.6)
    assert not made.prunes(baseline)


def test_a_rising_series_is_compared_the_right_way_round() -> None:
    settings = config('[metric]\nname = "acc"\ndirection = "max"')
    made = Lab(settings, "acc")
    baseline = made.add(0, None, (0.5, 0.52, 0.48, 0.51, 0.49), 0.5)
    trial = Trial("99", "c99", "c0", "", "person", "")
    for end, stopped in ((0.2, True), (0.9, False)):
        pruner = PrunerMaker(settings, made, made.history)(trial, 1, baseline, 40)
        assert pruner is not None
        halts = [halt for step in STEPS if (halt := pruner.check(step, end + 2 / step))]
        assert bool(halts) is stopped
        assert not halts or "acc 0." in halts[0].reason


def test_rank_correlation() -> None:
    assert rank_correlation([1, 2, 3, 9], [10, 20, 30, 31]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 1, 1], [1, 2, 3]) == 0
    assert rank_correlation([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(0.9487, abs=1e-4)
