"""Goes on where accepted values of parameters point: a step further, half a step further, half a step back."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from autogit.config.space import Choice, Domain
from autogit.history import History
from autogit.propose.lineage import on_main, parametric
from autogit.propose.proposer import Rung, Traits
from autogit.propose.search.domains import brought, ordinal
from autogit.propose.search.evidence import Sample
from autogit.propose.search.parameters import same
from autogit.propose.search.setting import Search
from autogit.protocols import Context
from autogit.records import Proposal, Record, Value

REFINED_ACCEPTS = 6
"""Accepted changes, the latest ones, around which is refined."""
SEVERAL_WINS = 2
"""More wins of one kind than this, and that kind is refined first."""


class RefineProposer(Traits):
    """Smaller and larger steps of the kind that won, around the value that it left."""

    name = "refine"
    weighs_values = True
    rung = Rung.REFINE

    def propose(self, context: Context) -> Proposal | None:
        search = Search.of(context)
        samples = {sample.trial: sample for sample in search.samples}
        for record in _winners(context):
            for name in samples[record.id].moved if record.id in samples else ():
                for value in _steps(search, name, samples[record.id]):
                    why = f"{record.trial.ref} won by changing {name}: what lies around its new value?"
                    proposal = search.proposal(context, {name: value}, self.name, rationale=why, parents=(record.id,))
                    if proposal is not None:
                        return proposal
        return None


def winning_kinds(history: History, records: list[Record]) -> set[str]:
    """Parameters of which more than SEVERAL_WINS changes were accepted."""
    wins = Counter(name for record in records if parametric(history, record.trial) for name in record.trial.parameters)
    return {name for name, count in wins.items() if count > SEVERAL_WINS}


def _winners(context: Context) -> list[Record]:
    """Accepted changes of parameters, the latest first; those of kinds that won several times before the others."""
    line = [record for record in on_main(context) if parametric(context.history, record.trial)]
    several = winning_kinds(context.history, line)
    return sorted(line[:REFINED_ACCEPTS], key=lambda record: not several & record.trial.parameters.keys())


def _steps(search: Search, name: str, sample: Sample) -> Iterator[Value]:
    parameter = search.found.parameters.get(name)
    if parameter is None or not same(parameter.value, sample.values[name]):
        return
    before, now, domain = sample.before[name], parameter.value, parameter.domain
    if isinstance(domain, Choice):
        yield from _listed(domain, before, now)
    elif _positive(before, domain) and _positive(now, domain):
        assert isinstance(before, int | float) and isinstance(now, int | float)
        for share in (1.0, 0.5, -0.5):
            if domain.log:
                yield brought(domain, now * math.exp(share * math.log(now / before)))
            else:
                yield brought(domain, now + share * (now - before))


def _listed(domain: Choice, before: Value | None, now: Value | None) -> Iterator[Value]:
    """The values beyond `now`, then those between, nearest first."""
    ordered = ordinal(domain) or ()
    if not isinstance(before, int | float) or not isinstance(now, int | float):
        return
    numbers = [v for v in ordered if isinstance(v, int | float)]
    up = now > before
    beyond = sorted((v for v in numbers if (v > now) == up and v != now), key=lambda v: abs(v - now))
    between = sorted((v for v in numbers if min(now, before) < v < max(now, before)), key=lambda v: abs(v - now))
    yield from (*beyond[:1], *between[:1])


def _positive(value: Value | None, domain: Domain) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return value > 0 or isinstance(domain, Choice) or not domain.log
