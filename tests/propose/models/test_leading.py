"""Models that lead a loop: whose turn it is, what they know, and how the loop ends if they cannot go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from llm_server import Fail, LlmServer, Request, Say, Step, answer
from toy import TRAIN, make_toy

from autogit import Lab
from autogit.cli import cli
from autogit.errors import ConfigError
from autogit.events import Event, Notice
from autogit.records import Verdict
from autogit.trial.live import LiveFile, read_live

QUICK = '[accept]\nrule = "greedy"\nseeds = 1\n'
ALONE = 'only = "llm"\n'


def lab(folder: Path, server: LlmServer, search: str = ALONE, more: str = "", train: str = TRAIN) -> Path:
    llm = f'[llm]\nmodel = "tiny"\nbase_url = "{server.url}"\napi_key_env = ""\n{more}\n'
    return make_toy(folder, train, f"{QUICK}[search]\n{search}{llm}")


def change(old: str, new: str, title: str = "Change") -> Say:
    return Say(answer(f"--- a/train.py\n+++ b/train.py\n@@\n-{old}\n+{new}\n", title))


def widths(request: Request) -> Step:
    """Another width each time, always worse than the one before it."""
    shown = request.last.count("\n- ") + 1
    return change("width = 8", f"width = {7 - shown % 7}.{shown}", f"Width {shown}")


def proposers(folder: Path) -> list[str]:
    return [record.trial.proposer for record in Lab.open(folder).trials() if not record.trial.is_baseline]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Fail(404, {"error": {"message": "no such model"}}), "does not know this model"),
        (Fail(401), "refuses a call without a key"),
        (Fail(402), "the balance at"),
        (Fail(400, {"error": {"message": "context too long"}}), "context too long"),
        (Fail(429, {"error": {"message": "pay", "code": "insufficient_quota"}}), "the quota at"),
    ],
)
def test_who_cannot_go_on_ends_the_loop_with_the_reason(tmp_path: Path, step: Fail, words: str) -> None:
    with LlmServer([step]) as server:
        folder = lab(tmp_path / "w", server)
        ended = CliRunner().invoke(cli, ["-C", str(folder), "loop", "-n", "3"])
    assert ended.exit_code == 1
    assert "llm:tiny is left out" in ended.output and words in " ".join(ended.output.split())


def test_files_that_do_not_fit_and_a_missing_key_end_it_too(tmp_path: Path) -> None:
    with LlmServer([Say("")]) as server:
        small = lab(tmp_path / "a", server, more="context = 100")
        ended = CliRunner().invoke(cli, ["-C", str(small), "loop", "-n", "3"])
        assert ended.exit_code == 1 and "raise `context`" in " ".join(ended.output.split())
        keyless = lab(tmp_path / "b", server)
        config = keyless / ".autoresearch.toml"
        config.write_text(config.read_text().replace('api_key_env = ""', 'api_key_env = "NO_SUCH_KEY"'))
        ended = CliRunner().invoke(cli, ["-C", str(keyless), "loop", "-n", "3", "--json"])
    last = json.loads(ended.output.splitlines()[-1])
    assert ended.exit_code == 1 and last["failed"] and "$NO_SUCH_KEY is not set" in last["ended"]


def test_an_agent_that_fails_ends_it_with_its_own_words(tmp_path: Path) -> None:
    folder = make_toy(
        tmp_path / "w", more=f'{QUICK}[search]\nonly = "agent"\n[agent]\ncommand = "echo no credit; exit 1"\n'
    )
    ended = CliRunner().invoke(cli, ["-C", str(folder), "loop", "-n", "9"])
    assert ended.exit_code == 1 and "no credit" in ended.output.split("report:")[0].split("agent is left out")[1]


def test_a_reached_cost_limit_is_a_limit(tmp_path: Path) -> None:
    with LlmServer(answer=widths) as server:
        folder = lab(tmp_path / "w", server, more="price_output = 1000")
        ended = CliRunner().invoke(cli, ["-C", str(folder), "loop", "-n", "9", "--max-cost", "0.3"])
    assert ended.exit_code == 0
    assert "the cost limit is reached: 0.4 spent of 0.3" in " ".join(ended.output.split())
    assert len(proposers(folder)) == 2


def test_while_a_call_is_tried_again_screen_and_status_say_so(tmp_path: Path) -> None:
    told: list[Event] = []
    with LlmServer([Fail(500), change("width = 8", "width = 32")]) as server:
        folder = lab(tmp_path / "w", server)
        Lab.open(folder).loop(trials=1, observer=told.append)
    (notice,) = [event.text for event in told if isinstance(event, Notice) and "tiny" in event.text]
    assert "fails" in notice and "try 2 of 9 in 1 s (" in notice
    file, pid = LiveFile(tmp_path), 0
    for event in told:
        file.tell(event)
        if isinstance(event, Notice):
            live = read_live(tmp_path, __import__("os").getpid())
            assert live is not None
            pid += live.notice == event.text
    assert pid


@pytest.mark.parametrize(("share", "least", "most"), [("1.0", 8, 8), ("0.5", 4, 4), ("0.0", 0, 0)])
def test_who_leads_is_the_persons_choice(tmp_path: Path, share: str, least: int, most: int) -> None:
    with LlmServer(answer=widths) as server:
        folder = lab(tmp_path / "w", server, f"models = {share}\n")
        Lab.open(folder).loop(trials=8)
    made = proposers(folder)
    assert len(made) == 8 and least <= made.count("llm:tiny") <= most


def test_only_the_models_propose_if_that_is_asked_for(tmp_path: Path) -> None:
    with LlmServer(answer=widths) as server:
        folder = lab(tmp_path / "w", server, "")
        run = CliRunner().invoke(cli, ["-C", str(folder), "loop", "-n", "3", "--only", "llm"])
        assert run.exit_code == 0 and proposers(folder) == ["llm:tiny"] * 3
        with pytest.raises(ConfigError, match=r"only \[agent\] is to propose"):
            Lab.open(folder).loop(trials=1, only="agent")


def test_a_model_knows_the_latest_verdict(tmp_path: Path) -> None:
    """Trials that take much longer than a call: it is asked when the trial before has its verdict."""
    slow = TRAIN.replace("import sys\n", "import sys\nimport time\ntime.sleep(0.5)\n")
    with LlmServer(answer=widths) as server:
        Lab.open(lab(tmp_path / "w", server, f"{ALONE}wait = 1\n", train=slow)).loop(trials=3)
        prompts = [request.last for request in server.requests]
    assert [f"- {number} [" in prompts[number] for number in (1, 2)] == [True, True]
    assert not any("Being tried right now" in prompt for prompt in prompts)
    with LlmServer(answer=widths) as server:
        Lab.open(lab(tmp_path / "x", server, f"{ALONE}wait = 0\n", train=slow)).loop(trials=3)
        prompts = [request.last for request in server.requests]
    assert "Being tried right now" in prompts[1] and "- 1 [" not in prompts[1]


def test_an_answer_for_an_older_main_is_given_back_once_with_the_new_files(tmp_path: Path) -> None:
    def play(request: Request) -> Step:
        if "## Make this again" in request.last:
            return change("width = 32", "width = 64", "Wider still")
        return change("width = 8", "width = 32" if len(server.requests) == 1 else "width = 16", "Wider")

    with LlmServer(answer=play) as server:
        folder = lab(tmp_path / "w", server, f"{ALONE}wait = 0\n", more="price_output = 5")
        Lab.open(folder).loop(trials=2)
        again = server.requests[2].last
    first, second = [r for r in Lab.open(folder).trials() if not r.trial.is_baseline]
    assert first.accepted and second.accepted and second.trial.title == "Wider still"
    assert "+width = 16" in again and "width = 32" in again.split("## The editable files")[1]
    assert len(server.requests) == 3
    assert second.trial.usage is not None and second.trial.usage.output_tokens == 400
    assert not Lab.open(folder).ledger.kept()


def test_a_crash_goes_back_at_once_also_if_main_has_moved(tmp_path: Path) -> None:
    """Others have turns, too; the crash is on an older main by then."""

    def play(request: Request) -> Step:
        if "## Mend this" in request.last:
            return change("dropout = 0.5", "dropout = 0.25", "Mended")
        return change("dropout = 0.5", "dropout = 0.25\n+raise NameError('typo')", "Less")

    with LlmServer(answer=play) as server:
        folder = lab(tmp_path / "w", server, "models = 0.3\n")
        lab_ = Lab.open(folder)
        lab_.loop(trials=1, only="llm")
        diff = "--- a/train.py\n+++ b/train.py\n@@\n-width = 8\n+width = 32\n"
        moved = Lab.open(folder).attempt(diff, "Wider")
        Lab.open(folder).loop(trials=1)
    crashed, _, mended = [r for r in Lab.open(folder).trials() if not r.trial.is_baseline]
    assert crashed.verdict is Verdict.CRASHED and moved.accepted
    assert (mended.trial.operator, mended.trial.parents) == ("repair", (crashed.id,))
    assert mended.trial.base == moved.trial.commit
    assert "the code above has changed since" in server.requests[-1].last


def test_what_is_left_of_the_loop_is_told(tmp_path: Path) -> None:
    with LlmServer(answer=widths) as server:
        folder = lab(tmp_path / "w", server, ALONE, more="price_output = 5")
        Lab.open(folder).loop(trials=2, hours=1, cost=1.0)
        first, second = (request.last for request in server.requests)
    assert "2 trials, yours included, 1 hours, 1 of money" in first
    assert "1 trials, yours included, 1 hours, 0.999 of money" in second


def test_training_longer_is_no_improvement_if_there_is_no_budget(tmp_path: Path) -> None:
    train = TRAIN.replace("for step in range(1, 6):", "steps = 6\nfor step in range(1, steps):").replace(
        "+ 1 / width", "+ 1 / width + 1 / steps"
    )
    with LlmServer([change("steps = 6", "steps = 60"), change("width = 8", "width = 32")]) as server:
        folder = lab(tmp_path / "w", server, train=train)
        Lab.open(folder).loop(trials=2)
        assert "the baseline's 5 steps hold for every run" in server.requests[0].last
    longer, wider = [r for r in Lab.open(folder).trials() if not r.trial.is_baseline]
    assert longer.verdict is Verdict.REJECTED and wider.accepted
    assert "59 steps, and without a [budget] the baseline's 5 hold" in longer.reason
