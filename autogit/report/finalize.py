"""What a team is told of the changes that a lab hands over: commit messages, and the text of a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autogit.records import Record
from autogit.report.facts import Facts
from autogit.report.markdown import escaped
from autogit.wording import counted, plain


@dataclass(frozen=True, slots=True)
class Finalized:
    """A clean branch and its description."""

    branch: str
    commit: str
    """Its tip."""
    trials: tuple[str, ...]
    title: str
    description: str
    """Markdown."""


def message(facts: Facts, record: Record) -> str:
    """The message of one commit: what was changed, why, what it did, and the trial that it was."""
    parts = [plain(record.trial.title), plain(record.trial.rationale).strip()]
    parts.append(f"{facts.metric}: {_effect(facts, record)} on the same seeds. {plain(record.reason)}".strip())
    parts.append(f"Found by {plain(record.trial.proposer)} as exp/{record.id}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def description(facts: Facts, records: Sequence[Record]) -> tuple[str, str]:
    """(title, markdown): effects with intervals, the audit, how they were measured and how to run them again."""
    last = records[-1]
    title = plain(records[0].trial.title) if len(records) == 1 else counted(len(records), "change")
    title += f" for {facts.metric}"
    lines = [
        f"Each change beat the code before it on the same seeds. The metric, `{facts.metric}`, is {facts.measured_by}.",
        "", "| trial | change | effect | 95% interval | seeds |", "| --- | --- | ---: | ---: | ---: |",
    ]  # fmt: skip
    for record in records:
        interval, seeds = _interval(facts, record), len({run.seed for run in record.runs if run.status.counts})
        lines.append(
            f"| exp/{record.id} | {escaped(record.trial.title)} | {_effect(facts, record)} | {interval} | {seeds} |"
        )
    lines += ["", "An effect counts as better if it is positive, whatever the metric.", ""]
    if facts.gain is not None:
        ends = " to ".join(f"{end * facts.scale:+.3g}{facts.unit}" for end in (facts.gain.low, facts.gain.high))
        lines += [f"All accepted changes of the lab together, on fresh seeds: {facts.gain.value * facts.scale:+.3g}"
                  f"{facts.unit} (95%: {ends}).", ""]  # fmt: skip
    lines += ["## Audit", ""]
    best = facts.best()
    if facts.audit and best is not None:
        lines += [f"exp/{best.id}: {escaped(facts.audit)}.", ""]
    else:
        lines += ["There is no score on data that nothing was chosen by (`[evaluate] audit`).", ""]
    lines += ["## How it was measured", ""]
    if facts.noise is not None:
        lines += [f"- noise: {facts.noise:.3g} (standard deviation of a difference between two runs)"]
    lines += [f"- how often luck passes for progress here, {escaped(sentence)}" for sentence in facts.luck]
    lines += [f"- {escaped(name)}: {escaped(str(value))}" for name, value in last.environment.items()]
    lines += ["", "## Why each was accepted", ""]
    lines += [f"- exp/{record.id}: {escaped(record.reason)}" for record in records]
    lines += ["", "## Run it again", "", "In the lab, or in a clone that has synced with it:", "", "```sh"]
    lines += [f"autogit reproduce {record.id}" for record in records]
    if last.reproduce:
        lines += ["# or by hand:", f"git checkout {last.trial.ref}", plain(last.reproduce).replace("```", "'''")]
    return title, "\n".join([*lines, "```", ""])


def _effect(facts: Facts, record: Record) -> str:
    effect = facts.effect(record)
    return "not known" if effect is None else f"{effect:+.3g}{facts.unit}"


def _interval(facts: Facts, record: Record) -> str:
    if not {"low", "high"} <= record.statistics.keys():
        return "-"
    return " to ".join(f"{record.statistics[end] * facts.scale:+.3g}{facts.unit}" for end in ("low", "high"))
