"""`.autoresearch.toml` as a file: found, read strictly, and bound to the dataclasses of `config`."""

from __future__ import annotations

import hashlib
import re
import string
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from autogit.config.binding import bind, wrong
from autogit.config.model import FILENAME, Config, Llm
from autogit.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration with its place and exact text."""

    path: Path
    text: str
    config: Config

    @property
    def root(self) -> Path:
        return self.path.parent

    @property
    def hash(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the text."""
        return hash_of(self.text)


def hash_of(text: str) -> str:
    """Returns the name under which a configuration's text is kept and recorded."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def parse(text: str, source: str = FILENAME) -> Config:
    """The configuration that `text` holds. Raises ConfigError."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not valid TOML: {error}") from None
    if "train" not in table:
        raise ConfigError(
            f'{source}: [train] is missing; it needs at least: command = "python train.py --seed {{seed}}"'
        )
    config = bind(Config, table, "", source)
    _check(config, source)
    return config


def load(path: Path) -> ConfigFile:
    """Reads one file. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    return ConfigFile(path.resolve(), text, parse(text, path.name))


def find(start: Path) -> ConfigFile:
    """The configuration of `start` or of the nearest folder above it. Raises ConfigError where there is none.

    The walk goes past the root of an inner repository: from inside `workspace/` the outer file is found.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / FILENAME).is_file():
            return load(folder / FILENAME)
    raise ConfigError(f"no {FILENAME} in {start} or above it; make one with: autogit init")


def _check(config: Config, source: str) -> None:
    """What no single key can tell."""
    known = {"seed", "steps", "seconds", "out", "gpus", "python", "flops"}
    for key, command in (
        ("train.command", config.train.command),
        ("evaluate.command", config.evaluate.command),
        ("evaluate.audit", config.evaluate.audit),
        ("evaluate.holdout", config.evaluate.holdout),
        ("budget.command", config.budget.command),
        ("budget.check", config.budget.check),
        ("check.command", config.check.command),
    ):
        try:
            names = {name for _, name, _, _ in string.Formatter().parse(command) if name is not None}
        except ValueError:
            raise wrong(source, key, command, "balanced placeholders; write a literal brace twice: {{ }}") from None
        if names - known:
            raise wrong(source, key, command, f"the placeholders {', '.join(f'{{{n}}}' for n in sorted(known))}")
    if not config.train.command.strip():
        raise wrong(source, "train.command", config.train.command, "the command that trains")
    if config.evaluate.audit and not config.evaluate.command:
        raise wrong(source, "evaluate.audit", config.evaluate.audit, "evaluate.command beside it, to compare with")
    if not config.train.editable:
        raise wrong(source, "train.editable", list(config.train.editable), "at least one glob of files to change")
    for name, pattern in config.metric.patterns.items():
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise wrong(source, f"metric.patterns.{name}", pattern, f"a regular expression ({error})") from None
        if groups == 0:
            raise wrong(source, f"metric.patterns.{name}", pattern, "a group around the value: ([0-9.]+)")
    budgets = [
        n
        for n, v in (("steps", config.budget.steps), ("seconds", config.budget.seconds), ("flops", config.budget.flops))
        if v
    ]
    if len(budgets) > 1:
        raise wrong(
            source,
            f"budget.{budgets[1]}",
            getattr(config.budget, budgets[1]),
            f"one budget only, beside {budgets[0]} none",
        )
    if config.budget.compare == "step" and config.budget.seconds is None:
        raise wrong(source, "budget.compare", "step", "budget.seconds beside it, which the first run gets")
    if config.budget.compare == "step" and "{seconds}" in config.train.command:
        raise wrong(source, "budget.compare", "step", "a train.command without {seconds}: runs end by their step")
    if config.budget.flops and not config.budget.command:
        raise wrong(source, "budget.flops", config.budget.flops, "budget.command beside it, which prints the steps")
    for model in config.llm:
        _check_secrets(model, source)


def _check_secrets(model: Llm, source: str) -> None:
    """This text is kept in git: no key may stand in it. What is wrong is not repeated, it may be one."""
    url = urlsplit(model.base_url)
    plain = url.scheme in ("http", "https") and url.hostname and not ("@" in url.netloc or url.query or url.fragment)
    if model.base_url and not plain:
        raise ConfigError(
            f'{source}: llm.base_url of {model.model}: expected a server such as "http://localhost:8000/v1", without a'
            " user, a password or a query; a key belongs into the environment variable that llm.api_key_env names"
        )
    if not re.fullmatch(r"([A-Za-z_]\w*)?", model.api_key_env):
        raise ConfigError(
            f"{source}: llm.api_key_env of {model.model}: expected the name of an environment variable, such as"
            ' "OPENAI_API_KEY"; the key itself belongs into that variable'
        )
