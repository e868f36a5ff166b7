"""Finds the repository under research, or makes it; says what stands in the way where it cannot be worked on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from autogit.config.load import ConfigFile
from autogit.errors import WorkspaceError
from autogit.files import remove_tree
from autogit.ledger.git.program import Git, GitFailedError, check_version, neutral, personal, run_git

IN_THE_WAY = ("refs/heads/exp", "refs/tags/exp", "refs/tags/dead", "refs/notes/autogit", "refs/autogit")
"""Refs that would have to be folders."""
MAIN_KEY = "autogit.main"
"""In the clone's own git configuration: the branch that receives accepted changes, once a trial was made."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The repository of a lab."""

    root: Path
    """The top of the person's checkout."""
    prefix: str
    """Where training starts, relative to `root`; empty for the top itself."""
    git: Git
    main: str
    """The full name of the ref that receives accepted changes."""
    made: bool
    """Whether the folder became a repository just now."""


def open_workspace(file: ConfigFile) -> Workspace:
    """The workspace that a configuration names. Raises WorkspaceError with what to do."""
    check_version()
    folder = (file.root / file.config.workspace).resolve()
    if not folder.is_dir():
        raise WorkspaceError(f'{file.path.name}: workspace = "{file.config.workspace}": {folder} is no folder; make it')
    named = folder != file.root
    made = named and not _is_top(folder)
    if made:
        _make(folder, file.config.main or "main")
    top, git = _discover(folder)
    common = git.directory
    _check_refs(git, top)
    main = f"refs/heads/{_main(git, top, file)}"
    _make_private(common)
    prefix = "" if folder == top else folder.relative_to(top).as_posix()
    return Workspace(top, prefix, git, main, made)


def _is_top(folder: Path) -> bool:
    return (folder / ".git").exists()


def _make(folder: Path, main: str) -> None:
    """`git init` and one commit of what is there, less what its .gitignore names."""
    try:
        # Elsewhere first: a folder that was interrupted half-way must not look like a repository without commits.
        fresh = folder / ".git.new"
        git = Git(fresh)
        if fresh.exists():
            remove_tree(fresh)
        _git(folder, "init", "-q", "-b", main, "--bare", str(fresh))
        git.run("config", "core.bare", "false")
        tree = {"GIT_WORK_TREE": str(folder)}
        git.run("add", "--all", "--", ".", ":(exclude).git.new", variables=tree, cwd=folder)
        git.run("commit", "-q", "--allow-empty", "-m", "Start of the workspace", variables=tree, cwd=folder)
        fresh.rename(folder / ".git")
    except OSError as error:
        raise WorkspaceError(f"{folder} cannot become a repository: {error}; make it writable") from None


def _git(folder: Path, *arguments: str) -> None:
    run_git(arguments, b"", neutral(), (0,), folder, ())


def _discover(folder: Path) -> tuple[Path, Git]:
    """Returns the checkout's top and its repository, as the person's own git finds them."""
    questions = ("--is-shallow-repository", "--show-object-format", "--git-common-dir", "--show-toplevel")
    try:
        said = run_git(["rev-parse", *questions], b"", personal(), (0,), folder, ())
    except GitFailedError as error:
        raise WorkspaceError(_why_not_found(folder, error.stderr)) from None
    shallow, format, common, top = os.fsdecode(said).rstrip("\n").split("\n", 3)
    if shallow == "true":
        raise WorkspaceError(f"{folder} is a shallow clone; fetch its history first: git fetch --unshallow")
    return Path(top).resolve(), Git((folder / common).resolve(), format)


def _why_not_found(folder: Path, stderr: str) -> str:
    if "dubious ownership" in stderr:
        return (
            f"{folder} belongs to another user, so git does not open it; if you trust it: "
            f"git config --global --add safe.directory {folder}"
        )
    if "must be run in a work tree" in stderr:
        return f"{folder} is a bare repository; clone it and start autogit in the clone"
    if "not a git repository" in stderr:
        return f"{folder} is not in a git repository; make it one: git init && git add . && git commit -m Start"
    return f"{folder}: git does not open this repository: {stderr.strip()}"


def _check_refs(git: Git, top: Path) -> None:
    found = git.run("for-each-ref", "--format=%(refname)", *IN_THE_WAY).decode().split("\n")
    for ref in IN_THE_WAY:
        if ref in found:
            kind, name = ("branch", ref[11:]) if ref.startswith("refs/heads/") else ("tag", ref[10:])
            rename = (
                f"git branch -m {name} {name}-old"
                if kind == "branch"
                else f"git tag {name}-old {name} && git tag -d {name}"
            )
            if not ref.startswith(("refs/heads/", "refs/tags/")):
                kind, rename = "ref", f"git update-ref -d {ref}"
                name = ref
            raise WorkspaceError(f"the {kind} {name} in {top} is in the way of {name}/1, {name}/2 ...: {rename}")


def _main(git: Git, top: Path, file: ConfigFile) -> str:
    """Returns the name of the branch that receives accepted changes. Raises WorkspaceError if there is none.

    What the configuration names comes first, then what the first trial settled, then what is checked out.
    """
    said = git.run("for-each-ref", "--format=%(refname)", "refs/heads/").decode().splitlines()
    names = [name for ref in said if not (name := ref.removeprefix("refs/heads/")).startswith("exp/")]
    if not names:
        raise WorkspaceError(f"{top} has no commit yet; make one: git add . && git commit -m Start")
    wanted = file.config.main
    if wanted is None:
        wanted = git.run("config", "--local", "--get", MAIN_KEY, ok=(0, 1)).decode().strip() or _checked_out(git, top)
    if wanted not in names and file.config.main is None and "main" in names:
        wanted = "main"
    if wanted in names:
        return wanted
    what = f"no branch {wanted}" if wanted else "no branch checked out"
    raise WorkspaceError(
        f"{top} has {what}; it has {', '.join(names[:8])}. "
        f'Name the one that receives accepted changes: main = "{names[0]}" in {file.path.name}'
    )


def _checked_out(git: Git, top: Path) -> str:
    """Returns the branch that is checked out at `top`; empty for a bare commit. A lab without a note of it is older."""
    if git.run("for-each-ref", "--count=1", "refs/tags/exp/") and git.run(
        "for-each-ref", "--count=1", "refs/heads/main"
    ):
        return "main"
    return git.as_person("symbolic-ref", "-q", "--short", "HEAD", cwd=top, ok=(0, 1)).decode().strip()


def settle_main(git: Git, main: str) -> None:
    """Notes in the clone's own configuration which branch a lab works on: it stays, whatever is checked out later."""
    if not git.run("config", "--local", "--get", MAIN_KEY, ok=(0, 1)):
        git.run("config", "--local", MAIN_KEY, main.removeprefix("refs/heads/"))


def _make_private(common: Path) -> None:
    try:
        (common / "autogit" / "slots").mkdir(parents=True, exist_ok=True)
        (common / "autogit" / "out").mkdir(exist_ok=True)
        writable = os.access(common / "objects", os.W_OK) and os.access(common / "refs", os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise WorkspaceError(
            f"{common} cannot be written to; give yourself the right to, or work in a clone of your own"
        )
