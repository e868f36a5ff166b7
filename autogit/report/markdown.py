"""The report as markdown, for a pull request, a chat or a knowledge base."""

from __future__ import annotations

import re

from autogit.report.facts import Facts
from autogit.report.headline import cards, headline
from autogit.report.parts import near_misses, parts
from autogit.report.progress import EXPLAINED, counts
from autogit.wording import plain

PARTS = 12
"""Kinds of moves that the table lists."""


def markdown(facts: Facts) -> str:
    """Headline, numbers, what was accepted with its effect and how to run it again, what worked, near misses."""
    history = facts.history
    lines = [f"# {escaped(facts.lab)}: {headline(facts)}", ""]
    lines += [
        f"The metric, `{facts.metric}`, is {facts.measured_by}. Made {facts.made} by `autogit report --markdown`.",
        "",
    ]
    if found := cards(facts):
        lines += ["| | | |", "| --- | ---: | --- |"]
        lines += [f"| {escaped(card.label)} | {escaped(card.value)} | {escaped(card.below)} |" for card in found] + [""]
    best = facts.best()
    if facts.audit and best is not None:
        lines += [f"Audit of exp/{best.id}: {escaped(facts.audit)}.", ""]
    if all_ := counts(facts):
        lines += [
            "Trials: " + ", ".join(f"{count} {EXPLAINED.get(name, name)}" for name, count in all_.items()) + ".",
            "",
        ]
    if history.accepted:
        lines += ["## Accepted, in order", ""]
        for record in history.accepted:
            lines += [f"- **exp/{record.id}** {escaped(record.trial.title)}: {escaped(record.reason)}"]
        lines += [""]
    moves = [part for part in parts(facts) if part.kind != "proposer"][:PARTS]
    if moves:
        unit = facts.unit.strip()
        lines += [
            "## What worked",
            "",
            f"| part | tried | accepted | median effect, {unit} (95%) |",
            "| --- | ---: | ---: | ---: |",
        ]
        for part in moves:
            effect = "" if part.effect is None else f"{part.effect:+.3g}"
            effect += "" if part.interval is None else f" ({part.interval[0]:+.3g} to {part.interval[1]:+.3g})"
            lines += [f"| {escaped(part.name)} | {part.tried} | {part.accepted} | {effect} |"]
        lines += [""]
    if missed := near_misses(facts):
        lines += ["## Near misses", ""]
        lines += [f"- exp/{record.id} {escaped(record.trial.title)}: {escaped(record.reason)}" for record in missed] + [
            ""
        ]
    if best is not None and best.reproduce:
        lines += ["## The best, again", "", "```sh", f"git checkout {best.trial.ref}", plain(best.reproduce), "```", ""]
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Text that came from anywhere, on one line, where no character is markdown or HTML."""
    return re.sub(r"([\\`*_\[\]<>|#&!~])", r"\\\1", " ".join(plain(text).split()))
