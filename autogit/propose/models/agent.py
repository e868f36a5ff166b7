"""Proposals from a command-line coding agent that edits a throwaway copy of the files."""

from __future__ import annotations

import shlex
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from autogit.config.model import Agent
from autogit.errors import PatchError, ProposerError
from autogit.propose.lineage import waiting
from autogit.propose.models import agent_folder, agent_process
from autogit.propose.models import answer as llm_answer
from autogit.propose.models import crash as llm_crash
from autogit.propose.models.agent_folder import BRIEFING, WORDS
from autogit.propose.models.agent_process import Outcome
from autogit.propose.models.agent_usage import usage
from autogit.propose.models.prompt import KINDS, brief, render
from autogit.propose.models.prompt_quote import inline
from autogit.propose.models.purse import Purse
from autogit.propose.models.repeats import Repeats
from autogit.protocols import Context
from autogit.records import Proposal

FAILURES = 3
"""After so many failed starts in a row the agent is left out for the rest of the loop."""

CLOSING = f"""\
## What to do

Edit the files in the current folder, which is a copy of the code made for you: what you leave there is your proposal.
Change one thing. You need not train: the experiment is run and measured afterwards. Leave no other files behind.

Then write the file {WORDS} with these four lines:

TITLE: what the change is, in one line of at most 70 characters
KIND: one of {", ".join(KINDS)}
HYPOTHESIS: why it should help, in one to three sentences
EXPECTED: the effect on the metric that you expect, with a number
"""


class AgentProposer:
    """Runs one agent. What it leaves lands as a whole or is refused as a whole."""

    name = "agent"

    def __init__(
        self,
        agent: Agent,
        purse: Purse,
        cancel: threading.Event,
        importance: Callable[[Context], Mapping[str, float]] | None = None,
    ) -> None:
        self._agent = agent
        self._purse = purse
        self._cancel = cancel
        self._importance = importance
        self._repeats = Repeats()
        self._failed = 0

    def propose(self, context: Context) -> Proposal:
        """What the agent has made of the files, or a refused proposal that says why it is none."""
        self._purse.check()
        crashed = llm_crash.to_mend(context, self.name)
        ideas = () if crashed else waiting(context.revisions.ideas(), context.history, context.pending)
        closing = CLOSING
        if crashed is not None:
            diff, log = context.revisions.diff(crashed.id), context.revisions.log(crashed.id)
            closing = f"{llm_crash.told(crashed, diff, log)}\n{CLOSING}"
        importance = self._importance(context) if self._importance else None
        briefing = render(brief(context, ideas, importance), closing, self._agent.context)
        with tempfile.TemporaryDirectory(prefix="autogit-agent-", ignore_cleanup_errors=True) as place:
            folder = Path(place) / "work"
            context.revisions.export(context.base, folder)
            before = agent_folder.seen(folder)
            (folder / BRIEFING).write_text(briefing, encoding="utf-8")
            command = self._agent.command.replace("{briefing}", shlex.quote(str(folder / BRIEFING)))
            outcome = agent_process.run(command, folder, self._agent.timeout, self._cancel)
            cost = usage(outcome.output, outcome.seconds, self._agent)
            self._purse.pay(cost.cost)
            diff, refused = "", ""
            try:
                diff = self._landed(context, folder, before, outcome)
            except PatchError as error:
                refused = str(error)
            said = llm_answer.read(agent_folder.words(folder))
        return Proposal(
            base=context.base,
            diff=diff,
            title=said.title or (f"Mend {crashed.trial.ref}" if crashed else "An untitled change by an agent"),
            proposer=self.name,
            operator=llm_crash.REPAIR if crashed else said.kind,
            rationale=said.hypothesis,
            expected=said.expected,
            parents=(crashed.id,) if crashed else (),
            usage=cost,
            idea=ideas[0].id if ideas else "",
            raw=outcome.output,
            refused=refused,
        )

    def _landed(self, context: Context, folder: Path, before: agent_folder.Seen, outcome: Outcome) -> str:
        """The canonical diff of what the agent left. Raises PatchError, ProposerError where it does not work."""
        if outcome.status is None:
            raise PatchError(f"the agent did not finish in {self._agent.timeout:g} s (agent.timeout)")
        last = inline(outcome.output.strip().rpartition("\n")[2], 200)
        if outcome.status != 0:
            self._failed += 1
            # 126 and 127 are the shell's: there is no such command, or it cannot be run.
            if outcome.status in (126, 127) or self._failed >= FAILURES:
                raise ProposerError(f"the agent fails (status {outcome.status}): {last}; check agent.command")
            raise PatchError(f"the agent failed (status {outcome.status}): {last}")
        self._failed = 0
        left = agent_folder.difference(folder, before, context.files)
        if not left:
            raise PatchError("the agent changed nothing")
        diff = context.check(left)
        if repeated := self._repeats.find(diff, context):
            raise PatchError(f"the same change of the same code is {repeated}")
        return diff
