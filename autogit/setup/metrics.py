"""The metrics that a script prints, found by reading its print statements as the loop will read their output."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from autogit.evaluate.lines import normalised, parse_line
from autogit.setup.surroundings import parsed, strings

SAMPLE = "0.5"
"""Stands for every number that is known only when the script runs."""
_UP = (
    "acc", "accuracy", "f1", "auc", "auroc", "roc_auc", "r2", "score", "precision", "recall", "iou", "miou", "map",
    "bleu", "rouge", "reward", "rewards", "return", "returns", "psnr", "ssim", "correct", "kappa", "mcc", "ndcg", "hit",
    "likelihood", "top1", "top5", "prec1", "prec5", "dice", "em", "win_rate", "map50", "elbo",
)  # fmt: skip
_DOWN = (
    "loss", "error", "err", "rmse", "mse", "mae", "nll", "ppl", "perplexity", "bpb", "bpc", "bits", "wer", "cer", "fid",
    "cross_entropy", "bits_per_byte", "deviance", "logloss", "mlogloss", "rmsle", "mape", "regret", "cost", "losses",
)  # fmt: skip
_HELD_OUT = ("val", "valid", "validation", "dev", "eval", "heldout", "cv", "oof")
_TEST = ("test", "holdout")
_TRAINING = ("train", "training", "tr")
_NOT = (
    "lr", "grad", "norm", "time", "sec", "seconds", "ms", "eta", "mem", "memory", "fold", "batch", "last", "estimated",
    "target", "threshold", "max", "min", "aux", "possible", "type", "handling",
)  # fmt: skip
_MOST_BETWEEN = 10
"""Words between a metric's own and its number in a sentence."""
_MODIFIERS = (
    *_HELD_OUT, *_TEST, *_TRAINING, "running", "average", "avg", "mean", "best", "final", "top", "episode", "episodic",
    "total", "macro", "micro", "weighted", "balanced", "cross", "squared", "absolute", "overall", "generator",
    "discriminator",
)  # fmt: skip
"""Words before a metric's own that belong to its name."""
_SENTENCE = {
    "the", "of", "is", "was", "now", "with", "new", "our", "my", "a", "an", "on", "in", "for", "to", "and", "this",
    "that", "are", "so", "far", "by", "from", "after", "at", "as", "model", "network", "set", "data", "got", "current",
}  # fmt: skip
_COUNTERS = {
    "iteration", "iterations", "iter", "epoch", "epochs", "step", "steps", "batch", "batches", "round", "rounds",
    "episode", "episodes", "generation", "fold", "update", "updates", "after",
}  # fmt: skip
"""Words before a number that only counts: "loss after iteration 500: 0.07"."""
_SCORERS = {
    "accuracy_score": "accuracy", "balanced_accuracy_score": "balanced_accuracy", "f1_score": "f1", "r2_score": "r2",
    "roc_auc_score": "roc_auc", "mean_squared_error": "mse", "root_mean_squared_error": "rmse", "log_loss": "logloss",
    "mean_absolute_error": "mae", "average_precision_score": "average_precision", "score": "score",
    "cross_val_score": "cv_score", "matthews_corrcoef": "mcc",
}  # fmt: skip
"""What scikit-learn's functions give, for a number that is printed without a name."""
_LOGGING = (
    "debug", "info", "warning", "error", "critical", "log", "write", "echo", "print", "set_description", "secho",
    "set_description_str", "set_postfix_str", "print_on_rank0", "rank_zero_info",
)  # fmt: skip
_LOGGERS = ("debug", "info", "warning", "error", "critical", "log")
_PLAIN = ("mean", "item", "data", "detach", "numpy", "cpu", "float", "sum", "min", "max")
"""Methods that a number is printed by."""
_CONVERSION = re.compile(r"%(?:\((\w+)\))?[-+ #0]*\d*(?:\.\d+)?[diouxXeEfFgGrs]")
_NUMBER = r"([-+]?(?:[0-9.]+(?:[eE][-+]?[0-9]+)?|nan|inf))"
_PERIODIC = re.compile(
    r"%|rank|master|main_process|verbose|log|print|debug|quiet|display|__name__|eval|val|test|args\.|epoch|step"
)


@dataclass(frozen=True, slots=True)
class Printed:
    """A number that a script prints, under the name that the loop will know it by."""

    name: str
    direction: Literal["min", "max"]
    sure: bool
    """Whether the direction follows from the name; else it is only the more frequent one."""
    place: str
    """Where it is printed: `train.py:90`."""
    order: tuple[int, ...]
    """How likely it is what the research is about: the smaller, the likelier."""
    pattern: str = ""
    """A regular expression for a line that the loop would read under another name: a sentence, a number alone."""
    training: bool = False
    """Whether it is measured on what is trained on, by its name."""


def printed(text: str, path: str, helpers: Sequence[str] = ()) -> list[Printed]:
    """The metrics of the Python file `path`, the likeliest first; each name once.

    `helpers`: functions of the project that print what they are given (see `printers`).
    """
    tree = parsed(text)
    if tree is None:
        return []
    prefix = _prefix(tree)
    texts = _assigned(tree)
    found: dict[str, Printed] = {}
    for call, depth, guarded in _calls(tree, 0, 0):
        for message in _messages(call, helpers, texts):
            logged = isinstance(call.func, ast.Attribute) and call.func.attr in _LOGGERS
            for line in message.splitlines():
                shown = prefix.replace("\0", line) if logged else line
                where, near = f"{path}:{call.lineno}", (guarded, depth, -call.lineno)
                spoken = dict(_sentences(line))
                for name, pattern in spoken.items():
                    _keep(found, _metric(name, where, near, pattern))
                # Both parts of a fraction are counts.
                for name in parse_line(shown.replace(f"{SAMPLE}/{SAMPLE}", "5/10")).values:
                    # Beside a sentence, a name that says nothing is a part of it.
                    said = direction(name) is None or any(word in _SENTENCE for word in _words(name))
                    if not (spoken and said):
                        _keep(found, _metric(name, where, near))
        _keep(found, _bare(call, path, (guarded, depth, -call.lineno)))
    for name, number in reported(tree):
        _keep(found, _metric(normalised(name), f"{path}:{number}", (0, 0, -number)))
    return sorted(found.values(), key=lambda metric: metric.order)


def printed_by(files: Sequence[str], texts: Mapping[str, str]) -> list[Printed]:
    """The metrics of a script (the first of `files`) and of what it imports, the likeliest first; each name once."""
    helpers = printers(texts[path] for path in files if path in texts)
    found: dict[str, Printed] = {}
    for far, path in enumerate(files):
        for metric in printed(texts.get(path, ""), path, helpers):
            _keep(found, replace(metric, order=(*metric.order[:3], min(far, 1), *metric.order[3:])))
    return sorted(found.values(), key=lambda metric: metric.order)


def printers(texts: Iterator[str] | Sequence[str]) -> tuple[str, ...]:
    """The functions and methods that print one of their parameters: a project's own `log(...)`."""
    found = set()
    for tree in filter(None, map(parsed, texts)):
        for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
            names = {a.arg for a in (*function.args.args, *function.args.kwonlyargs, function.args.vararg) if a} - {
                "self"
            }
            if any(_hands_on(call, names) for call in ast.walk(function) if isinstance(call, ast.Call)):
                found.add(function.name)
    return tuple(sorted(found - {"main", "train", "test", "evaluate", "forward", "__init__"}))


def direction(name: str) -> Literal["min", "max"] | None:
    """Which way is better, as far as the name tells: whole words of it, the last one first."""
    words = _words(name)
    if len(words) > 1 and "_".join(words[-2:]) in (*_UP, *_DOWN):
        return "max" if "_".join(words[-2:]) in _UP else "min"
    for word in reversed(words):
        if word in _UP or word in _DOWN:
            return "max" if word in _UP else "min"
    return None


def reported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(name, line) of each metric that libraries print by themselves, as their own output spells it."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    imported = {name.split(".")[0] for node in ast.walk(tree) for name in _modules(node)}
    for call in calls:
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        match call.func:
            case ast.Attribute(attr="fit") if imported & {"keras", "tensorflow", "tf_keras"}:
                if given.keys() & {"validation_data", "validation_split"}:
                    yield "val_loss", call.lineno
                    yield from ((f"val_{name}", call.lineno) for name in _compiled(calls))
            case ast.Attribute(attr="evaluate") if "transformers" in imported:
                yield "eval_loss", call.lineno
            case ast.Attribute(attr="set_postfix"):
                yield from ((k, call.lineno) for k in given if k)
                yield from ((str(k.value), call.lineno) for a in call.args if isinstance(a, ast.Dict)
                            for k in a.keys if isinstance(k, ast.Constant))  # fmt: skip
            case ast.Attribute(value=ast.Name(id="self"), attr="log") if call.args:
                match call.args[0], given.get("prog_bar"):
                    case ast.Constant(value=str(name)), ast.Constant(value=True):
                        yield name, call.lineno
                    case ast.Constant(value=str(name)), _ if name.startswith("test"):
                        # Lightning prints what a test step logs as a table at its end.
                        yield name, call.lineno
            case ast.Name(id="AverageMeter") if call.args and isinstance(call.args[0], ast.Constant):
                yield str(call.args[0].value), call.lineno
            case ast.Attribute(attr="train") if imported & {"xgboost", "xgb"} and "evals" in given:
                sets = [
                    n.value
                    for n in ast.walk(given["evals"])
                    if isinstance(n, ast.Constant) and isinstance(n.value, str)
                ]
                for name in _evaluated(tree):
                    yield from ((f"{data}-{name}", call.lineno) for data in sets)
            case ast.Name(id="classification_report") | ast.Attribute(attr="classification_report"):
                if not given.get("output_dict"):
                    yield "accuracy", call.lineno


def unprinted(texts: Sequence[str]) -> str:
    """Where a script's numbers go if they are not printed: "TensorBoard" or the like; "" if nowhere that is known."""
    known = {r"\.add_scalar\(|SummaryWriter\(": "TensorBoard", r"\bwandb\.log\(": "Weights & Biases",
             r"\blog_metrics?\(": "a tracker", r"\bself\.log(_dict)?\(": "Lightning's logger"}  # fmt: skip
    return next((name for pattern, name in known.items() if any(re.search(pattern, t) for t in texts)), "")


def _keep(found: dict[str, Printed], metric: Printed | None) -> None:
    if metric is not None and (metric.name not in found or metric.order < found[metric.name].order):
        found[metric.name] = metric


def _metric(name: str, place: str, nearness: tuple[int, int, int], pattern: str = "") -> Printed | None:
    """`nearness`: (in a condition, loops around it, minus its line)."""
    words = _words(name)
    short = name
    known = direction(short)
    if any(word in _NOT for word in words) or (
        known is None and (len(words) < 2 or not any(w in _HELD_OUT + _TEST for w in words))
    ):
        return None
    training = any(word in _TRAINING for word in words)
    held = 0 if any(w in _HELD_OUT for w in words) else 3 if training else 2 if any(w in _TEST for w in words) else 1
    # A plain `loss` is the training loss; `accuracy` in a closing line is what the script is for.
    running = short == "loss" or training
    # Of the best one and the best five, the best one is what people compare.
    second = known is None or words[-1] in ("5", "top5", "prec5")
    order = (running + training, nearness[0], held, second, *nearness[1:])
    return Printed(short, known or "min", known is not None, place, order, pattern, training)


def _sentences(line: str) -> Iterator[tuple[str, str]]:
    """(name, pattern) of each number that a sentence leads to: `running_reward` of "Running reward is now 0.5"."""
    start = counted = 0
    for number in re.finditer(re.escape(SAMPLE), line):
        text, begin = line[start : number.start()], start
        if (words := _words(line[max(start, counted) : number.start()])) and words[-1] in _COUNTERS:
            counted = number.end()
            continue
        start = number.end()
        # What another sign parts from it belongs to something else; a count in between leads nowhere.
        text = text.replace(SAMPLE, " " * len(SAMPLE))
        cut = max((m.end() for m in re.finditer(r"[|;\t!?\]]|,\s|\. ", text)), default=0)
        spoken = [(m[0].lower(), begin + cut + m.start()) for m in re.finditer(r"[A-Za-z][\w@]*", text[cut:])]
        if not any(word in _SENTENCE for word, _ in spoken):
            continue
        last = next((i for i in reversed(range(len(spoken))) if spoken[i][0] in (*_UP, *_DOWN)), None)
        if last is None or len(spoken) - last > _MOST_BETWEEN:
            continue
        before = [word for word, _ in spoken[:last] if word in _MODIFIERS]
        after = [word for word, _ in spoken[last + 1 :] if word in (*_HELD_OUT, *_TEST, *_TRAINING)]
        first = next((at for word, at in spoken[: last + 1] if word in before), spoken[last][1])
        name = "_".join(dict.fromkeys([*after, *before, spoken[last][0]]))
        between = line[first : number.start()].split(SAMPLE)
        literal = r"[\d.]+".join(re.sub(r"(?:\\\s|\s)+", lambda _: r"\s*", re.escape(part)) for part in between)
        yield name, rf"(?i)\b{literal}{_NUMBER}"


def _bare(call: ast.Call, path: str, nearness: tuple[int, int, int]) -> Printed | None:
    """`print(accuracy_score(...))`, `print(t, loss.item())`: a number that only a pattern can give a name."""
    if not (isinstance(call.func, ast.Name) and call.func.id == "print" and call.args and not call.keywords):
        return None
    if any(isinstance(n, ast.Constant) and isinstance(n.value, str) for a in call.args for n in ast.walk(a)):
        return None
    value = call.args[-1]
    while isinstance(value, ast.Call):
        if isinstance(value.func, ast.Attribute) and value.func.attr in _PLAIN:
            value = value.func.value
        elif isinstance(value.func, ast.Name) and value.func.id in ("round", "float", "abs") and value.args:
            value = value.args[0]
        else:
            break
    called = _called(value.value if isinstance(value, ast.Subscript) else value)
    name = _SCORERS.get(called, "") if isinstance(value, ast.Call) else ""
    if not name and direction(called) is not None:
        name = normalised(re.sub(r"^(calculate|compute|calc|get|eval|evaluate|measure)_", "", called))
    found = _metric(name, f"{path}:{call.lineno}", nearness) if name else None
    before = r"\S+\s+" * (len(call.args) - 1)
    return None if found is None else replace(found, pattern=rf"^\s*{before}(?:tensor\()?\[*{_NUMBER}(?:\s*$|[,)\]])")


def _calls(node: ast.AST, depth: int, guarded: int) -> Iterator[tuple[ast.Call, int, int]]:
    """Every call with how many loops it is in, and whether it is made only if something is reached."""
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST):
                continue
            if isinstance(child, ast.Call):
                yield child, depth, guarded
            inside = guarded
            if isinstance(node, ast.If) and name in ("body", "orelse") and _rare(node.test):
                inside = 1
            if isinstance(child, ast.ExceptHandler):
                continue
            yield from _calls(child, depth + isinstance(child, ast.For | ast.While | ast.AsyncFor), inside)


def _rare(test: ast.expr) -> bool:
    """Whether a condition waits for a result, and is not one that comes true every so many steps."""
    text = ast.unparse(test)
    if any(isinstance(n, ast.Mod) for n in ast.walk(test)) or _PERIODIC.search(text):
        return False
    compared = any(isinstance(op, ast.Gt | ast.Lt | ast.GtE | ast.LtE) for n in ast.walk(test)
                   if isinstance(n, ast.Compare) for op in n.ops)  # fmt: skip
    return compared or re.search(r"best|solved|improved|stop|converged", text) is not None


def _messages(call: ast.Call, helpers: Sequence[str], texts: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    """What a call prints, with a sample for each value that is not known."""
    match call.func:
        case ast.Name(id="print"):
            for argument in call.args:
                if isinstance(argument, ast.Name):
                    yield from map(_text, texts.get(argument.id, ()))
            yield " ".join(map(_text, call.args))
        case ast.Attribute(attr=attr) if attr in _LOGGING and call.args:
            if isinstance(call.args[0], ast.Name):
                yield from map(_text, texts.get(call.args[0].id, ()))
            template = _text(call.args[0])
            if attr == "print":
                yield " ".join(map(_text, call.args))
            else:
                yield _CONVERSION.sub(SAMPLE, template) if len(call.args) > 1 else template
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in helpers:
            for argument in call.args:
                value = texts.get(argument.id, [argument])[-1] if isinstance(argument, ast.Name) else argument
                if _is_text(value):
                    yield _text(value)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or "%" in ast.unparse(node) or ".format(" in ast.unparse(node)


def _hands_on(call: ast.Call, names: set[str]) -> bool:
    """Whether a call prints something that one of `names` is in."""
    called = _called(call)
    if called not in ("print", "write", "info", "echo", "append"):
        return False
    return any(isinstance(n, ast.Name) and n.id in names for a in call.args for n in ast.walk(a)) and called != "append"


def _assigned(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """Texts that are put together in a variable first."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and (_is_text(node.value) or isinstance(node.value, ast.Dict)):
                found.setdefault(target.id, []).append(node.value)
    return found


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=value):
            return str(value)
        case ast.JoinedStr(values=values):
            return "".join(map(_text, values))
        case ast.BinOp(left=ast.Constant(value=str(template)), op=ast.Mod()):
            return _CONVERSION.sub(SAMPLE, template).replace("%%", "%")
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(template)), attr="format")):
            return re.sub(r"\{[^{}]*\}", SAMPLE, template)
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value=str(joint)), attr="join"), args=[ast.List(elts=parts)]
        ):
            return joint.join(map(_text, parts))
        case ast.Call(func=ast.Attribute(attr="dumps"), args=[ast.Dict() as table, *_]) | (ast.Dict() as table):
            keys = [key.value for key in table.keys if isinstance(key, ast.Constant)]
            return json.dumps({str(key): float(SAMPLE) for key in keys})
    return SAMPLE


def _prefix(tree: ast.Module) -> str:
    """What logging puts before a message; the message is at the NUL."""
    layout = next((text for text in strings(tree) if "%(message)s" in text), None)
    if layout is not None:
        samples = {"message": "\0", "asctime": "2026-01-01 00:00:00,000", "levelname": "INFO", "name": "train"}
        return _CONVERSION.sub(lambda found: samples.get(found[1] or "", "1"), layout)
    called = {n.func.attr for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)}
    return "INFO:root:\0" if "basicConfig" in called else "\0"


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def _called(node: ast.AST) -> str:
    function = node.func if isinstance(node, ast.Call) else node
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def _compiled(calls: list[ast.Call]) -> Iterator[str]:
    """The names that Keras's `compile(metrics=[...])` lists."""
    for call in calls:
        for keyword in call.keywords if isinstance(call.func, ast.Attribute) and call.func.attr == "compile" else ():
            if keyword.arg == "metrics":
                for node in ast.walk(keyword.value):
                    match node:
                        case ast.Constant(value=str(name)):
                            yield name


def _evaluated(tree: ast.AST) -> list[str]:
    """XGBoost's metrics: those that are named, else the one that goes with the objective."""
    said: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in ("eval_metric", "objective"):
                    said[str(key.value)] = [
                        n.value for n in ast.walk(value) if isinstance(n, ast.Constant) and isinstance(n.value, str)
                    ]
    if named := said.get("eval_metric"):
        return named
    objective = (said.get("objective") or [""])[0]
    return ["logloss" if objective.startswith("binary") else "mlogloss" if objective.startswith("multi") else "rmse"]
