"""Any real diff between two versions of a file, mangled as models mangle diffs, lands as the original or is refused."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autogit.errors import PatchError
from autogit.patch import Policy, land
from autogit.protocols import Landed

PATH = "src/notes.txt"
POLICY = Policy(["**/*.txt"], [])

WORDS = [
    "a = 1",
    "b = 2",
    "return x",
    "for i in n:",
    "x += 1",
    "",
    "pass",
    "# note",
    "-- dash",
    "++ plus",
    "@at",
    "\\ end",
]
lines = st.builds(
    lambda depth, word: "    " * depth + word if word else word, st.integers(0, 2), st.sampled_from(WORDS)
)
distinct = st.integers(0, 400).map(lambda n: "    " * (n % 3) + f"item_{n} = {n * n}")
endings = st.sampled_from(["\n", "\r\n"])


@st.composite
def versions(draw: st.DrawFn, line: st.SearchStrategy[str] = lines | distinct, unique: bool = False) -> tuple[str, str]:
    """A text and the same text after a few edits; one line ending throughout, the last one there or not in each."""
    key: Callable[[str], str] = str.strip
    old = draw(st.lists(line, min_size=2, max_size=40, unique_by=key if unique else None))
    new = list(old)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(new)))
        new[at : at + draw(st.integers(0, 3))] = draw(st.lists(line, max_size=3))
    end = draw(endings)
    before = end.join(old) + (end if draw(st.booleans()) else "")
    after = end.join(new) + (end if new and draw(st.booleans()) else "")
    assume(before != after and before and after)
    return before, after


def diff_of(before: str, after: str, context: int = 3) -> str:
    """What git prints, made by the standard library alone."""
    said = [f"diff --git a/{PATH} b/{PATH}\n"]
    cut = [re.findall(r"[^\n]*\n|[^\n]+", text) for text in (before, after)]
    for row in difflib.unified_diff(*cut, f"a/{PATH}", f"b/{PATH}", n=context):
        said.append(row if row.endswith("\n") else row + "\n\\ No newline at end of file\n")
    return "".join(said)


def landed(text: str, before: str) -> Landed:
    return land(text, lambda path: before.encode() if path == PATH else None, POLICY)


def outcome(text: str, before: str) -> str | None:
    """The new text, None where the diff was refused."""
    try:
        changed = landed(text, before).changes
    except PatchError as error:
        assert str(error)
        return None
    assert list(changed) == [PATH]
    data = changed[PATH]
    assert data is not None
    return data.decode()


def hunk_headers(text: str, change: Callable[[re.Match[str]], str]) -> str:
    return re.sub(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", change, text, flags=re.MULTILINE)


def wrong_numbers(shift: int) -> Callable[[str], str]:
    return lambda text: hunk_headers(
        text, lambda m: f"@@ -{int(m[1]) + shift},{shift + 9} +{int(m[3]) + 2 * shift},3 @@"
    )


MANGLES: dict[str, Callable[[str], str]] = {
    "bare": lambda text: hunk_headers(text, lambda m: "@@"),
    "dots": lambda text: hunk_headers(text, lambda m: "@@ ... @@"),
    "no counts": lambda text: hunk_headers(text, lambda m: f"@@ -{m[1]} +{m[3]} @@"),
    "wrong counts": lambda text: hunk_headers(
        text, lambda m: f"@@ -{m[1]},{int(m[2] or 1) + 1} +{m[3]},{m[4] or 1} @@"
    ),
    "later": wrong_numbers(5),
    "same numbers": lambda text: hunk_headers(text, lambda m: "@@ -1,9 +1,7 @@"),
    "fence": lambda text: f"Here is the change:\n\n```diff\n{text.rstrip(chr(10))}\n```\n\nIt does:\n- less\n- more\n",
    "prose": lambda text: f"Some words.\n- a plan\n+ of two points\n\n{text}\nThat is all. Enjoy!\n",
    "no prefix": lambda text: text.replace(f"a/{PATH}", PATH).replace(f"b/{PATH}", PATH),
    "no git line": lambda text: text.partition("\n")[2],
    "crlf": lambda text: text.replace("\r\n", "\n").replace("\n", "\r\n"),
    "lf": lambda text: text.replace("\r\n", "\n"),
    "no last newline": lambda text: text.removesuffix("\n"),
    "blank context": lambda text: re.sub(r"^ (\r?)$", r"\1", text, flags=re.MULTILINE),
}


@given(versions(), st.integers(0, 4))
@settings(max_examples=150, deadline=None)
def test_a_real_diff_lands_exactly_or_is_refused(pair: tuple[str, str], context: int) -> None:
    before, after = pair
    assert outcome(diff_of(before, after, context), before) in (after, None)


@given(versions())
@settings(max_examples=150, deadline=None)
def test_a_real_diff_with_context_always_lands(pair: tuple[str, str]) -> None:
    before, after = pair
    text = diff_of(before, after)
    assume(all(re.search(r"^[- ].*\w", hunk.partition("\n")[2], re.MULTILINE) for hunk in text.split("\n@@")[1:]))
    assert outcome(text, before) == after


@given(versions(), st.lists(st.sampled_from(sorted(MANGLES)), min_size=1, max_size=5, unique=True))
@settings(max_examples=250, deadline=None)
def test_a_mangled_diff_lands_as_the_original_or_is_refused(pair: tuple[str, str], names: list[str]) -> None:
    before, after = pair
    text = diff_of(before, after)
    for name in names:
        text = MANGLES[name](text)
    assert outcome(text, before) in (after, None), text


@given(versions(distinct, unique=True), st.lists(st.sampled_from(sorted(MANGLES)), min_size=1, max_size=5, unique=True))
@settings(max_examples=150, deadline=None)
def test_a_mangled_diff_of_distinct_lines_always_lands(pair: tuple[str, str], names: list[str]) -> None:
    before, after = pair
    text = diff_of(before, after)
    for name in sorted(names, key=lambda name: name == "no last newline"):  # nothing may follow it
        text = MANGLES[name](text)
    assert outcome(text, before) == after, text


@given(versions(unique=True), st.sampled_from(["  ", "    ", "\t", "-2", "-4"]), st.booleans())
@settings(max_examples=250, deadline=None)
def test_uniform_drift_is_taken_back(pair: tuple[str, str], by: str, bare: bool) -> None:
    before, after = pair

    def moved(match: re.Match[str]) -> str:
        sign, rest = match[1], match[2]
        if not rest.strip():
            return match[0]
        return sign + (by + rest if not by.startswith("-") else rest[-int(by) :])

    head, _, body = diff_of(before, after).partition("\n@@")
    texts = re.findall(r"^[-+ ](.+)", body, re.MULTILINE)
    assume(not by.startswith("-") or all(t.startswith(" " * -int(by)) for t in texts if t.strip()))
    text = f"{head}\n@@" + re.sub(r"^([-+ ])(.+)$", moved, body, flags=re.MULTILINE)
    assert outcome(MANGLES["bare"](text) if bare else text, before) in (after, None), text


@given(versions(), st.sampled_from(["strip", "grow"]))
@settings(max_examples=150, deadline=None)
def test_trailing_blanks_do_not_matter(pair: tuple[str, str], way: str) -> None:
    before, after = (re.sub(r"(\w)$", r"\1  ", text, count=2, flags=re.MULTILINE) for text in pair)
    text = diff_of(before, after)
    assume(before != after and "\r" not in text)
    if way == "strip":
        text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    else:
        text = re.sub(r"^([-+ ](?!(--|\+\+) [ab]/).*)$", r"\1  ", text, flags=re.MULTILINE)
    got = outcome(MANGLES["bare"](text), before)
    assert got is None or bare(got) == bare(after), text


def bare(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip("\n").split("\n")]


@given(versions(unique=True))
@settings(max_examples=150, deadline=None)
def test_context_without_its_first_column_is_understood(pair: tuple[str, str]) -> None:
    before, after = pair
    assume(not re.search(r"^[-+@\\]", before, re.MULTILINE))  # without its column such a line means something else
    head, _, body = diff_of(before, after).partition("\n@@")
    assert outcome(f"{head}\n@@" + re.sub(r"^ ", "", body, flags=re.MULTILINE), before) in (after, None)


noise_line = st.sampled_from(
    ["@@", "@@ x", "```", "diff --git a/o b/o", "Then:", " pass", "", "*** End Patch", "\\ end", " "]
)


@given(versions(), st.lists(noise_line | lines, min_size=1, max_size=4), st.integers(0, 10_000))
@settings(max_examples=250, deadline=None)
def test_noise_never_lands_as_half_a_change(pair: tuple[str, str], said: list[str], at: int) -> None:
    """Lines thrown into a diff that carry no change of their own: all of the original lands, or nothing."""
    before, after = pair
    noise = "".join(line + "\n" for line in said if line[:1] not in ("+", "-"))
    rows = diff_of(before, after).splitlines(keepends=True)
    cut = at % (len(rows) + 1)
    text = "".join(rows[:cut]) + noise + "".join(rows[cut:])
    assert outcome(text, before) in (after, None), text


@given(versions())
@settings(max_examples=200, deadline=None)
def test_the_canonical_diff_lands_as_itself(pair: tuple[str, str]) -> None:
    before, after = pair
    try:
        first = landed(diff_of(before, after), before)
    except PatchError:
        return
    again = landed(first.diff, before)
    assert (again.diff, again.changes) == (first.diff, first.changes)


@given(versions(), st.lists(noise_line | lines, min_size=1, max_size=4), st.integers(0, 10_000))
@settings(max_examples=150, deadline=None)
def test_noise_inside_a_code_block_never_lands_as_half_a_change(
    pair: tuple[str, str], said: list[str], at: int
) -> None:
    before, after = pair
    assume("\n" == after[-1] == before[-1])
    noise = "".join(line + "\n" for line in said if line[:1] not in ("+", "-"))
    rows = ["```diff\n", *diff_of(before, after).splitlines(keepends=True), "```\n"]
    cut = at % (len(rows) + 1)
    text = "".join(rows[:cut]) + noise + "".join(rows[cut:])
    assert outcome(text, before) in (after, None), text
