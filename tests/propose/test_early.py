"""What is tried in the first runs: steps near the present values, and what a Gaussian process expects most of."""

from __future__ import annotations

from itertools import islice

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from propose.fabricated import Bench, config

from autogit.propose.search.domains import holds, share_at
from autogit.propose.search.gaussian import promising
from autogit.propose.search.nearby import coordinate_moves
from autogit.propose.search.setting import Search
from autogit.records import Proposal, Verdict

TRAIN = 'rate = 0.01\nwidth = 32\ndepth = 4\ndropout = 0.1\nact = "gelu"\n'
SPACE = """
rate = { low = 1e-4, high = 1.0, log = true }
width = [8, 16, 32, 64]
depth = { low = 1, high = 12 }
dropout = { low = 0.0, high = 0.5 }
act = ["gelu", "relu", "silu"]
"""


def tell(bench: Bench, name: str, value: object, loss: float, verdict: Verdict = Verdict.REJECTED) -> None:
    bench.close(
        Proposal(bench.base, "", "", "hyperparameters", name, parameters={name: value}),  # type: ignore[dict-item]
        loss,
        verdict,
    )


def moves(bench: Bench, seed: int = 0) -> list[dict[str, object]]:
    search = Search.of(bench.context())
    parameters = list(search.found.parameters.values())
    return list(coordinate_moves(parameters, search.samples, np.random.default_rng(seed)))  # type: ignore[arg-type]


def test_every_parameter_has_a_step_before_any_has_its_second() -> None:
    made = moves(Bench({"train.py": TRAIN}, config(SPACE)))
    names = [next(iter(move)) for move in made]
    assert sorted(names[:5]) == ["act", "depth", "dropout", "rate", "width"]
    assert {next(iter(move.values())) for move in made if "width" in move} == {16, 64}
    rates = [move["rate"] for move in made if "rate" in move]
    assert sorted(rates) == [0.001, 0.1], "a quarter of the range to each side, in the logarithm"


def test_what_was_tried_waits_and_a_direction_that_won_is_followed() -> None:
    bench = Bench({"train.py": TRAIN}, config(SPACE))
    tell(bench, "dropout", 0.2, 1.1)
    assert {"dropout"} == moves(bench)[4].keys()
    bench = Bench({"train.py": TRAIN.replace("width = 32", "width = 16")}, config(SPACE))
    bench.files["train.py"] = TRAIN
    bench.diffs["1"] = "--- a/train.py\n+++ b/train.py\n@@ -2 +2 @@\n-width = 16\n+width = 32\n"
    bench.close(
        Proposal("c0", bench.diffs["1"], "", "hyperparameters", "width", parameters={"width": 32}),
        0.9,
        Verdict.ACCEPTED,
    )
    for seed in range(5):
        assert moves(bench, seed)[0] == {"width": 64}


@settings(deadline=None, max_examples=60)
@given(
    st.floats(1e-4, 1.0), st.sampled_from([8, 16, 32, 64]), st.integers(1, 12), st.floats(0, 0.5), st.integers(0, 99)
)
def test_no_move_leaves_its_domain_or_stays_where_it_is(
    rate: float, width: int, depth: int, dropout: float, seed: int
) -> None:
    text = f'rate = {rate!r}\nwidth = {width}\ndepth = {depth}\ndropout = {dropout!r}\nact = "relu"\n'
    bench = Bench({"train.py": text}, config(SPACE))
    parameters = Search.of(bench.context()).found.parameters
    made = moves(bench, seed)
    assert made
    for move in made:
        ((name, value),) = move.items()
        assert holds(parameters[name].domain, value) and value != parameters[name].value  # type: ignore[arg-type]


def test_the_process_goes_where_what_was_seen_points() -> None:
    bench = Bench({"train.py": TRAIN}, config(SPACE))
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        rate = 10 ** (-4 + 4 * share)
        tell(bench, "rate", rate, 0.8 + (share - 0.75) ** 2)
    search = Search.of(bench.context())
    found, near = search.found, 0
    for seed in range(10):
        asked = islice(promising(found, search.samples, "min", np.random.default_rng(seed)), 10)
        near += sum(
            abs(share_at(found.parameters["rate"].domain, m["rate"]) - 0.75) < 0.2 for m in asked if "rate" in m
        )
    assert near > 40


def test_the_process_turns_with_the_metric_and_knows_nothing_of_two_runs() -> None:
    bench = Bench({"train.py": TRAIN}, config(SPACE))
    search = Search.of(bench.context())
    assert list(promising(search.found, search.samples, "min", np.random.default_rng(0))) == []
    for rate, loss in ((0.9, 1.4), (0.3, 1.2), (0.001, 0.9), (0.0003, 0.8)):
        tell(bench, "rate", rate, loss)
    tell(bench, "depth", 12, None, Verdict.CRASHED)  # type: ignore[arg-type]
    search = Search.of(bench.context())
    for direction, low in (("min", True), ("max", False)):
        first = next(
            move
            for move in promising(search.found, search.samples, direction, np.random.default_rng(1))
            if move.keys() == {"rate"}
        )
        assert (float(str(first["rate"])) < 0.01) == low
