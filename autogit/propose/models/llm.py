"""Proposals from a language model."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from autogit.config.model import Config, Llm
from autogit.errors import Interrupted, PatchError, ProposerError
from autogit.propose.lineage import waiting
from autogit.propose.models import answer as llm_answer
from autogit.propose.models import crash as llm_crash
from autogit.propose.models.answer import Answer
from autogit.propose.models.chat import Chat, Message, Patience, Reply
from autogit.propose.models.prompt import brief, render
from autogit.propose.models.prompt_quote import block, inline
from autogit.propose.models.purse import Purse
from autogit.propose.models.repeats import Repeats
from autogit.protocols import Context, Proposer
from autogit.records import Idea, Proposal, Record, Usage

Importance = Callable[[Context], Mapping[str, float]]
"""What a hyperparameter search has found out: parameter -> share of the effect that it explains."""


def llm_proposers(
    config: Config,
    cancel: threading.Event | None = None,
    importance: Importance | None = None,
    patience: Patience | None = None,
) -> list[Proposer]:
    """The models and the agent that the configuration names, which share one limit of cost; none where it names none.

    `cancel` gives up a call that is being waited for.
    """
    cancel = cancel or threading.Event()
    purse = Purse(config.limits.cost)
    names = [f"llm:{model.model}" for model in config.llm]
    proposers: list[Proposer] = []
    for place, (model, name) in enumerate(zip(config.llm, names, strict=True)):
        # The same model on two servers, or twice with other settings.
        unique = name if names.count(name) == 1 else f"{name}#{names[: place + 1].count(name)}"
        proposers.append(LlmProposer(model, purse, cancel, importance, patience, unique))
    if config.agent.command:
        from autogit.propose.models.agent import AgentProposer

        proposers.append(AgentProposer(config.agent, purse, cancel, importance))
    return proposers


class LlmProposer:
    """Asks one model. What it answers lands as a whole, or is given back with the reason, or is refused."""

    def __init__(
        self,
        model: Llm,
        purse: Purse,
        cancel: threading.Event,
        importance: Importance | None = None,
        patience: Patience | None = None,
        name: str = "",
    ) -> None:
        self.name = name or f"llm:{model.model}"
        self._model = model
        self._purse = purse
        self._cancel = cancel
        self._patience = patience
        self._importance = importance
        self._repeats = Repeats()
        self._chat: Chat | None = None

    def propose(self, context: Context) -> Proposal:
        """A change that lands, or a refused proposal that says why the model's last answer did not."""
        self._purse.check()
        chat = self._chat or self._connect()
        crashed = llm_crash.to_mend(context, self.name)
        ideas = () if crashed else waiting(context.revisions.ideas(), context.history, context.pending)
        talk = _Talk(crashed, ideas[0] if ideas else None, [Message(self._prompt(context, crashed, ideas), True)])
        while len(talk.problems) <= self._model.repairs:
            try:
                reply = chat.complete(talk.messages)
            except ProposerError as error:
                if not talk.replies:
                    raise
                # What was paid for so far belongs into a record.
                talk.usage += chat.owed()
                talk.problems.append(f"{talk.problems[-1]}; {error}")
                break
            except Interrupted:
                talk.usage += chat.owed()
                if not talk.usage.output_tokens:
                    raise
                talk.problems.append("given up when the loop ended, after it had cost something")
                break
            answer = llm_answer.read(reply.text)
            talk.replies.append(reply)
            talk.usage += reply.usage
            try:
                return self._proposal(context, talk, answer, self._landed(context, reply, answer))
            except PatchError as error:
                talk.problems.append(str(error))
                talk.messages += [Message(reply.text, False), Message(_given_back(error), True)]
        last = talk.replies[-1].text if talk.replies else ""
        return self._proposal(context, talk, llm_answer.read(last), "")

    def _prompt(self, context: Context, crashed: Record | None, ideas: tuple[Idea, ...]) -> str:
        closing = llm_answer.FORM
        if crashed is not None:
            log, diff = context.revisions.log(crashed.id), context.revisions.diff(crashed.id)
            closing = f"{llm_crash.told(crashed, diff, log)}\n{closing}"
        importance = self._importance(context) if self._importance else None
        return render(brief(context, ideas, importance), closing, self._model.context)

    def _landed(self, context: Context, reply: Reply, answer: Answer) -> str:
        """The canonical diff of an answer. Raises PatchError."""
        if reply.refusal:
            raise PatchError(f"the model declines: {inline(reply.refusal)}")
        if reply.cut:
            raise PatchError(
                f"the answer was cut off at {self._model.max_tokens} tokens (llm.max_tokens)",
                "Nothing of it was used. Propose a smaller change, or answer in fewer words.",
            )
        if not reply.text.strip():
            raise PatchError("the answer is empty")
        if not answer.change:
            raise PatchError("the answer holds no diff")
        diff = context.check(answer.change)
        if not diff:
            raise PatchError("the diff changes nothing")
        if repeated := self._repeats.find(diff, context):
            raise PatchError(f"the same change of the same code is {repeated}", "Propose something else.")
        return diff

    def _proposal(self, context: Context, talk: _Talk, answer: Answer, diff: str) -> Proposal:
        crashed = talk.crashed
        untitled = f"Mend {crashed.trial.ref}" if crashed else f"An untitled change by {self._model.model}"
        return Proposal(
            base=context.base,
            diff=diff,
            title=answer.title or untitled,
            proposer=self.name,
            operator=llm_crash.REPAIR if crashed else answer.kind,
            rationale=answer.hypothesis,
            expected=answer.expected,
            parents=(crashed.id,) if crashed else (),
            usage=talk.usage,
            idea=talk.idea.id if talk.idea else "",
            raw=talk.transcript(),
            refused="" if diff else talk.problems[-1],
        )

    def _connect(self) -> Chat:
        variable = self._model.api_key_env
        key = os.environ.get(variable, "").strip() if variable else ""
        if variable and not key:
            raise ProposerError(
                f"{self._model.model}: ${variable} is not set: put the key there, name another variable in "
                'llm.api_key_env, or set it to "" for a server that wants no key'
            )
        self._chat = Chat(self._model, key, self._purse, self._cancel, self._patience)
        return self._chat


@dataclass(slots=True)
class _Talk:
    """One conversation: what it is about, and what has come of it."""

    crashed: Record | None
    idea: Idea | None
    messages: list[Message]
    replies: list[Reply] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)

    def transcript(self) -> str:
        """Every answer as it came, and why it did not land."""
        if not self.problems:
            return self.replies[-1].text
        parts = []
        for number, reply in enumerate(self.replies, 1):
            problem = self.problems[number - 1] if number <= len(self.problems) else ""
            parts.append(f"== answer {number}{f': {problem}' if problem else ''}\n{reply.text.rstrip()}\n")
        return "".join(parts)


def _given_back(error: PatchError) -> str:
    detail = f"\n{block(error.detail, 'detail')}" if error.detail else ""
    return (
        f"Your change did not land: {inline(str(error), 500)}.\nNothing of it was applied.\n{detail}\n"
        "Answer again in the same form, with the whole change as a diff against the files as they were shown."
    )
