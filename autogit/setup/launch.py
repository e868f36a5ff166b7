"""The command that starts a training script."""

from __future__ import annotations

import ast
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autogit.setup.commands import Command
from autogit.setup.imports import Closure, closure, module_of
from autogit.setup.options import Option, environment, options
from autogit.setup.surroundings import Surroundings, parsed, strings

PYTHON = "{python}"
"""The interpreter that runs autogit."""
UNKNOWN = "..."
"""Stands in a command for what only a person knows."""
SEEDS = (
    "seed",
    "random_seed",
    "random_state",
    "rng_seed",
    "manual_seed",
    "global_seed",
    "seed_everything",
    "randomseed",
)
FOLDERS = (
    "out", "out_dir", "outdir", "output", "output_dir", "save_dir", "checkpoint_dir", "ckpt_dir", "log_dir", "logdir",
    "run_dir", "save_path", "results_dir", "work_dir", "workdir", "hydra.run.dir",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Script:
    """A script that trains, and how it is started."""

    path: str
    """Empty if the command starts no Python file of the repository."""
    command: str
    """With placeholders."""
    seeded: bool
    """Whether the command hands the seed on."""
    gpus: int | None
    """GPUs of one run, if it is started for several."""
    origin: str
    """Where the command comes from, in words."""
    folder: str
    """Where it is started; "" is the folder that was looked at."""
    doubts: tuple[str, ...]


def started(path: str, around: Surroundings, told: Sequence[Command]) -> Script:
    """How the script at `path` is started from the folder: as the project says it, else as Python needs it."""
    tree = parsed(around.texts[path]) or ast.Module([], [])
    made_of = closure(path, around.texts)
    found = taken(path, made_of, around)
    python = interpreter(around.folder, around.top)
    mine = sorted((c for c in told if c.target == path), key=lambda c: not c.exact)
    says = _chosen(mine, path, found, around)
    doubts: list[str] = []
    gpus = None
    if says is not None:
        command, gpus = own_interpreter(says.text, python)
        folder, origin = says.folder, f"the command that {says.source} names"
    else:
        folder = mine[0].folder if mine else _folder_of(path, made_of, around)
        written = any(path in command.words for command in mine)
        module = _as_module(path, around) and not folder and not written
        seen = os.path.relpath(path, folder) if folder else path
        command = f"{python} -m {_module(path, around)}" if module else f"{python} {shlex.quote(seen)}"
        origin = f"found by its code: {path}"
        for option in filter(lambda option: option.required, found):
            value = _value(option, around)
            command += f" {option.flag} {value}" if option.flag else f" {value}"
            if value == UNKNOWN:
                what = option.flag or f"an argument ({option.name})"
                doubts.append(f"{path} needs {what}: write it in train.command in place of {UNKNOWN}")
    command, seeded = filled(command, found, tree)
    if not seeded:
        doubts.append(
            f"{path} takes no seed{_fixed_seed(tree)}, so each run of a trial gives the same number and the noise "
            'cannot be measured; the shortest way: read int(os.environ.get("SEED", 0)) there and begin train.command '
            "with SEED={seed}"
        )
    command = with_path(command, path, made_of, folder, around)
    if folder:
        command = f"cd {shlex.quote(folder)} && {command}"
    earlier = _earlier(mine, told, path)
    if earlier is not None:
        doubts.append(
            f"{earlier.source} first starts {earlier.target}: run it once if that is not done, and list what it makes "
            "in train.data if git ignores it"
        )
    return Script(path, command, seeded, gpus, origin, folder, tuple(doubts))


def given(command: str, around: Surroundings, path: str, folder: str) -> Script:
    """The script of a command that a person wrote, with the seed and the output folder if it takes them."""
    python = interpreter(around.folder, around.top)
    made_of = closure(path, around.texts, command) if path.endswith(".py") else Closure((), frozenset(), frozenset())
    tree = parsed(around.texts.get(path, "")) or ast.Module([], [])
    doubts = []
    command, gpus = own_interpreter(command, python)
    seeded = "{seed}" in command
    plain = re.search(r"&&|;|\|", command) is None
    if path.endswith(".py") and not seeded and plain:
        command, seeded = filled(command, taken(path, made_of, around), tree)
    if not seeded:
        doubts.append("the command hands no {seed} on, so each run of a trial gives the same number")
    if path.endswith(".py") and plain:
        command = with_path(command, path, made_of, folder, around)
    return Script(path, command, seeded, gpus, "the command that was given", folder, tuple(doubts))


def filled(command: str, found: Sequence[Option], tree: ast.AST) -> tuple[str, bool]:
    """The command with {seed} and {out} where the script takes them; whether it hands the seed on."""
    command, seeded = _with_seed(command, found, tree)
    folder = next((o for name in FOLDERS for o in found if o.name == name and o.flag and not o.toggle), None)
    if folder is not None:
        command = f"{_without(command, folder)} {folder.given('{out}')}"
    device = next((o for o in found if o.name == "device" and o.flag and str(o.default).startswith("cuda")), None)
    if device is not None and re.search(rf"(?<!\S){re.escape(device.flag)}[= ]", command) is None:
        from autogit.execute.machine import gpus

        if not gpus():
            command = f"{command} {device.given('cpu')}"
    return command, seeded


def with_path(command: str, path: str, made_of: Closure, folder: str, around: Surroundings) -> str:
    """The command with PYTHONPATH where the script imports from a folder that Python would not look in by itself.

    An editable install leads to the person's own checkout, which a run does not see: a run needs its own.
    """
    if "PYTHONPATH=" in command:
        return command
    module = re.search(r"\s-m\s", command) is not None and "torch.distributed.run" not in command
    here = {folder} if module else {PurePosixPath(path).parent.as_posix().removeprefix(".")}
    needed = sorted(made_of.roots - here)
    if module and path.startswith("src/") and _module(path, around) != module_of(path):
        needed = sorted({*needed, "src"} - here)
    if not needed:
        return command
    places = ":".join(os.path.relpath(root or ".", folder or ".") for root in needed)
    return f"PYTHONPATH={shlex.quote(places)} {command}"


def interpreter(folder: Path, top: Path) -> str:
    """The Python of the code's own environment: a virtual environment in it, the active one, else autogit's.

    `folder` is in the repository whose root is `top`.
    """
    for place in (p for p in (folder, *folder.parents) if p.is_relative_to(top.resolve())):
        for name in (".venv", "venv", "env"):
            python = place / name / "bin" / "python"
            if python.exists() and (place / name / "pyvenv.cfg").exists():
                return PYTHON if Path(sys.prefix) == place / name else shlex.quote(str(python))
    active = os.environ.get("CONDA_PREFIX") or os.environ.get("VIRTUAL_ENV")
    if active and Path(active) != Path(sys.prefix) and (Path(active) / "bin" / "python").exists():
        return shlex.quote(str(Path(active) / "bin" / "python"))
    return PYTHON


def own_interpreter(command: str, python: str) -> tuple[str, int | None]:
    """The command with the environment's Python; (command, GPUs of a run if it names several)."""
    gpus = re.search(r"--(?:nproc[-_]per[-_]node|num_processes)[= ](\d+)", command)
    command = re.sub(r"(--(?:nproc[-_]per[-_]node|num_processes)[= ])\d+", r"\1{gpus}", command)
    starter = f"{python} -m torch.distributed.run"
    command = re.sub(r"(?<!\S)torchrun(?!\S)", lambda _: starter, command)
    command = re.sub(r"(?<!\S)accelerate launch(?!\S)", lambda _: f"{python} -m accelerate.commands.launch", command)
    pattern = r"(?<!\S)(uv run python[\d.]*|poetry run python|uv run|python[\d.]*)(?!\S)"
    return re.sub(pattern, lambda _: python, command, count=1), int(gpus[1]) if gpus else None


def _chosen(mine: Sequence[Command], path: str, found: Sequence[Option], around: Surroundings) -> Command | None:
    """The command to take over from the project's texts, if one says more than the code does by itself."""
    needs = any(option.required for option in found)
    usable = [c for c in mine if c.whole and (needs or _says_more(c, path, around))]
    if not usable:
        return None
    from autogit.execute.machine import gpus

    # What a README recommends for a laptop is what runs on a machine without a GPU.
    small = [] if gpus() else [c for c in usable if re.search(r"device[= ]cpu|--cpu\b|no[-_]cuda", c.text)]
    return (small or usable)[0]


def _says_more(command: Command, path: str, around: Surroundings) -> bool:
    """Whether a command has what the script may need: another file, several processes. Else it only shows options."""
    words = command.words
    if words[0] in ("torchrun", "accelerate", "deepspeed"):
        return True
    others = [w.partition("=")[2] or w for w in words]
    files = [os.path.normpath(PurePosixPath(command.folder or ".", w)) for w in others]
    return any(f != path and f in around.tracked for f in files) or (
        _module(path, around) in words and _as_module(path, around)
    )


def _earlier(mine: Sequence[Command], told: Sequence[Command], path: str) -> Command | None:
    """A command that the same text names before the script's: it prepares something."""
    if not mine:
        return None
    before = [c for c in told[: list(told).index(mine[0])] if c.source == mine[0].source and c.target != path]
    prepares = re.compile(r"prepare|download|preprocess|get_data|make_data|tokeni[sz]e|build_|fetch")
    return next((c for c in before if prepares.search(PurePosixPath(c.target).stem.lower())), None)


def _module(path: str, around: Surroundings) -> str:
    """A file's name for `-m`; `src` is a part of it only if the code itself imports from `src`."""
    own = re.search(r"^\s*(?:from|import)\s+src\b", around.texts.get(path, ""), re.MULTILINE)
    return module_of(path if own else path.removeprefix("src/"))


def _as_module(path: str, around: Surroundings) -> bool:
    """Whether a file has to be started with `-m`: it imports relatively, or from its own package by name."""
    parts = PurePosixPath(path).parts
    if len(parts) < 2:
        return False
    text, start = around.texts[path], parts[1] if parts[0] == "src" and len(parts) > 2 else parts[0]
    package = f"{PurePosixPath(path).parent}/__init__.py" in around.tracked
    inner = re.search(rf"^\s*(from\s+\.|(from|import)\s+{re.escape(start)}\b)", text, re.MULTILINE)
    return bool(inner) or (package and parts[-1] == "__main__.py")


def taken(path: str, made_of: Closure, around: Surroundings) -> list[Option]:
    """The options of the script; what only a module that it imports declares comes after its own."""
    found: dict[str, Option] = {}
    for place in made_of.python:
        tree = parsed(around.texts.get(place, ""))
        for option in options(tree, around.texts, made_of.files, main=place == path) if tree else ():
            found.setdefault(option.name, option)
    return list(found.values())


def _with_seed(command: str, found: Sequence[Option], tree: ast.AST) -> tuple[str, bool]:
    if "{seed}" in command:
        return command, True
    option = next((o for name in SEEDS for o in found if o.name.rpartition(".")[2] == name and o.flag), None)
    if option is not None:
        return f"{_without(command, option)} {option.given('{seed}')}", True
    variable = next((name for name in environment(tree) if name.lower().endswith("seed") and name.isupper()), "")
    if variable and variable != "PYTHONHASHSEED":
        plain = re.sub(rf"(?<!\S){variable}=\S+ ", "", command)
        return f"{variable}={{seed}} {plain}", True
    return command, False


def _fixed_seed(tree: ast.AST) -> str:
    """Where the code has a seed that nobody can set from outside, in words."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) if (
                name.lower() in SEEDS
            ):
                return f" from outside ({name} is fixed in line {node.lineno})"
    return ""


def _without(command: str, option: Option) -> str:
    for flag in (option.flag, *option.aliases):
        command = re.sub(rf" {re.escape(flag)}(=\S+| (?!-)\S+|(?= |$))", "", command)
    return command


def _value(option: Option, around: Surroundings) -> str:
    """What a needed option or argument gets."""
    if option.name in SEEDS:
        return "{seed}"
    if option.name in FOLDERS:
        return "{out}"
    return _setting_file(option, around) or UNKNOWN


def _setting_file(option: Option, around: Surroundings) -> str:
    """The one configuration file of the repository, for an option that asks for one."""
    files = [
        p for p in around.texts if p.endswith((".yaml", ".yml")) or ("config" in p and p.endswith((".json", ".toml")))
    ]
    wants = any(word in option.name for word in ("config", "cfg", "settings", "params", "argv"))
    return files[0] if wants and len(files) == 1 else ""


def _folder_of(path: str, made_of: Closure, around: Surroundings) -> str:
    """The folder of a script that reads files beside itself, so that it has to be started there; "" for most.

    A relative path in the code that exists from the script's folder and not from here decides.
    """
    folder = PurePosixPath(path).parent.as_posix().removeprefix(".")
    if not folder:
        return ""
    for file in made_of.python:
        tree = parsed(around.texts.get(file, "")) or ast.Module([], [])
        # Hydra reads this one from the file's own folder.
        hydra = {
            k.value for n in ast.walk(tree) if isinstance(n, ast.Call) for k in n.keywords if k.arg == "config_path"
        }
        own = {node.value for node in hydra if isinstance(node, ast.Constant)}
        for text in strings(tree):
            if (
                text not in own
                and re.fullmatch(r"(\.\./)*[\w./-]*[\w-]+\.\w+|[\w.-]+/[\w./-]*|\.\./[\w./-]+", text)
                and text[0] != "/"
            ):
                there = Path(os.path.normpath(around.folder / folder / text))
                inside = there.exists() and there != around.folder and not around.folder.is_relative_to(there)
                if inside and not Path(os.path.normpath(around.folder / text)).exists():
                    return folder
    return ""
