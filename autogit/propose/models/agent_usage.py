"""What an agent says of its tokens and their cost, where it prints them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from autogit.config.model import Agent
from autogit.propose.models.purse import priced
from autogit.records import Usage

_OWN = re.compile(r"^(input_tokens|output_tokens|cost): *([0-9.]+)\s*$", re.MULTILINE)
_AIDER_TOKENS = re.compile(r"^Tokens: ([\d.,]+[kM]?) sent,(?: [^\n]*?,)? ?([\d.,]+[kM]?) received", re.MULTILINE)
_AIDER_COST = re.compile(r"Cost: \$[\d.]+ message, \$([\d.]+) session")
_TOTAL = re.compile(r"^tokens used:?\s+([\d,]+)\s*$", re.MULTILINE | re.IGNORECASE)


def usage(output: str, seconds: float, agent: Agent) -> Usage:
    """Tokens and cost from an agent's output; 0 where it prints none. A cost that it prints goes before the prices.

    Understood are lines `input_tokens: N`, `output_tokens: N` and `cost: X` (a script's own words), the JSON of Claude
    Code (`--output-format json` or `stream-json`) and of Codex (`exec --json`), aider's `Tokens: 4.2k sent, 1.1k
    received. Cost: ...`, and Codex's `tokens used` (a sum, counted as input).
    """
    own: dict[str, float] = {}
    for name, value in _OWN.findall(output):
        own[name] = own.get(name, 0.0) + _number(value)
    sent, received = int(own.get("input_tokens", 0)), int(own.get("output_tokens", 0))
    cost = own.get("cost")
    for event in _events(output):
        if event.get("type") not in ("result", "turn.completed"):
            continue
        told = event.get("usage")
        told = told if isinstance(told, dict) else {}
        sent += sum(_whole(told.get(key)) for key in _INPUT)
        received += _whole(told.get("output_tokens"))
        dollars = event.get("total_cost_usd")
        if isinstance(dollars, int | float):
            cost = (cost or 0.0) + float(dollars)
    for one, other in _AIDER_TOKENS.findall(output):
        sent, received = sent + _scaled(one), received + _scaled(other)
    if sessions := _AIDER_COST.findall(output):
        cost = _number(sessions[-1])
    if not sent + received and (totals := _TOTAL.findall(output)):
        sent = _scaled(totals[-1])
    found = priced(sent, received, seconds, agent.price_input, agent.price_output)
    return found if cost is None else Usage(sent, received, seconds, cost)


_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


def _events(output: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of the output, one a line, or the whole of it."""
    for text in (*output.splitlines(), output if "\n" in output.strip() else ""):
        if not text.lstrip().startswith("{"):
            continue
        try:
            value = json.loads(text)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _scaled(text: str) -> int:
    unit = {"k": 1000, "M": 1_000_000}.get(text[-1], 1)
    return round(_number(text.rstrip("kM").replace(",", "")) * unit)
