"""Whether the models and the agent that the configuration names can make proposals."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator, Mapping

from autogit.config.model import Agent, Config, Llm
from autogit.propose.models import check
from autogit.setup.doctor.findings import Finding, State


def models(config: Config, files: Mapping[str, str]) -> Iterator[Finding]:
    """Asks each server for its models and one word, looks for keys and the agent; `files` are the editable ones."""
    for model in config.llm:
        yield from _model(model, files)
    if config.agent.command:
        yield _agent(config.agent)


def _model(model: Llm, files: Mapping[str, str]) -> Iterator[Finding]:
    where = model.base_url or "OpenAI"
    if variable := check.missing_key(model):
        text = (
            f'{model.model} at {where}: ${variable} is not set; export it, or set api_key_env = "" if no key is needed'
        )
        yield Finding("llm", State.WRONG, text)
    elif why := check.answers(model):
        served = check.served(model)
        hint = f"; the server has {', '.join(served[:8])}" if served and model.model not in served else ""
        yield Finding("llm", State.WRONG, f"{why}{hint}")
    else:
        yield Finding("llm", State.GOOD, f"{model.model} at {where} answers")
    size = sum(check.size(text) for text in files.values())
    if size > model.context:
        text = f"the editable files are about {size:,} tokens, and llm.context = {model.context}: raise it, or name "
        yield Finding("llm", State.NOTE, f"{text}fewer files in train.editable")


def _agent(agent: Agent) -> Finding:
    try:
        words = shlex.split(agent.command)
    except ValueError:
        words = agent.command.split()
    # `NAME=value` before a program sets its environment.
    program = next((word for word in words if not re.fullmatch(r"\w+=.*", word)), "")
    if shutil.which(program) is None and not re.search(r"[;&|$(]", program):
        return Finding("agent", State.WRONG, f"{program} of agent.command is not there; install it, or name its path")
    return Finding("agent", State.GOOD, f"{program} is there, and makes proposals in a copy of the files")
