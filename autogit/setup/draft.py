"""A survey as a commented `.autoresearch.toml`."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator

from autogit.config.space import Choice, Domain
from autogit.records import Value
from autogit.setup.survey import Survey


def draft(survey: Survey) -> str:
    """The configuration's text. It parses; what is a guess says so."""
    return "\n".join([*_head(survey), *_train(survey), *_metric(survey), *_space(survey), *_rest(survey)]) + "\n"


def _head(survey: Survey) -> Iterator[str]:
    yield "# What autogit trains, measures and tries here. Written by `autogit init` from looking at the code;"
    yield "# docs/configuration.md explains every key. Check it with: autogit doctor"
    if survey.doubts:
        yield "#"
        yield "# What could not be told from looking:"
        for doubt in survey.doubts:
            yield from textwrap.wrap(doubt, 116, initial_indent="#   - ", subsequent_indent="#     ")
    if survey.branch != "main":
        yield ""
        yield f"main = {_text(survey.branch)}                # the branch that receives accepted changes"


def _train(survey: Survey) -> Iterator[str]:
    script = survey.script
    yield ""
    yield "[train]"
    yield f"# {script.origin[0].upper()}{script.origin[1:]}. It starts in this folder."
    if survey.others:
        yield f"# Others that look as if they train: {', '.join(survey.others)}."
    yield f"command = {_text(script.command)}"
    yield "# What a proposal may change, and what no proposal may touch."
    yield f"editable = {_list(survey.editable)}"
    yield f"protected = {_list(survey.protected)}"
    if survey.data:
        yield "# Not in git, and read by the code: visible in every run, read-only."
        yield f"data = {_list(survey.data)}"
    if script.gpus is not None:
        yield f"gpus_per_run = {script.gpus}"


def _metric(survey: Survey) -> Iterator[str]:
    yield ""
    yield "[metric]"
    metric = survey.metric
    if metric is not None and metric.place:
        yield f"# Printed at {metric.place}. The last value that a run prints counts."
    if survey.other_metrics:
        yield f"# Also printed: {', '.join(other.name for other in survey.other_metrics)}."
    yield f"name = {_text(metric.name if metric else 'val_loss')}"
    yield f"direction = {_text(metric.direction if metric else 'min')}               # which way is better: min or max"
    if metric is not None and metric.pattern:
        yield "# The line is a sentence, or a number without a name; this finds it."
        yield f"patterns = {{ {_key(metric.name)} = {_text(metric.pattern)} }}"
    if survey.evaluate:
        yield ""
        yield "[evaluate]"
        yield "# Training prints no metric of its own; this measures what it leaves in {out}."
        yield f"command = {_text(survey.evaluate)}"


def _space(survey: Survey) -> Iterator[str]:
    yield ""
    yield "[space]"
    if survey.constants:
        yield "# Constants that the hyperparameter search changes, with the value they have now and where it stands."
    lines = [(f"{_key(c.name)} = {_domain(c.domain)}", f"# {_value(c.value)} in {c.place}") for c in survey.constants]
    width = max((len(left) for left, _ in lines), default=0)
    yield from (f"{left:<{width}}  {right}" for left, right in lines)
    if survey.constraints:
        yield f"constraints = {_list(survey.constraints)}"


def _rest(survey: Survey) -> Iterator[str]:
    yield ""
    yield "[limits]"
    yield "trials = 20                     # of one `autogit loop`; hours = 8 and patience = 40 are others"
    yield ""
    if survey.endless:
        yield "# Training would go on for ever without one."
    if survey.steps is not None:
        yield "[budget]"
        yield f"steps = {survey.steps}                    # passed as {{steps}}"
    elif survey.seconds is not None:
        yield "[budget]"
        yield f"seconds = {survey.seconds:g}                    # then a run ends, and what it has printed counts"
    else:
        yield "# [budget]"
        yield "# seconds = 300                 # end each run after so long; without it a run ends when the script does"
    if survey.outside:
        yield ""
        yield "[sandbox]"
        yield "# Outside the repository, and read by the code."
        yield f"read = {_list(survey.outside)}"


def _domain(domain: Domain) -> str:
    file = f", file = {_text(domain.file)}" if domain.file else ""
    if isinstance(domain, Choice):
        values = f"[{', '.join(map(_value, domain.values))}]"
        return f"{{ values = {values}{file} }}" if file else values
    low, high = (int(domain.low), int(domain.high)) if domain.integer else (domain.low, domain.high)
    log = ", log = true" if domain.log else ""
    return f"{{ low = {_value(low)}, high = {_value(high)}{log}{file} }}"


def _value(value: Value) -> str:
    if isinstance(value, float):
        text = f"{value:.6g}"
        return text if any(c in text for c in ".en") else f"{text}.0"
    return str(value)


def _list(items: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, items))}]"


def _text(value: str) -> str:
    # A TOML basic string is a JSON one, but for what JSON writes as surrogates.
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if all(c.isalnum() or c in "_-" for c in name) and name.isascii() else _text(name)
