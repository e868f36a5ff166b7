from __future__ import annotations

import os
import shlex
import sys
import threading
from pathlib import Path

import psutil
import pytest
from propose.models.bench import LlmBench

from autogit.config.model import Agent
from autogit.errors import Interrupted, ProposerError
from autogit.propose.models.agent import AgentProposer, usage
from autogit.propose.models.client import CostLimit
from autogit.protocols import Remaining
from autogit.records import Idea, Proposal, Verdict

EDIT = "sed -i 's/width = 64/width = 96/' train.py"
WORDS = "TITLE: Widen\\nKIND: architecture\\nHYPOTHESIS: It is small.\\nEXPECTED: 0.01 lower\\n"
SAY = f"printf '{WORDS}' > AUTOGIT_PROPOSAL.md"


def agent(
    command: str, limit: float | None = None, cancel: threading.Event | None = None, **changes: float
) -> AgentProposer:
    return AgentProposer(Agent(command, **changes), CostLimit(limit), cancel or threading.Event())  # type: ignore[arg-type]


def bench() -> LlmBench:
    made = LlmBench()
    made.told.rest = {"evaluate.py": "print('protected')\n", "data/notes.txt": "notes\n"}
    return made


def propose(command: str, lab: LlmBench | None = None, **changes: float) -> Proposal:
    return agent(command, **changes).propose((lab or bench()).context())


def test_the_difference_it_leaves_is_the_proposal() -> None:
    proposal = propose(f"{EDIT}; {SAY}; echo 'input_tokens: 1200'; echo 'output_tokens: 300'; echo 'cost: 0.25'")
    assert not proposal.refused
    assert "-width = 64\n+width = 96\n" in proposal.diff and "AUTOGIT" not in proposal.diff
    assert (proposal.title, proposal.operator, proposal.proposer) == ("Widen", "architecture", "agent")
    assert (proposal.rationale, proposal.expected) == ("It is small.", "0.01 lower")
    assert proposal.usage is not None and proposal.usage.seconds > 0
    assert (proposal.usage.input_tokens, proposal.usage.output_tokens, proposal.usage.cost) == (1200, 300, 0.25)
    assert "cost: 0.25" in proposal.raw


def test_it_gets_the_briefing_as_a_file_and_as_a_path() -> None:
    lab = bench()
    lab.told.words = "Make it wide."
    lab.told.queue = (Idea("aaaa0000", "Try 96", "1"),)
    proposal = propose(f"{EDIT}; cmp {{briefing}} AUTOGIT_BRIEFING.md && cat {{briefing}}", lab)
    assert "Make it wide." in proposal.raw and "Try 96" in proposal.raw and "editable files: train.py" in proposal.raw
    assert proposal.idea == "aaaa0000"


def test_new_and_deleted_files_are_part_of_it() -> None:
    lab = bench()
    lab.files["old.py"] = "x = 1\n"
    proposal = propose("rm old.py; echo 'y = 2' > new.py", lab)
    assert not proposal.refused
    assert "deleted file mode" in proposal.diff and "+y = 2\n" in proposal.diff


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("true", "changed nothing"),
        (f"{EDIT}; echo 'x = 1' >> evaluate.py", "changed evaluate.py, which is not editable"),
        (f"{EDIT}; rm data/notes.txt", "changed data/notes.txt, which is not editable"),
        (f"{EDIT}; echo 'x=1' > .autoresearch.toml", ".autoresearch.toml"),
        ("rm train.py; ln -s /etc/passwd train.py", "train.py something else than a plain file"),
        (f"{EDIT}; rm -r data; ln -s /etc data", "changed data/notes.txt, which is not editable"),
        ("printf '\\377' > train.py", "train.py, which is no text"),
        ("echo 'def' >> train.py", "train.py"),
        (f"{EDIT}; echo broken >&2; exit 3", r"the agent failed (status 3): broken"),
    ],
)
def test_what_is_not_a_proposal_is_refused_as_a_whole(command: str, reason: str) -> None:
    proposal = propose(command)
    assert reason in proposal.refused and proposal.diff == ""


def test_caches_and_its_own_history_are_no_changes() -> None:
    proposal = propose(f"{EDIT}; git init -q . ; mkdir -p __pycache__ && touch __pycache__/train.pyc")
    assert not proposal.refused


@pytest.mark.parametrize(
    "leftover",
    [
        "echo hello > droppings.txt",
        "echo chat > .aider.chat.history.md",
        "mkdir -p .claude && echo '{}' > .claude/settings.local.json",
        "mkdir -p node_modules/x && echo 'x = 1' > node_modules/x/index.py",
        "mkdir -p .venv/lib && echo 'x = 1' > .venv/lib/site.py",
        "mkdir -p out && printf '\\377' > out/ckpt.pt",
        "echo loss > run.log",
        "ln -s /etc/passwd link.py",
        "printf '\\377' > blob.py",
        "mkdir -p scratch && echo 'x = 1' > scratch/probe.py",
    ],
)
def test_what_agents_leave_behind_is_no_part_of_it(leftover: str) -> None:
    told: list[str] = []
    proposal = agent(f"{EDIT}; {leftover}").propose(bench().context(tell=told.append))
    assert not proposal.refused and proposal.diff.count("diff --git") == 1
    assert ("scratch" in leftover or "node_modules" in leftover) or "left out of its proposal" in told[0]


def test_what_git_ignores_is_no_part_of_it() -> None:
    lab = bench()
    lab.told.rest[".gitignore"] = "cache_*.py\n"
    proposal = propose(f"{EDIT}; echo 'x = 1' > cache_1.py; echo 'y = 1' > part.py", lab)
    assert "part.py" in proposal.diff and "cache_1.py" not in proposal.diff


def test_a_folder_stays_between_its_proposals() -> None:
    lab = bench()
    first = propose(f"{EDIT}; pwd > scratch/where; echo note > scratch/memory", lab)
    lab.close(first, 1.1, Verdict.REJECTED)
    second = propose("test $(pwd) = $(cat scratch/where) && cat scratch/memory; sed -i 's/64/80/' train.py", lab)
    assert not second.refused and "note" in second.raw and "+width = 80" in second.diff


def test_it_knows_its_place_in_the_loop() -> None:
    raw = agent(f"{EDIT}; env", limit=2.0).propose(bench().context(remaining=Remaining(7, 1.5))).raw
    for fact in ("AUTOGIT_TRIAL=1", "AUTOGIT_TRIALS_LEFT=7", "AUTOGIT_HOURS_LEFT=1.5", "AUTOGIT_MONEY_LEFT=2",
                 f"AUTOGIT_PYTHON={sys.executable}", "AUTOGIT_SECONDS_LEFT=1800"):  # fmt: skip
        assert fact in raw, fact


@pytest.mark.parametrize(
    "say",
    [
        """printf '%s' '{"type":"result","is_error":false,"result":"TITLE: Widen\\nDone."}'""",
        """printf '%s' '{"type":"item.completed","item":{"type":"agent_message","text":"TITLE: Widen\\nDone."}}'""",
        """printf '%s' '{"type":"text","part":{"type":"text","text":"TITLE: Widen"}}'""",
        "echo thinking; echo 'TITLE: Widen'; echo 'cost: 0.1'",
        """printf '%s' '{"type":"result","result":"Widen"}'""",
    ],
)
def test_its_title_is_taken_from_its_last_message(say: str) -> None:
    assert propose(f"{EDIT}; {say}").title == "Widen"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            """printf '%s' '{"type":"result","is_error":true,"result":"Credit balance is too low"}'""",
            "Credit balance is too low",
        ),
        ("""printf '%s' '{"type":"turn.failed","error":{"message":"usage limit"}}'""", "usage limit"),
        (
            """printf '%s' '{"type":"result","result":"I need your permission to edit"}'""",
            "changed nothing: I need",
        ),
    ],
)
def test_status_0_is_no_success_and_several_such_leave_it_out(command: str, words: str) -> None:
    failing, context = agent(command), bench().context()
    assert words in failing.propose(context).refused
    assert words in failing.propose(context).refused
    with pytest.raises(ProposerError, match=words):
        failing.propose(context)


def test_code_larger_than_the_context_is_no_obstacle() -> None:
    lab = bench()
    lab.files |= {f"module_{i}.py": "x = 1\n" * 2000 for i in range(30)}
    proposal = propose(f"{EDIT}; wc -c AUTOGIT_BRIEFING.md", lab)
    assert not proposal.refused and int(proposal.raw.split()[0]) < 20_000


def test_a_repetition_is_refused() -> None:
    lab = bench()
    lab.close(propose(EDIT, lab), 1.1, Verdict.REJECTED)
    assert "trial 1 (rejected)" in propose(EDIT, lab).refused


def test_its_slip_is_given_back() -> None:
    lab = bench()
    crashed = lab.close(propose(EDIT, lab), None, Verdict.CRASHED, reason="NameError: name 'x' is not defined")
    mended = propose("sed -i 's/64/80/' train.py; cat {briefing}", lab)
    assert (mended.operator, mended.parents) == ("repair", (crashed.id,))
    assert "NameError: name 'x'" in mended.raw


def test_a_command_that_does_not_exist_stops_it() -> None:
    with pytest.raises(ProposerError, match=r"status 127.*check agent\.command"):
        propose("no-such-agent-here {briefing}")


def test_failing_again_and_again_stops_it() -> None:
    failing, context = agent("echo no credit; exit 1"), bench().context()
    assert "no credit" in failing.propose(context).refused
    assert failing.propose(context).refused
    with pytest.raises(ProposerError, match="no credit"):
        failing.propose(context)


def test_its_cost_counts_against_the_limit() -> None:
    spender = agent(f"{EDIT}; echo 'cost: 2'", limit=1.5)
    assert not spender.propose(bench().context()).refused
    with pytest.raises(ProposerError, match="cost limit"):
        spender.propose(bench().context())


ESCAPE = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
while not os.path.exists(sys.argv[1]) or not open(sys.argv[1]).read():
    pass
"""


@pytest.mark.parametrize("ending", ["", "sleep 600"], ids=["ends", "hangs"])
def test_nothing_that_it_started_is_left(tmp_path: Path, ending: str) -> None:
    """A daemon in a session of its own, whose parent is gone."""
    told = tmp_path / "pid"
    start = f"{shlex.quote(sys.executable)} -c {shlex.quote(ESCAPE)} {shlex.quote(str(told))}"
    proposal = propose(f"{EDIT}; {start}; {ending}", timeout=3.0 if ending else 60.0)
    assert ("did not finish in 3 s" in proposal.refused) == bool(ending)
    pid = int(told.read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_the_person_does_not_wait_for_it() -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Interrupted):
        agent("sleep 600", cancel=cancel).propose(bench().context())


def test_it_has_the_persons_environment_but_not_their_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_AGENT_KEY", "value-for-the-agent")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    raw = propose(f"{EDIT}; env").raw
    assert "MY_AGENT_KEY=value-for-the-agent" in raw and "GIT_DIR" not in raw
    assert "GIT_DIR" in os.environ


PRICES = Agent("x", price_input=1.0, price_output=2.0)


@pytest.mark.parametrize(
    ("output", "tokens", "cost"),
    [
        ("nothing", (0, 0), 0.0),
        ("input_tokens: 1000000\noutput_tokens: 500000\n", (1_000_000, 500_000), 2.0),
        (
            '{"type":"result","total_cost_usd":0.42,"usage":{"input_tokens":10,"cache_read_input_tokens":90,'
            '"output_tokens":7},"result":"done"}\n',
            (100, 7),
            0.42,
        ),
        (
            '{"type":"assistant","usage":{"input_tokens":5}}\n'
            '{"type":"turn.completed","usage":{"input_tokens":1000,"cached_input_tokens":900,"output_tokens":50}}\n'
            '{"type":"turn.completed","usage":{"input_tokens":2000,"cached_input_tokens":900,"output_tokens":50}}\n',
            (3000, 100),
            0.0032,
        ),
        (
            "Tokens: 4.2k sent, 1.1k received. Cost: $0.02 message, $0.02 session.\n"
            "Tokens: 5k sent, 1k cache hit, 300 received. Cost: $0.03 message, $0.05 session.\n",
            (9200, 1400),
            0.05,
        ),
        ("tokens used\n12,345\n", (12_345, 0), 0.012345),
    ],
)
def test_tokens_and_cost_are_read_where_they_are_printed(output: str, tokens: tuple[int, int], cost: float) -> None:
    found = usage(output, 3.0, PRICES)
    assert (found.input_tokens, found.output_tokens, found.seconds) == (*tokens, 3.0)
    assert found.cost == pytest.approx(cost)
