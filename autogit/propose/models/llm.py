"""Proposals from a language model."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from autogit.config.model import Config, Llm
from autogit.errors import Interrupted, PatchError, ProposerError
from autogit.propose.lineage import waiting
from autogit.propose.models.answer import REPAIR, Answer, crash_told, read, stale_told, to_mend
from autogit.propose.models.client import Client, CostLimit, Message, Patience, Reply
from autogit.propose.models.prompt import brief, model_prompt
from autogit.propose.models.quote import block, inline
from autogit.propose.models.repeats import Repeats
from autogit.propose.models.templates import rendered
from autogit.propose.proposer import Traits
from autogit.protocols import Context, Proposer
from autogit.records import Idea, Proposal, Record, Usage

Importance = Callable[[Context], Mapping[str, float]]
"""What a hyperparameter search has found out: parameter -> share of the effect that it explains."""


def model_proposers(
    config: Config,
    cancel: threading.Event | None = None,
    importance: Importance | None = None,
    patience: Patience | None = None,
) -> list[Proposer]:
    """Returns the models and the agent that the configuration names, which share one limit of cost.

    `cancel` gives up a call that is being waited for.
    """
    cancel = cancel or threading.Event()
    cost = CostLimit(config.limits.cost)
    names = [f"llm:{model.model}" for model in config.llm]
    proposers: list[Proposer] = []
    for place, (model, name) in enumerate(zip(config.llm, names, strict=True)):
        # The same model on two servers, or twice with other settings.
        unique = name if names.count(name) == 1 else f"{name}#{names[: place + 1].count(name)}"
        proposers.append(LlmProposer(model, cost, cancel, importance, patience, unique))
    if config.agent.command:
        from autogit.propose.models.agent import AgentProposer

        proposers.append(AgentProposer(config.agent, cost, cancel, importance))
    return proposers


class LlmProposer(Traits):
    """Asks one model. What it answers lands as a whole, or is given back with the reason, or is refused."""

    costs = True

    def __init__(
        self,
        model: Llm,
        cost: CostLimit,
        cancel: threading.Event,
        importance: Importance | None = None,
        patience: Patience | None = None,
        name: str = "",
    ) -> None:
        self.name = name or f"llm:{model.model}"
        self._model = model
        self._cost = cost
        self._cancel = cancel
        self._patience = patience
        self._importance = importance
        self._repeats = Repeats()
        self._client: Client | None = None

    def propose(self, context: Context) -> Proposal:
        """Returns a change that lands, or a refused proposal that says why the model's last answer did not."""
        self._cost.check()
        client = self._client or self._connect()
        stale = context.stale
        crashed = None if stale else to_mend(list(context.history), context.pending, self.name)
        ideas = () if crashed or stale else waiting(context.revisions.ideas(), context.history, context.pending)
        talk = _Talk(crashed, stale, ideas[0] if ideas else None)
        talk.messages.append(Message(self._prompt(context, talk, ideas), True))
        while len(talk.problems) <= self._model.repairs:
            try:
                reply = client.complete(talk.messages, context.tell)
            except ProposerError as error:
                if not talk.replies:
                    raise
                # What was paid for so far belongs into a record.
                talk.usage += client.owed()
                talk.problems.append(f"{talk.problems[-1]}; {error}")
                break
            except Interrupted:
                talk.usage += client.owed()
                if not talk.usage.output_tokens:
                    raise
                talk.problems.append("given up when the loop ended, after it had cost something")
                break
            answer = read(reply.text)
            talk.replies.append(reply)
            talk.usage += reply.usage
            try:
                return self._proposal(context, talk, answer, self._landed(context, reply, answer))
            except PatchError as error:
                talk.problems.append(str(error))
                detail = block(error.detail, "detail") if error.detail else ""
                given_back = rendered("given_back.md.j2", reason=inline(str(error), 500), detail=detail)
                talk.messages += [Message(reply.text, False), Message(given_back, True)]
        last = talk.replies[-1].text if talk.replies else ""
        return self._proposal(context, talk, read(last), "")

    def _prompt(self, context: Context, talk: _Talk, ideas: tuple[Idea, ...]) -> str:
        importance = self._importance(context) if self._importance else None
        return model_prompt(brief(context, ideas, importance, self._cost.left), self._model.context, talk.told(context))

    def _landed(self, context: Context, reply: Reply, answer: Answer) -> str:
        """The canonical diff of an answer. Raises PatchError."""
        if reply.refusal:
            raise PatchError(f"the model declines: {inline(reply.refusal)}")
        if reply.cut:
            thought = ", most of them for its thoughts" if reply.thought and not reply.text.strip() else ""
            raise PatchError(
                f"the answer was cut off at {self._model.max_tokens} tokens{thought} (llm.max_tokens)",
                "Nothing of it was used. Propose a smaller change, or answer in fewer words.",
            )
        if not reply.text.strip():
            if reply.tools:
                raise PatchError("the answer calls a tool, and there are none", "Answer in text, in the form above.")
            raise PatchError("the answer is empty")
        if answer.alternative:
            raise PatchError(
                f"the answer holds more than one proposal ({answer.alternative!r})",
                "Decide for one of them and answer with it alone. Propose the other one later.",
            )
        if not answer.change:
            raise PatchError("the answer holds no diff")
        diff = context.check(answer.change)
        if not diff:
            raise PatchError("the diff changes nothing")
        if repeated := self._repeats.find(diff, context):
            raise PatchError(f"the same change {repeated}", "Propose something else.")
        return diff

    def _proposal(self, context: Context, talk: _Talk, answer: Answer, diff: str) -> Proposal:
        crashed = talk.crashed
        untitled = f"Mend {crashed.trial.ref}" if crashed else f"An untitled change by {self._model.model}"
        return Proposal(
            base=context.base,
            diff=diff,
            title=answer.title or (talk.stale.title if talk.stale else untitled),
            proposer=self.name,
            operator=REPAIR if crashed else answer.kind,
            rationale=self._repeats.with_elsewhere(answer.hypothesis, diff, context),
            expected=answer.expected,
            parents=(crashed.id,) if crashed else talk.stale.parents if talk.stale else (),
            usage=talk.usage + (talk.stale.usage or Usage()) if talk.stale else talk.usage,
            idea=talk.idea.id if talk.idea else talk.stale.idea if talk.stale else "",
            raw=talk.transcript(),
            refused="" if diff else talk.problems[-1],
        )

    def _connect(self) -> Client:
        variable = self._model.api_key_env
        key = os.environ.get(variable, "").strip() if variable else ""
        if variable and not key:
            raise ProposerError(
                f"{self._model.model}: ${variable} is not set: put the key there, name another variable in "
                'llm.api_key_env, or set it to "" for a server that wants no key'
            )
        self._client = Client(self._model, key, self._cost, self._cancel, self._patience)
        return self._client


@dataclass(slots=True)
class _Talk:
    """One conversation: what it is about, and what has come of it."""

    crashed: Record | None
    stale: Proposal | None
    idea: Idea | None
    messages: list[Message] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)

    def told(self, context: Context) -> str:
        """What is given back to be made again; empty if it is a new proposal that is asked for."""
        if self.stale is not None:
            return stale_told(self.stale)
        if self.crashed is not None:
            crashed, revisions = self.crashed, context.revisions
            moved = crashed.trial.base != context.base
            return crash_told(crashed, revisions.diff(crashed.id), revisions.log(crashed.id), moved)
        return ""

    def transcript(self) -> str:
        """Every answer as it came, and why it did not land."""
        if not self.problems:
            return self.replies[-1].text
        parts = []
        for number, reply in enumerate(self.replies, 1):
            problem = self.problems[number - 1] if number <= len(self.problems) else ""
            parts.append(f"== answer {number}{f': {problem}' if problem else ''}\n{reply.text.rstrip()}\n")
        return "".join(parts)
