"""Whether a configured model can be asked: its server's models, and one word of an answer."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

from autogit.config.model import Llm
from autogit.errors import ProposerError
from autogit.propose.models.chat import Chat, Message, Patience
from autogit.propose.models.prompt_quote import tokens
from autogit.propose.models.purse import Purse

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
    import openai

    try:
        return [each.id for each in _chat(model)._connected().models.list()]
    except (openai.OpenAIError, ValueError, TypeError, AttributeError):
        return None


def answers(model: Llm) -> str:
    """Asks for a word; returns why there was none, or nothing if one came."""
    try:
        _chat(model).complete([Message(_HELLO, True)])
    except ProposerError as error:
        return str(error)
    return ""


def size(text: str) -> int:
    """Returns about how many tokens `text` is, as prompts are measured."""
    return tokens(text)


def _chat(model: Llm) -> Chat:
    key = os.environ.get(model.api_key_env, "") if model.api_key_env else ""
    brief = replace(model, max_tokens=ANSWER_TOKENS, timeout=min(model.timeout, SECONDS))
    return Chat(brief, key, Purse(None), threading.Event(), Patience(attempts=1))
