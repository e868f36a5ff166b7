"""The training script of a repository, and the command that starts it."""

from __future__ import annotations

import ast
import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autogit.setup.options import Option, environment, options
from autogit.setup.surroundings import Surroundings, is_test, parsed, read, strings

PYTHON = "{python}"
"""The interpreter that runs autogit."""
UNKNOWN = "..."
"""Stands in a command for what only a person knows."""
_SEEDS = ("seed", "random_seed", "random_state", "rng_seed", "manual_seed")
_FOLDERS = (
    "out", "out_dir", "outdir", "output", "output_dir", "save_dir", "checkpoint_dir", "ckpt_dir", "log_dir", "logdir",
    "run_dir", "save_path", "results_dir",
)  # fmt: skip
_TRAINS = re.compile(r"\.backward\(|\.fit\(|\.step\(|optimizer|cross_val_score|value_and_grad|\btrain\(|\.train\(")
_STARTS = re.compile(
    r"(?:^|[\s`$>;&])((?:[A-Z_]+=\S+ )*(?:python[\d.]*|torchrun|uv run(?: python)?|poetry run python|accelerate launch)"
    r"(?:[ \t]+[^\s`;|&<>]+)+)"
)


@dataclass(frozen=True, slots=True)
class Script:
    """A script that trains, and how it is started."""

    path: str
    command: str
    """With placeholders."""
    seeded: bool
    """Whether the command hands the seed on."""
    gpus: int | None
    """GPUs of one run, where it is started for several."""
    origin: str
    """Where the command comes from, in words."""
    doubts: tuple[str, ...]


def training_scripts(files: Mapping[str, str]) -> list[str]:
    """The Python files that look like what one starts to train, the likeliest first."""
    scores = {path: _score(path, text) for path, text in files.items() if path.endswith(".py") and not is_test(path)}
    return sorted((path for path, score in scores.items() if score >= 3), key=lambda path: (-scores[path], path))


def started(path: str, around: Surroundings) -> Script:
    """How the script at `path` is started from the folder: as the README says it, else as Python needs it."""
    text = around.texts[path]
    tree = parsed(text) or ast.Module([], [])
    found = options(tree)
    python = interpreter(around.folder, around.top)
    documented, origin = _documented(path, around)
    doubts: list[str] = []
    if documented:
        command, gpus = _own_interpreter(documented, python)
    else:
        command, gpus, origin = f"{python} {_target(path, text, around)}", None, f"found by its code: {path}"
        for option in filter(lambda option: option.required, found):
            value = _value(option, around)
            command += f" {option.flag} {value}" if option.flag else f" {value}"
            if value == UNKNOWN:
                what = option.flag or f"an argument ({option.name})"
                doubts.append(f"{path} needs {what}: write it in train.command in place of {UNKNOWN}")
    command, seeded = _with_seed(command, found, tree)
    if not seeded:
        doubts.append(
            f"{path} takes no seed{_fixed_seed(tree)}, so each run of a trial gives the same number and the noise "
            'cannot be measured; the shortest way: read int(os.environ.get("SEED", 0)) there and begin train.command '
            "with SEED={seed}"
        )
    folder = next((o for name in _FOLDERS for o in found if o.name == name and o.flag), None)
    if folder is not None:
        command = f"{_without(command, folder.flag)} {folder.flag} {{out}}"
    inner = _folder_of(path, tree, around)
    if inner and not documented:
        place = PurePosixPath(path).relative_to(inner).as_posix()
        command = f"cd {shlex.quote(inner)} && {command.replace(shlex.quote(path), shlex.quote(place))}"
    return Script(path, command, seeded, gpus, origin, tuple(doubts))


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


def _score(path: str, text: str) -> int:
    tree = parsed(text)
    if tree is None:
        return 0
    name, stem = PurePosixPath(path).name, PurePosixPath(path).stem.lower()
    guarded = "__main__" in text and re.search(r"__name__\s*==", text) is not None
    loose = any(isinstance(node, ast.For | ast.While | ast.Expr | ast.With) for node in tree.body[1:])
    if not (guarded or loose or name == "__main__.py"):
        return 0
    score = 2 if _TRAINS.search(text) else 0
    score += 4 if stem == "train" else 3 if stem in ("training", "pretrain", "finetune") else 0
    score += 2 if re.search(r"train|finetune|(^|_)fit", stem) else 0
    score += 1 if stem in ("main", "run", "__main__", "experiment") else 0
    score += 1 if guarded else 0
    score -= 3 if re.search(r"eval|test|sample|generate|infer|predict|plot|download|prepare|bench|setup", stem) else 0
    return score - len(PurePosixPath(path).parts) // 3


def _target(path: str, text: str, around: Surroundings) -> str:
    """`train.py`, or `-m package.train` for a module that imports from its own package."""
    parts = PurePosixPath(path).parts
    package = len(parts) > 1 and f"{PurePosixPath(path).parent}/__init__.py" in around.tracked
    inner = re.search(rf"^\s*(from\s+\.|(from|import)\s+{re.escape(parts[0])}\b)", text, re.MULTILINE)
    if len(parts) > 1 and (inner or (package and parts[-1] == "__main__.py")):
        module = ".".join(parts).removesuffix(".py").removesuffix(".__main__")
        return f"-m {module}"
    return shlex.quote(path)


def _documented(path: str, around: Surroundings) -> tuple[str, str]:
    """The first command line of the project's own texts that starts the script, and where it stands."""
    module = path.removesuffix(".py").replace("/", ".").removesuffix(".__main__")
    names = {path, f"./{path}", module}
    sources = [p for p in around.tracked if _tells(p)]
    texts = [(source, read(around.folder / source) or "") for source in sources]
    texts.insert(0, (path, ast.get_docstring(parsed(around.texts[path]) or ast.Module([], [])) or ""))
    for source, text in texts:
        for found in _STARTS.finditer(text.replace("\\\n", " ")):
            try:
                words = shlex.split(found[1])
            except ValueError:
                continue
            if names & set(words) and not any(c in found[1] for c in "{}$<>") and _says_more(words, names, around):
                return re.sub(r"\s+", " ", found[1]).strip().rstrip(".,:"), f"the command that {source} names"
    return "", ""


def _says_more(words: list[str], names: set[str], around: Surroundings) -> bool:
    """Whether a command has what the script may need: another file, several processes. Else it only shows options."""
    files = [word for word in words if word.partition("=")[2] in around.tracked or word in around.tracked]
    return words[0] in ("torchrun", "accelerate") or not names >= set(files)


def _tells(path: str) -> bool:
    name = PurePosixPath(path).name.lower()
    return "/" not in path and (name.startswith(("readme", "makefile", "justfile")) or name.endswith(".sh"))


def _own_interpreter(command: str, python: str) -> tuple[str, int | None]:
    """The command with the environment's Python; (command, GPUs of a run where it names several)."""
    gpus = re.search(r"--(?:nproc[-_]per[-_]node|num_processes)[= ](\d+)", command)
    command = re.sub(r"(--(?:nproc[-_]per[-_]node|num_processes)[= ])\d+", r"\1{gpus}", command)
    starter = f"{python} -m torch.distributed.run"
    command = re.sub(r"(?<!\S)torchrun(?!\S)", lambda _: starter, command)
    command = re.sub(r"(?<!\S)accelerate launch(?!\S)", lambda _: f"{python} -m accelerate.commands.launch", command)
    pattern = r"(?<!\S)(uv run python|poetry run python|uv run|python[\d.]*)(?!\S)"
    return re.sub(pattern, lambda _: python, command, count=1), int(gpus[1]) if gpus else None


def _with_seed(command: str, found: list[Option], tree: ast.Module) -> tuple[str, bool]:
    option = next((o for name in _SEEDS for o in found if o.name == name and o.flag), None)
    if option is not None:
        return f"{_without(command, option.flag)} {option.flag} {{seed}}", True
    variable = next((name for name in environment(tree) if name.lower().endswith("seed") and name.isupper()), "")
    if variable and variable != "PYTHONHASHSEED":
        plain = re.sub(rf"(?<!\S){variable}=\S+ ", "", command)
        return f"{variable}={{seed}} {plain}", True
    return command, "{seed}" in command


def _fixed_seed(tree: ast.Module) -> str:
    """Where the code has a seed that nobody can set from outside, in words."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) if (
                name.lower() in _SEEDS
            ):
                return f" from outside ({name} is fixed in line {node.lineno})"
    return ""


def _without(command: str, flag: str) -> str:
    return re.sub(rf" {re.escape(flag)}(=\S+| (?!-)\S+|(?= |$))", "", command)


def _value(option: Option, around: Surroundings) -> str:
    """What a needed option or argument gets."""
    if option.name in _SEEDS:
        return "{seed}"
    if option.name in _FOLDERS:
        return "{out}"
    return _setting_file(option, around) or UNKNOWN


def _setting_file(option: Option, around: Surroundings) -> str:
    """The one configuration file of the repository, for an option that asks for one."""
    files = [
        p for p in around.texts if p.endswith((".yaml", ".yml")) or ("config" in p and p.endswith((".json", ".toml")))
    ]
    wants = any(word in option.name for word in ("config", "cfg", "settings", "params", "argv"))
    return files[0] if wants and len(files) == 1 else ""


def _folder_of(path: str, tree: ast.AST, around: Surroundings) -> str:
    """The folder of a script that reads files beside itself, so that it has to be started there; "" for most."""
    folder = PurePosixPath(path).parent.as_posix()
    if folder == ".":
        return ""
    for text in strings(tree):
        if re.fullmatch(r"[\w./-]*[\w-]+\.\w+|[\w-]+/[\w./-]*", text) and not text.startswith("/"):
            inside = (around.folder / folder / text).exists()
            if inside and not (around.folder / text).exists():
                return folder
    return ""
