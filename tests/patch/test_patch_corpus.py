"""The corpus of malformed diffs: every case comes out as a person wrote down beforehand, or the build fails."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

from autogit.errors import PatchError
from autogit.patch import Policy, land

CORPUS = Path(__file__).parent / "corpus"
PAGE = Path(__file__).parents[2] / "docs" / "llm.md"
BEGIN, END = "<!-- apply rates -->\n", "<!-- end of apply rates -->"
CASES = sorted((CORPUS / "cases").glob("*/*.txt"))
POLICY = Policy(["**/*.py", "*.toml", "*.json", "*.md"], ["data.py"])
PICTURES = str.maketrans({"␠": " ", "␉": "\t", "␍": "\r"})


@dataclass(frozen=True)
class Case:
    """One file of the corpus, read without any of the code it judges."""

    expect: str
    mendable: bool
    base: dict[str, str]
    proposal: str
    results: dict[str, str | None]
    """Every file of the repository afterwards; None where it is gone."""

    @classmethod
    def read(cls, path: Path) -> Case:
        head, *parts = re.split(r"^%% (.*)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        facts = dict(line.split(": ", 1) for line in head.splitlines())
        sections = [(name, text) for name, text in zip(parts[::2], parts[1::2], strict=True)]
        assert sections[0][0] == "proposal" and facts.keys() <= {"expect", "mendable", "base"}
        base = {str(p.relative_to(CORPUS / "base")): p.read_text() for p in (CORPUS / "base").rglob("*.*")}
        name, _, variant = facts.get("base", "").partition(" ")
        results = changed(base, sections[1:])
        if name:
            base[name] = VARIANTS[variant](base[name])
            text = results[name]
            if text is not None and (f"{name} newline", "") not in sections:
                results[name] = VARIANTS[variant](text)
        proposal = sections[0][1].translate(PICTURES).replace("␄\n", "")
        lands = facts["expect"] == "lands"
        assert lands != ("mendable" in facts), path
        return cls(facts["expect"], lands or facts["mendable"] == "yes", base, proposal, results)


VARIANTS = {
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "no-newline": lambda text: text.removesuffix("\n"),
    "tabs": lambda text: re.sub(r"^( {4})+", lambda m: "\t" * (len(m[0]) // 4), text, flags=re.MULTILINE),
    "blanks": lambda text: text.replace("min_learning_rate = 1e-4\n", "min_learning_rate = 1e-4  \n"),
}


def changed(base: dict[str, str], sections: list[tuple[str, str]]) -> dict[str, str | None]:
    results: dict[str, str | None] = dict(base)
    spans = []
    for head, text in sections:
        text = text.replace("␤\n", "\n").translate(PICTURES)
        name, _, what = head.rpartition(" ")
        if what == "new":
            results[name] = text
        elif what == "gone":
            results[name] = None
        elif what != "newline":
            first, last = map(int, what.split("-"))
            spans.append((name, first, last, text))
    for name, first, last, text in sorted(spans, reverse=True):
        lines = (results[name] or "").splitlines(keepends=True)
        lines[first - 1 : last] = [text]
        results[name] = "".join(lines)
    return results


def outcome(case: Case) -> tuple[str, dict[str, str | None]]:
    """What the landing says ("lands" or the reason), and every file afterwards."""

    def read(path: str) -> bytes | None:
        if path.split("/")[0] == "shared":
            raise PatchError(f"{path}: leads through a symbolic link")
        return case.base[path].encode() if path in case.base else None

    after: dict[str, str | None] = dict(case.base)
    try:
        landed = land(case.proposal, read, POLICY)
    except PatchError as error:
        return f"refused: {error}", after
    return "lands", after | {path: None if data is None else data.decode() for path, data in landed.changes.items()}


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}: {path.stem}")
def test_corpus(path: Path) -> None:
    case = Case.read(path)
    said, after = outcome(case)
    if case.expect == "lands":
        assert said == "lands"
        assert after == case.results
    else:
        assert said.startswith("refused: ") and case.expect.removeprefix("refused: ") in said


def rates() -> tuple[dict[str, list[bool]], int]:
    """By kind of damage, whether each mendable case lands; and how many are not mendable. Nothing lands wrong."""
    kinds: dict[str, list[bool]] = defaultdict(list)
    unmendable = 0
    for path in CASES:
        case = Case.read(path)
        said, after = outcome(case)
        assert said != "lands" or (case.expect == "lands" and after == case.results), path
        if case.mendable:
            kinds[path.parent.name].append(said == "lands")
        else:
            unmendable += 1
    return kinds, unmendable


def table(kinds: dict[str, list[bool]], unmendable: int) -> str:
    landed, mendable = sum(map(sum, kinds.values())), sum(map(len, kinds.values()))
    rows = [f"| {kind} | {sum(lands)} of {len(lands)} |\n" for kind, lands in kinds.items()]
    return (
        "| what is wrong with the diff | land exactly |\n| --- | --- |\n" + "".join(rows) +
        f"| **all that a person could mend** | **{landed} of {mendable} ({landed / mendable:.0%})** |\n"
        "| **landed in part or wrong** | **0** |\n\n"
        f"The other {unmendable} of the {len(CASES)} cases cannot be mended or break a rule: all are refused, each\n"
        "with the reason that a person wrote down beforehand.\n"
    )  # fmt: skip


def test_most_of_what_can_be_mended_lands_as_the_docs_say() -> None:
    kinds, unmendable = rates()
    assert len(CASES) >= 60
    assert sum(map(sum, kinds.values())) >= 0.75 * sum(map(len, kinds.values()))
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    shown, tail = rest.split(END)
    wanted = table(kinds, unmendable)
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(f"{head}{BEGIN}{wanted}{END}{tail}", encoding="utf-8")
    else:
        assert shown == wanted, "write it anew with: UPDATE_DOCS=1 pytest tests/patch -k docs"
