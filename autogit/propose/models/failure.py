"""What a failed call to a model means: whether it may pass, and what to tell the person."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from autogit.config.model import Llm
from autogit.propose.models.prompt_quote import inline

LONGEST_WAIT = 120.0
"""Seconds that a server may ask to be left alone; beyond that the loop goes on without it."""
_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_balance")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call failed."""

    reason: str
    final: bool
    """Trying again in this loop cannot help."""
    wait: float | None = None
    """Seconds that the server asks to wait."""


def failure(error: Exception, model: Llm, redacted: Callable[[str], str]) -> Failure:
    """What an error of the openai library means for this model. `redacted` takes the key out of a server's words.

    A message about the key never repeats what the server says of it, since servers quote parts of keys.
    """
    import openai

    name, server = model.model, server_name(model)
    said = inline(redacted(str(error)), 300)  # first redacted: a key that is cut off would not be found
    match error:
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            hint = f"the key in ${model.api_key_env}" if model.api_key_env else "a call without a key (llm.api_key_env)"
            return Failure(f"{name}: {server} refuses {hint} (HTTP {error.status_code}); check it", True)
        case openai.APIError(code=code, type=kind) if code in _QUOTA or kind in _QUOTA:
            return Failure(f"{name}: the quota at {server} is used up: {said}", True)
        case openai.NotFoundError():
            return Failure(f"{name}: {server} does not know this model, or llm.base_url is wrong: {said}", True)
        case openai.APIStatusError(status_code=402):
            return Failure(f"{name}: the balance at {server} is used up: {said}", True)
        case openai.RateLimitError():
            wait = _wait(error)
            if wait is not None and wait > LONGEST_WAIT:
                return Failure(f"{name}: {server} limits the rate and asks to wait {wait:.0f} s", True)
            return Failure(f"{name}: {server} limits the rate: {said}", False, wait)
        case openai.APIStatusError(status_code=status) if status < 500 and status not in (408, 409, 425):
            return Failure(f"{name}: {server} does not accept the request (HTTP {status}): {said}", True)
        case openai.APIStatusError():
            wait = _wait(error)
            return Failure(f"{name}: {server} fails: {said}", False, wait if wait and wait <= LONGEST_WAIT else None)
        case TimeoutError() | openai.APITimeoutError():
            return Failure(f"{name}: {server} gave no whole answer in time (llm.timeout: {model.timeout:g} s)", False)
        case openai.APIConnectionError():
            return Failure(f"{name}: {server} cannot be reached or dropped the connection", False)
    return Failure(f"{name}: {server} gives no proper answer: {said}", False)


def server_name(model: Llm) -> str:
    """The server's host and port, without credentials that a URL may hold."""
    if not model.base_url:
        return "OpenAI's server"
    return re.sub(r"^.*@", "", urlsplit(model.base_url).netloc) or inline(model.base_url, 60)


def _wait(error: object) -> float | None:
    """The server's `retry-after`, in seconds."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if re.fullmatch(r"\d+(\.\d*)?", value := headers.get(name, "")):
            return float(value) * unit
    return None
