"""How trials descend from each other: what is on `main`, near misses, what was built on what, which ideas wait."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping

from autogit.config.model import Config
from autogit.diff import applied
from autogit.history import History
from autogit.propose.search.parameters import find, same
from autogit.protocols import Context
from autogit.records import Idea, Proposal, Record, Trial, Value, Verdict

RETRY = "retry"
"""Operator of a superseded trial that is tried again."""
NEAR = 0.25
"""A near miss lost at most this share of what an accepted change usually brings."""


def parametric(history: History, trial: Trial) -> bool:
    """Whether a trial of autogit's own changed values of parameters and nothing else: it is named after them.

    One that is tried again on a newer `main` is what it was.
    """
    while trial.operator == RETRY and trial.parents and trial.parents[0] in history:
        trial = history[trial.parents[0]].trial
    names = "+".join(sorted(trial.parameters))
    return bool(names) and trial.operator == names and trial.usage is None


def near_misses(history: History, most: int) -> list[Record]:
    """Trials that were rejected though they were about as good as what they had to beat, the best first."""
    gained = history.relative_effects()
    wins = [gained[r.id] for r in history.won if gained.get(r.id, 0.0) > 0]
    least = -NEAR * statistics.median(wins) if wins else 0.0
    missed = [
        r for r in history if r.verdict in (Verdict.REJECTED, Verdict.UNPROVED) and gained.get(r.id, least) > least
    ]
    return sorted(missed, key=lambda r: -gained[r.id])[:most]


def strongest_dead(history: History, most: int) -> list[Record]:
    """Dead changes to the code that ran, each idea once: what lost least first, then what was stopped latest."""
    gained = history.relative_effects()
    dead = [
        r for r in history
        if not r.trial.parents and not parametric(history, r.trial)
        and (r.verdict is Verdict.PRUNED or (r.verdict is Verdict.REJECTED and r.id in gained))
    ]  # fmt: skip

    def loss(record: Record) -> tuple[bool, float]:
        stopped = record.verdict is Verdict.PRUNED
        return stopped, -max((run.step or 0 for run in record.runs), default=0) if stopped else -gained[record.id]

    return sorted(dead, key=loss)[:most]


def on_main(context: Context) -> list[Record]:
    """The accepted changes that lead to the base, the latest first, as far as a person's own commit."""
    made = {r.trial.commit: r for r in context.history.won}
    line, commit = [], context.base
    while commit in made:
        line.append(made[commit])
        commit = made[commit].trial.base
    return line


def offered(context: Context, proposer: str) -> set[frozenset[str]]:
    """The sets of parents that `proposer` has built on already on this base, run or waiting."""
    done = [r.trial.parents for r in context.history.on(context.base) if r.trial.proposer == proposer]
    waiting = [p.parents for p in context.pending if p.base == context.base and p.proposer == proposer]
    return {frozenset(parents) for parents in (*done, *waiting)}


def roots(history: History, trials: Iterable[str]) -> frozenset[str]:
    """The trials whose own ideas are in `trials`: those that they were made from, all the way back."""
    found: set[str] = set()
    stack = list(trials)
    while stack:
        trial = stack.pop()
        parents = history[trial].trial.parents if trial in history else ()
        stack.extend(parents)
        if not parents:
            found.add(trial)
    return frozenset(found)


# ---- what a move of git proposes


def moved(
    context: Context, diff: str | None, title: str, proposer: str, parents: tuple[str, ...], rationale: str
) -> Proposal | None:
    """A proposal of `diff` against the base; None if there is none: it conflicted or changes nothing."""
    if not diff:
        return None
    return Proposal(
        base=context.base, diff=diff, title=title, proposer=proposer, operator=proposer, rationale=rationale,
        parameters=parameters_set(context, diff), parents=parents,
    )  # fmt: skip


def parameters_set(context: Context, diff: str) -> Mapping[str, Value]:
    """The declared parameters that have another value once `diff` is applied."""
    after = applied(context.files, diff)
    if after is None:
        return {}
    space, command = context.config.space, context.config.train.command
    files = {path: text for path, text in {**context.files, **after}.items() if text is not None}
    before, now = find(space, context.files, command).parameters, find(space, files, command).parameters
    return {
        name: parameter.value
        for name, parameter in now.items()
        if parameter.value is not None and name in before and not same(parameter.value, before[name].value)
    }


# ---- queued ideas


ATTEMPTS = 2
"""An idea is given up after so many proposals that did not land, so that it does not stand in the way for ever."""


def waiting(ideas: Iterable[Idea], records: Iterable[Record], pending: Iterable[Proposal] = ()) -> tuple[Idea, ...]:
    """The ideas that nobody has followed yet, oldest first.

    An idea is used when a trial that ran, or is about to, names it. Nothing is marked: a loop that was killed between
    the idea and its trial finds the idea still waiting.
    """
    used = {proposal.idea for proposal in pending}
    failed: Counter[str] = Counter()
    for record in records:
        if record.verdict is Verdict.INVALID:
            failed[record.trial.idea] += 1
        else:
            used.add(record.trial.idea)
    return tuple(idea for idea in ideas if idea.id not in used and failed[idea.id] < ATTEMPTS)


def awaited(config: Config) -> str:
    """Who will take up a queued idea, in a sentence for the person."""
    makers = [model.model for model in config.llm] + (["your agent"] if config.agent.command else [])
    if makers:
        return f"The next proposal of {' or '.join(makers)} takes it up."
    return (
        "It waits for a language model or an agent, and none is configured: add [llm] with a model, or [agent] with a "
        "command, to .autoresearch.toml."
    )
