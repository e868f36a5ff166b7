"""The parameters as they stand in the code, declared or discovered, and the edit that sets them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from autogit.config.ranges import by_name, by_value
from autogit.config.space import Domain, Space
from autogit.propose.search.literals import Kind, Place
from autogit.propose.search.places import places, written
from autogit.records import Value


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the space with its present value and every literal that holds it."""

    name: str
    domain: Domain
    value: Value | None
    places: tuple[Place, ...]
    """More than one where the same value is given twice on the same level (two scripts with one constant)."""


@dataclass(frozen=True, slots=True)
class Found:
    """What of a space is in the code."""

    parameters: Mapping[str, Parameter]
    context: Mapping[str, Value]
    """Present values of all parameters and of what else the constraints name."""
    problems: tuple[str, ...]
    """A sentence for each parameter that cannot be searched: not found, or ambiguous."""

    def allowed(self, space: Space, values: Mapping[str, Value]) -> bool:
        """Whether the constraints hold once `values` are set."""
        merged = {**self.context, **values}
        # A constraint cannot spell `optimizer.lr`, so it says `lr`.
        return space.allows({**{name.rpartition(".")[2]: value for name, value in merged.items()}, **merged})


def find(space: Space, files: Mapping[str, str], command: str = "") -> Found:
    """Looks up every parameter of `space` in `files` (path -> text).

    Of several places that answer to a name, those in a file that the training `command` names go first (the last
    named, since it overrides), then the kind of place decides. Equal values on one level are one parameter;
    different ones are ambiguous, until `file` in the configuration or a dotted name tells them apart.
    """
    everywhere = [place for path, text in files.items() for place in places(path, text)]
    rank = {path: _rank(path, command) for path in files}
    parameters, problems = {}, []
    for name, domain in space.parameters.items():
        where = [p for p in everywhere if p.answers_to(name) and (not domain.file or p.path == domain.file)]
        best = _first(where, rank)
        if fixed(name, command):
            problems.append(
                f"parameter {name} is set on the command line, so what the code says has no effect; it is left alone "
                "(take it off train.command and it can be searched)"
            )
        elif not best:
            place = f"in {domain.file}" if domain.file else "in the editable files"
            problems.append(f"parameter {name} is not found {place}; it is left alone")
        elif len({repr(place.value) for place in best}) > 1:
            listed = ", ".join(f"{place} ({place.value})" for place in best[:4])
            problems.append(
                f"parameter {name} has several values: {listed}; it is left alone "
                f'(say which one: {name} = {{ ..., file = "{best[0].path}" }} or a dotted name)'
            )
        else:
            parameters[name] = Parameter(name, domain, best[0].value, tuple(best))
    context = {name: p.value for name, p in parameters.items() if p.value is not None}
    for name in _constrained(space) - {n.rpartition(".")[2] for n in parameters}:
        best = _first([p for p in everywhere if p.answers_to(name)], rank)
        if best and best[0].value is not None and len({repr(place.value) for place in best}) == 1:
            context[name] = best[0].value
    return Found(parameters, context, tuple(problems))


def fixed(name: str, command: str) -> bool:
    """Whether `command` sets the parameter itself: `--lr 0.1`, `--lr=0.1`, `optimizer.lr=0.1`, `LR=0.1 python ...`."""
    spelled = re.escape(name.rpartition(".")[2]).replace("_", "[-_]")
    return (
        re.search(rf"(?<!\S)(?:--?(?:[\w.]+\.)?{spelled}[=\s]|\+{{0,2}}(?:[\w.]+\.)?{spelled}=)", command) is not None
    )


def without_unread(found: Found, files: Mapping[str, str], older: Iterable[Mapping[str, str]]) -> Found:
    """`found` without the parameters that the code read once, in the files of an `older` main, and reads no more.

    What it never read may be read by files that nobody may edit.
    """
    unread = {name for name, parameter in found.parameters.items() if not _is_read(parameter, files)}
    if unread:
        earlier = list(older)
        unread = {name for name in unread if any(_is_read(found.parameters[name], each) for each in earlier)}
    problems = tuple(f"parameter {name} is read by nothing any more; it is left alone" for name in sorted(unread))
    kept = {name: parameter for name, parameter in found.parameters.items() if name not in unread}
    return replace(found, parameters=kept, problems=(*found.problems, *problems)) if unread else found


def _is_read(parameter: Parameter, files: Mapping[str, str]) -> bool:
    """Whether its name is read anywhere; taken for granted unless it is a constant or a field of Python code."""
    own = {place.path for place in parameter.places}
    plain = all(place.kind in (Kind.SETTING, Kind.FIELD, Kind.LOCAL) for place in parameter.places)
    if not plain or not all(path.endswith(".py") for path in own):
        return True
    word = parameter.places[0].name[-1]
    return any(_reads(text, word) for text in files.values())


@lru_cache(maxsize=4096)
def _reads(text: str, word: str) -> bool:
    if not re.search(rf"\b{re.escape(word)}\b", text):
        return bool(_BY_NAME.search(text))
    if _BY_NAME.search(text):
        return True
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return True
    # An option is named in a text ("--learning-rate"), and so is what `getattr` looks up.
    spellings = {word, word.replace("_", "-"), f"--{word}", f"--{word.replace('_', '-')}"}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name, ctx=ast.Load()) if name == word:
                return True
            case ast.ImportFrom(names=aliases) if any(alias.name in (word, "*") for alias in aliases):
                return True
            case ast.Constant(value=str(value)) if value in spellings:
                return True
            case _:
                pass
    return False


_BY_NAME = re.compile(r"\bglobals\(|\blocals\(|\bvars\(|\bexec\(|__dict__|\basdict\(|\bfields\(|\bgetattr\(")
"""Code that may read any name."""


def edited(found: Found, files: Mapping[str, str], values: Mapping[str, Value]) -> dict[str, str] | None:
    """The files that change when `values` are set, with their new text; None if a value cannot be written."""
    by_path: dict[str, dict[Place, Value]] = {}
    for name, value in values.items():
        for place in found.parameters[name].places:
            by_path.setdefault(place.path, {})[place] = value
    result = {}
    for path, edits in by_path.items():
        text = written(files[path], edits)
        if text is None:
            return None
        result[path] = text
    return result


def fitting(value: Value, present: Value | None) -> Value:
    """`value` as the code spells its kind: 1 is written 1.0 where a float stands, True stays True."""
    if isinstance(present, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def same(a: Value | None, b: Value | None) -> bool:
    """Whether two values mean the same: 1 and 1.0 do, True and 1 do not, 0.1 + 0.2 and 0.3 do."""
    return normal(a) == normal(b)


def normal(value: Value | None) -> object:
    """A hashable form of a value that is equal for values that mean the same."""
    if isinstance(value, tuple):
        return tuple(normal(item) for item in value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(f"{value:.12g}")
    return (type(value).__name__, value)


def _first(where: list[Place], rank: Mapping[str, int]) -> list[Place]:
    """The places of the highest standing, each span once."""
    if not where:
        return []
    top = min((rank[p.path], p.kind) for p in where)
    return list({(p.path, p.start): p for p in where if (rank[p.path], p.kind) == top}.values())


def _rank(path: str, command: str) -> int:
    """Lower for a file that the command names: `python train.py`, `-m package.train`, `--config base.yaml`."""
    spellings = (path, path.removesuffix(".py").replace("/", "."))
    names = [re.escape(part) for spelling in spellings for part in _tails(spelling)]
    hits = list(re.finditer(rf"(?<![\w./-])(?:\./)?(?:{'|'.join(names)})(?![\w./-])", command))
    return -hits[-1].start() - 1 if hits else 0


def _tails(path: str) -> list[str]:
    """The path and what is left of it seen from its inner folders: the command may start in one of them."""
    parts = path.split("/")
    return ["/".join(parts[i:]) for i in range(len(parts))]


def _constrained(space: Space) -> set[str]:
    return {
        node.id
        for expression in space.constraints
        for node in ast.walk(ast.parse(expression, mode="eval"))
        if isinstance(node, ast.Name)
    }


# ---- discovery

MAX_DISCOVERED = 24
"""Constants; a search over more of them would not end. The first ones in the code are taken."""
FEW_CONSTANTS = 3
"""Constants at the top of the code below which literals inside functions and calls are searched, too."""


def widened(space: Space, files: Mapping[str, str], command: str) -> Space:
    """`space` with what is discovered in the code, if it asks for that; declared parameters stay as they are."""
    if not space.discovers:
        return space
    declared = find(space, files, command).parameters.values()
    taken = {(place.path, place.start) for parameter in declared for place in parameter.places}
    chosen: dict[str, Domain] = {}
    for sensibly in (sensible, _sensible_inside):
        candidates: dict[str, Domain] = {}
        for path, text in files.items():
            for place in places(path, text):
                domain = None if (place.path, place.start) in taken else sensibly(place)
                if domain is not None and place.name[-1] not in {**space.parameters, **chosen}:
                    candidates.setdefault(place.name[-1], domain)
        # A name with several values has no one place; a declared name goes before a discovered one.
        for name, parameter in find(Space(candidates), files, command).parameters.items():
            domain = sensibly(parameter.places[0])
            if domain is not None and not taken & {(place.path, place.start) for place in parameter.places}:
                chosen[name] = domain
        if len(chosen) >= FEW_CONSTANTS:
            break
    return replace(space, parameters={**space.parameters, **dict(list(chosen.items())[:MAX_DISCOVERED])})


def sensible(place: Place) -> Domain | None:
    """Where to search around a constant, by its name and value; None for what is not worth it or not safe to change."""
    return by_value(place.name[-1], place.value) if place.kind in (Kind.SETTING, Kind.FIELD) else None


def _sensible_inside(place: Place) -> Domain | None:
    """The same for a literal inside a function or a call, if its name says what it does."""
    if place.kind in (Kind.SETTING, Kind.FIELD):
        return None
    return by_name(place.name[-1], place.value, place.kind is Kind.ARGUMENT)
