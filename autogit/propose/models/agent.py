"""Proposals from a command-line coding agent that edits files in a folder of its own."""

from __future__ import annotations

import json
import re
import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from autogit.config.model import Agent
from autogit.diff import unified
from autogit.errors import PatchError, ProposerError
from autogit.propose.lineage import waiting
from autogit.propose.models import agent_folder
from autogit.propose.models.agent_folder import BRIEFING, SCRATCH, WORDS, Outcome
from autogit.propose.models.answer import REPAIR, crash_told, read, stale_told, to_mend
from autogit.propose.models.client import CostLimit, priced
from autogit.propose.models.prompt import agent_briefing, brief
from autogit.propose.models.quote import inline
from autogit.propose.models.repeats import Repeats
from autogit.propose.models.templates import rendered
from autogit.propose.proposer import Traits
from autogit.protocols import Context
from autogit.records import Proposal, Usage

FAILURES = 3
"""After so many failed starts in a row the agent is left out for the rest of the loop."""


class AgentProposer(Traits):
    """Runs one agent. What it leaves lands as a whole or is refused as a whole."""

    name = "agent"
    costs = True

    def __init__(
        self,
        agent: Agent,
        cost: CostLimit,
        cancel: threading.Event,
        importance: Callable[[Context], Mapping[str, float]] | None = None,
    ) -> None:
        self._agent = agent
        self._cost = cost
        self._cancel = cancel
        self._importance = importance
        self._repeats = Repeats()
        self._failed = 0

    def propose(self, context: Context) -> Proposal:
        """What the agent has made of the files, or a refused proposal that says why it is none."""
        self._cost.check()
        stale = context.stale
        crashed = None if stale else to_mend(list(context.history), context.pending, self.name)
        ideas = () if crashed or stale else waiting(context.revisions.ideas(), context.history, context.pending)
        told = stale_told(stale) if stale else ""
        if crashed is not None:
            diff, log = context.revisions.diff(crashed.id), context.revisions.log(crashed.id)
            told = crash_told(crashed, diff, log, crashed.trial.base != context.base)
        importance = self._importance(context) if self._importance else None
        limits = _limits(self._agent, context, self._cost.left)
        task = rendered("agent.md.j2", words=WORDS, run="", limits="; ".join(f"{k}: {v}" for k, v in limits.items()))
        briefing = agent_briefing(brief(context, ideas, importance, self._cost.left), self._agent.context, told, task)
        folder = context.revisions.clone(context.base)
        (folder / WORDS).unlink(missing_ok=True)
        (folder / SCRATCH).mkdir(exist_ok=True)
        before = agent_folder.seen(folder)
        (folder / BRIEFING).write_text(briefing, encoding="utf-8")
        command = self._agent.command.replace("{briefing}", shlex.quote(str(folder / BRIEFING)))
        variables = {f"AUTOGIT_{name.upper().replace(' ', '_')}": value for name, value in limits.items()}
        outcome = agent_folder.run(command, folder, self._agent.timeout, self._cancel, variables)
        used = usage(outcome.output, outcome.seconds, self._agent)
        self._cost.pay(used.cost)
        message = last_message(outcome.output)
        said = read(agent_folder.words(folder))
        said = said if said.title else read(message.text)
        diff, refused = "", ""
        try:
            diff = self._landed(context, folder, before, outcome, message)
        except PatchError as error:
            refused = str(error)
        first = next((line.strip(" #*`") for line in message.text.splitlines() if line.strip(" #*`")), "")
        untitled = f"Mend {crashed.trial.ref}" if crashed else inline(first, 70) or "An untitled change by an agent"
        return Proposal(
            base=context.base,
            diff=diff,
            title=said.title or untitled,
            proposer=self.name,
            operator=REPAIR if crashed else said.kind,
            rationale=self._repeats.with_elsewhere(said.hypothesis, diff, context),
            expected=said.expected,
            parents=(crashed.id,) if crashed else stale.parents if stale else (),
            usage=used + (stale.usage or Usage()) if stale else used,
            idea=ideas[0].id if ideas else stale.idea if stale else "",
            raw=outcome.output,
            refused=refused,
        )

    def _landed(
        self, context: Context, folder: Path, before: agent_folder.Seen, outcome: Outcome, message: LastMessage
    ) -> str:
        """The canonical diff of what the agent left. Raises PatchError, ProposerError if it does not work."""
        if outcome.status is None:
            raise PatchError(f"the agent did not finish in {self._agent.timeout:g} s (agent.timeout)")
        words = inline(message.text.strip() or outcome.output.strip().rpartition("\n")[2], 200)
        if outcome.status != 0:
            # 126 and 127 are the shell's: there is no such command, or it cannot be run.
            self._fail(f"the agent failed (status {outcome.status}): {words}", outcome.status in (126, 127))
        if message.error:
            self._fail(f"the agent says that it failed: {words}")

        def editable(path: str, text: str) -> bool:
            try:
                return bool(context.check(unified({}, {path: text})))
            except PatchError as error:
                return "not editable" not in str(error)

        left = agent_folder.left(folder, before, context.files, editable)
        if left.aside:
            more = f" and {len(left.aside) - 5} more" if left.aside[5:] else ""
            context.tell(f"{self.name}: left out of its proposal: {inline(', '.join(left.aside[:5]))}{more}")
        if not left.after:
            self._fail(f"the agent changed nothing{f': {words}' if words else ''}")
        self._failed = 0
        diff = context.check(unified(context.files, left.after))
        if repeated := self._repeats.find(diff, context):
            raise PatchError(f"the same change {repeated}")
        return diff

    def _fail(self, reason: str, final: bool = False) -> NoReturn:
        """Raises PatchError with the reason, and ProposerError after so many failures in a row, or if it is final."""
        self._failed += 1
        if final or self._failed >= FAILURES:
            raise ProposerError(f"{reason}; check agent.command")
        raise PatchError(reason)


def _limits(agent: Agent, context: Context, cost_left: float | None) -> dict[str, str]:
    """What an agent should know of its place in the loop, by its name in the environment after AUTOGIT_."""
    remaining = context.remaining
    found = {
        "python": sys.executable,
        "trial": str(max([record.trial.number for record in context.history], default=-1) + 1 + len(context.pending)),
        "seconds left": f"{agent.timeout:g}",
        "trials left": "" if remaining.trials is None else str(remaining.trials),
        "hours left": "" if remaining.hours is None else f"{remaining.hours:.3g}",
        "money left": "" if cost_left is None else f"{cost_left:.4g}",
    }
    return {name: value for name, value in found.items() if value}


# ---- what it has said


@dataclass(frozen=True, slots=True)
class LastMessage:
    """The last words of an agent; `error`: it says that it failed."""

    text: str
    error: bool = False


def last_message(output: str) -> LastMessage:
    """Returns an agent's last message: from the JSON of Claude Code, Codex and OpenCode, else the end of its output."""
    found = None
    for event in _events(output):
        item, part = event.get("item"), event.get("part")
        if event.get("type") == "result":
            found = LastMessage(str(event.get("result") or ""), event.get("is_error") is True)
        elif isinstance(item, dict) and item.get("type") == "agent_message" and isinstance(item.get("text"), str):
            found = LastMessage(item["text"])
        elif event.get("type") == "text" and isinstance(part, dict) and isinstance(part.get("text"), str):
            found = LastMessage(part["text"])
        elif event.get("type") in ("error", "turn.failed"):
            error = event.get("error")
            told = event.get("message") or (error.get("message") if isinstance(error, dict) else error)
            found = LastMessage(inline(str(told), 300), True)
    if found is not None:
        return found
    lines = [line for line in output.splitlines() if line.strip() and not _OWN.match(line)]
    start = next((i for i in reversed(range(len(lines))) if lines[i].lstrip("*# ").upper().startswith("TITLE")), None)
    return LastMessage("\n".join(lines[start:]) if start is not None else "")


# ---- what it has used

_OWN = re.compile(r"^(input_tokens|output_tokens|cost): *([0-9.]+)\s*$", re.MULTILINE)
_AIDER_TOKENS = re.compile(r"^Tokens: ([\d.,]+[kM]?) sent,(?: [^\n]*?,)? ?([\d.,]+[kM]?) received", re.MULTILINE)
_AIDER_COST = re.compile(r"Cost: \$[\d.]+ message, \$([\d.]+) session")
_TOTAL = re.compile(r"^tokens used:?\s+([\d,]+)\s*$", re.MULTILINE | re.IGNORECASE)


def usage(output: str, seconds: float, agent: Agent) -> Usage:
    """Tokens and cost from an agent's output; 0 where it prints none. A cost that it prints goes before the prices.

    Understood are lines `input_tokens: N`, `output_tokens: N` and `cost: X` (a script's own words), the JSON of Claude
    Code (`--output-format json` or `stream-json`) and of Codex (`exec --json`), aider's `Tokens: 4.2k sent, 1.1k
    received. Cost: ...`, and Codex's `tokens used` (a sum, counted as input).
    """
    own: dict[str, float] = {}
    for name, value in _OWN.findall(output):
        own[name] = own.get(name, 0.0) + _number(value)
    sent, received = int(own.get("input_tokens", 0)), int(own.get("output_tokens", 0))
    cost = own.get("cost")
    for event in _events(output):
        if event.get("type") not in ("result", "turn.completed"):
            continue
        told = event.get("usage")
        told = told if isinstance(told, dict) else {}
        sent += sum(_whole(told.get(key)) for key in _INPUT)
        received += _whole(told.get("output_tokens"))
        dollars = event.get("total_cost_usd")
        if isinstance(dollars, int | float):
            cost = (cost or 0.0) + float(dollars)
    for one, other in _AIDER_TOKENS.findall(output):
        sent, received = sent + _scaled(one), received + _scaled(other)
    if sessions := _AIDER_COST.findall(output):
        cost = _number(sessions[-1])
    if not sent + received and (totals := _TOTAL.findall(output)):
        sent = _scaled(totals[-1])
    found = priced(sent, received, seconds, agent.price_input, agent.price_output)
    return found if cost is None else Usage(sent, received, seconds, cost)


_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


def _events(output: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of the output, one a line, or the whole of it."""
    for text in (*output.splitlines(), output if "\n" in output.strip() else ""):
        if not text.lstrip().startswith("{"):
            continue
        try:
            value = json.loads(text)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _scaled(text: str) -> int:
    unit = {"k": 1000, "M": 1_000_000}.get(text[-1], 1)
    return round(_number(text.rstrip("kM").replace(",", "")) * unit)
