"""Whether a configured model can be asked: its server's models, and one word of an answer."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

from autogit.config.model import Llm
from autogit.errors import ProposerError
from autogit.propose.models.client import Client, CostLimit, Message, Patience
from autogit.propose.models.quote import tokens

ANSWER_TOKENS = 16
"""Most tokens of the answer that is asked for: one would do, but some servers refuse to give fewer."""
SECONDS = 20.0
"""How long a server may take to answer."""
_HELLO = "Answer with one word: ready"


def missing_key(model: Llm) -> str:
    """Returns the environment variable that should hold the key and does not; empty if there is one, or none needed."""
    return model.api_key_env if model.api_key_env and not os.environ.get(model.api_key_env) else ""


def served(model: Llm) -> list[str] | None:
    """Returns the models that the server says it has; None if it does not say."""
    return _client(model).served()


def answers(model: Llm) -> str:
    """Asks for a word; returns why there was none, or nothing if one came."""
    try:
        _client(model).complete([Message(_HELLO, True)])
    except ProposerError as error:
        return str(error)
    return ""


def size(text: str) -> int:
    """Returns about how many tokens `text` is, as prompts are measured."""
    return tokens(text)


def _client(model: Llm) -> Client:
    key = os.environ.get(model.api_key_env, "") if model.api_key_env else ""
    brief = replace(model, max_tokens=ANSWER_TOKENS, timeout=min(model.timeout, SECONDS))
    return Client(brief, key, CostLimit(None), threading.Event(), Patience(attempts=1))
