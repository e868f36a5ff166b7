from __future__ import annotations

import logging
import math
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest
from propose.fabricated import Bench, NoRevisions, config

from autogit.diff import applied
from autogit.propose.search.hyperparameters import HyperparameterProposer, parameter_importance
from autogit.propose.search.setting import Search
from autogit.propose.search.tpe import WINDOW_TRIALS, informative, suggestions
from autogit.records import Curve, Proposal, Verdict

TRAIN = "learning_rate = 1e-4\nweight_decay = 0.1\nact = 'gelu'\n"
SPACE = """
learning_rate = { low = 1e-5, high = 1e-1, log = true }
weight_decay = { low = 0.0, high = 1.0 }
act = ["gelu", "relu", "silu"]
"""


def loss(values: dict[str, object]) -> float:
    rate = values.get("learning_rate", 1e-4)
    assert isinstance(rate, float)
    return 1.0 + (math.log10(rate) + 2) ** 2


def searched(trials: int, seed: int = 0, proposer: HyperparameterProposer | None = None) -> Bench:
    """A lab after `trials` rejected trials, the better the nearer their rate is to 0.01."""
    bench = Bench({"train.py": TRAIN}, config(SPACE), seed)
    for _ in range(trials):
        proposal = (proposer or HyperparameterProposer()).propose(bench.context())
        assert proposal is not None
        bench.close(proposal, loss(dict(proposal.parameters)), Verdict.REJECTED)
    return bench


def distances(bench: Bench) -> float:
    search = Search.of(bench.context())
    asked = islice(suggestions(search.found, search.samples, (), "min", 1), 10)
    return float(np.median([abs(math.log10(float(each["learning_rate"])) + 2) for each in asked]))  # type: ignore[arg-type]


def test_the_model_finds_where_trials_were_good() -> None:
    assert distances(searched(40)) < 0.6


def test_it_is_the_same_after_a_restart() -> None:
    kept = HyperparameterProposer()
    bench = searched(20, proposer=kept)
    assert kept.propose(bench.context()) == HyperparameterProposer().propose(bench.context())


def test_too_few_trials_tell_nothing() -> None:
    search = Search.of(searched(3).context())
    assert list(suggestions(search.found, search.samples, (), "min", 1)) == []
    assert parameter_importance(searched(3).context()) == {}


def test_what_was_stopped_early_helps_to_begin_with() -> None:
    bench = searched(3)
    for rate in (0.05, 0.06, 0.07, 0.08):
        setting = Proposal("c0", "", "", "hyperparameters", "learning_rate", parameters={"learning_rate": rate})
        bench.close(setting, None, Verdict.PRUNED)
    curves = {str(number): (Curve(1, "loss", (10, 20), (5.0, 4.0)),) for number in range(4, 8)}
    search = Search.of(bench.context(revisions=NoRevisions(bench.diffs, curves)))
    assert next(suggestions(search.found, search.samples, (), "min", 1), None) is not None
    blind = Search.of(bench.context())
    assert next(suggestions(blind.found, blind.samples, (), "min", 1), None) is None, "nobody knows how far they came"


def test_what_decides_is_important() -> None:
    shares = parameter_importance(searched(40).context())
    assert next(iter(shares)) == "learning_rate"
    assert math.fsum(shares.values()) == pytest.approx(1)


def test_better_code_does_not_make_the_values_tried_on_it_look_better() -> None:
    bench = Bench({"train.py": TRAIN}, config(SPACE))
    bench.close(
        Proposal("c0", "", "", "hyperparameters", "learning_rate", parameters={"learning_rate": 1e-2}),
        0.95,
        Verdict.REJECTED,
    )
    bench.close(Proposal("c0", _nothing(), "", "patterns", "rms"), 0.5, Verdict.ACCEPTED)
    on_new = Proposal(bench.base, "", "", "hyperparameters", "learning_rate", parameters={"learning_rate": 1e-5})
    bench.close(on_new, 0.55, Verdict.REJECTED)
    values = {sample.trial: sample.value for sample in Search.of(bench.context()).samples}
    assert values["1"] == pytest.approx(0.95) and values["3"] == pytest.approx(1.05)


def test_values_are_those_of_their_own_base() -> None:
    bench = Bench({"train.py": TRAIN}, config(SPACE))
    step = HyperparameterProposer().propose(bench.context())
    assert step is not None
    bench.close(Proposal("c0", "", "", "hyperparameters", "act", parameters={"act": "relu"}), 1.1, Verdict.REJECTED)
    bench.close(step, 0.9, Verdict.ACCEPTED)
    bench.files = dict(applied(bench.files, step.diff) or {})  # type: ignore[arg-type]
    samples = {sample.trial: sample for sample in Search.of(bench.context()).samples}
    assert samples["1"].values == {"learning_rate": 1e-4, "weight_decay": 0.1, "act": "relu"}
    assert samples["2"].values == {**samples["1"].before, **step.parameters}
    assert samples["2"].value == pytest.approx(0.9)


def test_pruned_and_failed_trials_are_told() -> None:
    bench = searched(12)
    for rate in (0.05, 0.06):
        setting = Proposal("c0", "", "", "hyperparameters", "learning_rate", parameters={"learning_rate": rate})
        bench.close(setting, None, Verdict.PRUNED if rate == 0.05 else Verdict.UNSTABLE)
    curve = {"13": (Curve(1, "loss", (10, 20), (5.0, 4.0)),)}
    context = bench.context(revisions=NoRevisions(bench.diffs, curve))
    samples = {sample.trial: sample for sample in Search.of(context).samples}
    assert samples["13"].reached == (20, 4.0) and samples["14"].value is None
    assert HyperparameterProposer().propose(context) is not None


def test_what_failed_counts_as_bad() -> None:
    bench = Bench({"train.py": TRAIN}, config(SPACE))
    for i in range(40):
        rate = 10 ** (-5 + 4 * i / 39)
        setting = Proposal("c0", "", "", "hyperparameters", "learning_rate", parameters={"learning_rate": rate})
        # The higher the better, until it fails.
        fails = rate > 10**-2.5
        bench.close(setting, None if fails else 2 - i / 100, Verdict.UNSTABLE if fails else Verdict.REJECTED)
    search = Search.of(bench.context())
    asked = [each["learning_rate"] for each in islice(suggestions(search.found, search.samples, (), "min", 1), 20)]
    assert np.median(np.array(asked, float)) < 10**-2.3


def test_what_waits_counts_as_known() -> None:
    context = searched(20).context()
    search = Search.of(context)
    waiting = Proposal("c0", "", "", "hyperparameters", "learning_rate", parameters={"learning_rate": 1e-2})
    with_it, without = (
        list(islice(suggestions(search.found, search.samples, p, "min", 1), 3)) for p in ([waiting] * 8, [])
    )
    assert with_it != without


def test_a_changed_space_is_learned_anew_from_the_same_trials() -> None:
    bench = searched(20)
    bench.config = config(
        'learning_rate = [1e-3, 1e-2, 1e-1]\nact = ["silu", "swish"]\nweight_decay = { low = 0.01, high = 0.5 }'
    )
    proposal = HyperparameterProposer().propose(bench.context())
    assert proposal is not None
    assert proposal.parameters.get("act", "silu") in ("silu", "swish")
    assert proposal.parameters.get("learning_rate", 1e-3) in (1e-3, 1e-2, 1e-1)


def test_old_samples_are_kept_where_they_are_good() -> None:
    bench = Bench({"train.py": TRAIN}, config(SPACE))
    for i in range(3 * WINDOW_TRIALS):
        bench.close(
            Proposal("c0", "", "", "hyperparameters", "weight_decay", parameters={"weight_decay": 0.5}),
            2 - i % 7 / 10,
            Verdict.REJECTED,
        )
    samples = Search.of(bench.context()).samples
    kept = informative(samples, "min")
    assert len(kept) < 2 * WINDOW_TRIALS and kept[-WINDOW_TRIALS:] == list(samples[-WINDOW_TRIALS:])
    assert all(sample.value is not None and sample.value < 1.55 for sample in kept[:-WINDOW_TRIALS])


def test_optuna_is_silent_and_comes_late(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        searched(12)
    assert not [record for record in caplog.records if record.name.startswith("optuna")]
    assert capfd.readouterr() == ("", "")
    script = "import sys, autogit.propose.search.hyperparameters; print('optuna' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
    )


def _nothing() -> str:
    return "--- a/train.py\n+++ b/train.py\n@@ -2 +2 @@\n-weight_decay = 0.1\n+weight_decay = 0.1\n"
