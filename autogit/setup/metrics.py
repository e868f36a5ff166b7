"""The metrics that a script prints, found by reading its print statements as the loop will read their output."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from autogit.evaluate.lines import parse_line
from autogit.setup.frameworks import reported
from autogit.setup.surroundings import parsed, strings

SAMPLE = "0.5"
"""Stands for every number that is known only when the script runs."""
_UP = (
    "acc", "accuracy", "f1", "auc", "auroc", "roc_auc", "r2", "score", "precision", "recall", "iou", "miou", "map",
    "bleu", "rouge", "reward", "return", "psnr", "ssim", "correct", "kappa", "mcc", "ndcg", "hit", "likelihood", "top1",
    "top5", "dice", "em", "win_rate",
)  # fmt: skip
_DOWN = (
    "loss", "error", "err", "rmse", "mse", "mae", "nll", "ppl", "perplexity", "bpb", "bpc", "bits", "wer", "cer", "fid",
    "cross_entropy", "bits_per_byte", "deviance", "logloss", "rmsle", "mape", "regret", "cost",
)  # fmt: skip
_HELD_OUT = ("val", "valid", "validation", "dev", "eval", "heldout", "cv", "oof")
_TEST = ("test", "holdout")
_NOT = (
    "train",
    "training",
    "lr",
    "grad",
    "norm",
    "time",
    "sec",
    "seconds",
    "ms",
    "eta",
    "mem",
    "memory",
    "fold",
    "batch",
)
_LOGGING = ("debug", "info", "warning", "error", "critical", "log", "write", "echo")
_CONVERSION = re.compile(r"%(?:\((\w+)\))?[-+ #0]*\d*(?:\.\d+)?[diouxXeEfFgGrs]")


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


def printed(text: str, path: str) -> list[Printed]:
    """The metrics of the Python file `path`, the likeliest first; each name once."""
    tree = parsed(text)
    if tree is None:
        return []
    prefix = _prefix(tree)
    found: dict[str, Printed] = {}
    for depth, call in _calls(tree, 0):
        message = _message(call)
        if message is None:
            continue
        logged = isinstance(call.func, ast.Attribute) and call.func.attr in _LOGGING[:6]
        for line in message.splitlines():
            for name in parse_line(prefix.replace("\0", line) if logged else line).values:
                metric = _metric(name, f"{path}:{call.lineno}", (depth, -call.lineno))
                if metric is not None and (name not in found or metric.order < found[name].order):
                    found[name] = metric
    for name, number in reported(tree):
        metric = _metric(name, f"{path}:{number}", (0, -number))
        if metric is not None:
            found.setdefault(metric.name, metric)
    return sorted(found.values(), key=lambda metric: metric.order)


def direction(name: str) -> Literal["min", "max"] | None:
    """Which way is better, as far as the name tells: whole words of it, the last one first."""
    words = name.lower().replace("/", "_").replace(".", "_").replace("-", "_").replace("@", "_").split("_")
    if len(words) > 1 and "_".join(words[-2:]) in (*_UP, *_DOWN):
        return "max" if "_".join(words[-2:]) in _UP else "min"
    for word in reversed(words):
        if word in _UP or word in _DOWN:
            return "max" if word in _UP else "min"
    return None


def _metric(name: str, place: str, nearness: tuple[int, int]) -> Printed | None:
    words = re.split(r"[^a-z0-9]+", name.lower())
    known = direction(name)
    if any(word in _NOT for word in words) or (known is None and not any(w in _HELD_OUT + _TEST for w in words)):
        return None
    held = 0 if any(w in _HELD_OUT for w in words) else 2 if any(w in _TEST for w in words) else 1
    # A plain `loss` in a loop is the training loss; `accuracy` in a closing line is what the script is for.
    running = name == "loss" and nearness[0] > 0
    return Printed(name, known or "min", known is not None, place, (running, held, known is None, *nearness))


def _calls(node: ast.AST, depth: int) -> Iterator[tuple[int, ast.Call]]:
    """Every call with how many loops it is in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield depth, child
        yield from _calls(child, depth + isinstance(child, ast.For | ast.While | ast.AsyncFor))


def _message(call: ast.Call) -> str | None:
    """What a call prints, with a sample for each value that is not known; None where it prints nothing."""
    match call.func:
        case ast.Name(id="print"):
            return " ".join(map(_text, call.args))
        case ast.Attribute(attr=attr) if attr in _LOGGING and call.args:
            template = _text(call.args[0])
            return _CONVERSION.sub(SAMPLE, template) if len(call.args) > 1 else template
    return None


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=value):
            return str(value)
        case ast.JoinedStr(values=values):
            return "".join(map(_text, values))
        case ast.BinOp(left=ast.Constant(value=str(template)), op=ast.Mod()):
            return _CONVERSION.sub(SAMPLE, template)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(template)), attr="format")):
            return re.sub(r"\{[^{}]*\}", SAMPLE, template)
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
