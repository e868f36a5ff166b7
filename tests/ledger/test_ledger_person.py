"""What a person does beside a loop, and how their machine is set up."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import git
from invariants import check, staged

from autogit.config.load import load
from autogit.errors import MainMovedError, WorkspaceError
from autogit.ledger import GitLedger
from autogit.records import Proposal, Verdict

from .conftest import CONFIG, baseline, open_lab, propose, verdict


def accept(ledger: GitLedger, text: str = "learning_rate = 0.2\n") -> list[str]:
    trial = propose(ledger, text)
    return list(ledger.close(verdict(trial, Verdict.ACCEPTED), "log", []))


def test_unsaved_changes_elsewhere_do_not_hold_the_files_back(ledger: GitLedger, repository: Path) -> None:
    (repository / "other.py").write_text("a = 1\n")
    git(repository, "add", "other.py")
    git(repository, "commit", "-q", "-m", "Other")
    (repository / "other.py").write_text("a = 2\n")
    assert accept(ledger) == []
    assert (repository / "other.py").read_text() == "a = 2\n"
    assert (repository / "train.py").read_text() == "learning_rate = 0.2\n"


def test_a_dirty_changed_file_waits_and_the_person_is_told(ledger: GitLedger, repository: Path) -> None:
    (repository / "train.py").write_text("mine = True\n")
    (word,) = accept(ledger)
    assert "train.py" in word and "wait" in word
    assert (repository / "train.py").read_text() == "mine = True\n"
    assert staged(repository) == ""
    git(repository, "checkout", "--", "train.py")
    assert accept(ledger, "learning_rate = 0.3\n") == []
    assert (repository / "train.py").read_text() == "learning_rate = 0.3\n"
    check(ledger)


def test_an_untracked_file_in_the_way_is_kept(ledger: GitLedger, repository: Path) -> None:
    trial = ledger.open(Proposal(ledger.main(), "", "New", "hand", "new"), {"new.py": b"theirs\n"})
    (repository / "new.py").write_text("mine\n")
    (word,) = ledger.close(verdict(trial, Verdict.ACCEPTED), "log", [])
    assert "new.py" in word
    assert (repository / "new.py").read_text() == "mine\n"


@pytest.mark.parametrize("by", [".gitignore", ".git/info/exclude"])
@pytest.mark.parametrize("rule", ["results/", "*.npz"])
def test_what_git_ignores_is_no_expendable_file(ledger: GitLedger, repository: Path, by: str, rule: str) -> None:
    with (repository / by).open("a") as file:
        file.write(f"{rule}\n")
    (repository / "results").mkdir()
    (repository / "results" / "x.npz").write_text("mine")
    assert ledger.ignored(ledger.main(), ["results/x.npz", "train.py", "new.py"]) == ["results/x.npz"]
    trial = ledger.open(
        Proposal(ledger.main(), "", "T", "p", "o"), {"results/x.npz": b"theirs", "train.py": b"a = 2\n"}
    )
    words = ledger.close(verdict(trial, Verdict.ACCEPTED), "log", [])
    assert (repository / "results" / "x.npz").read_text() == "mine" and "results/x.npz" in words[0]


def test_an_ignored_folder_in_the_place_of_a_file_stays(ledger: GitLedger, repository: Path) -> None:
    (repository / ".gitignore").write_text("notes.py/\nmodel\n")
    (repository / "notes.py" / "deep").mkdir(parents=True)
    (repository / "notes.py" / "deep" / "weights").write_text("mine")
    (repository / "model").write_text("mine")
    for changes in ({"notes.py": b"theirs"}, {"model/a.py": b"theirs"}):
        trial = ledger.open(Proposal(ledger.main(), "", "T", "p", "o"), changes)
        assert ledger.close(verdict(trial, Verdict.ACCEPTED), "log", [])
    assert (repository / "notes.py" / "deep" / "weights").read_text() == "mine"
    assert (repository / "model").read_text() == "mine"


def test_a_folder_that_becomes_a_file_follows_if_nothing_else_is_in_it(ledger: GitLedger, repository: Path) -> None:
    for changes in ({"pkg/a.py": b"1\n"}, {"pkg/a.py": None, "pkg": b"2\n"}, {"pkg": None, "pkg/b.py": b"3\n"}):
        trial = ledger.open(Proposal(ledger.main(), "", "T", "p", "o"), changes)
        assert not ledger.close(verdict(trial, Verdict.ACCEPTED), "log", [])
    assert (repository / "pkg" / "b.py").read_text() == "3\n"
    assert staged(repository) == ""


def test_staged_changes_of_other_files_stay_staged(ledger: GitLedger, repository: Path) -> None:
    (repository / "staged.py").write_text("a = 1\n")
    git(repository, "add", "staged.py")
    assert accept(ledger) == []
    assert staged(repository) == "A\tstaged.py"


@pytest.mark.parametrize("place", ["other", "--detach"])
def test_another_checkout_is_untouched(ledger: GitLedger, repository: Path, place: str) -> None:
    git(repository, "checkout", "-q", *(["-b", "other"] if place == "other" else ["--detach"]))
    before = (repository / "train.py").read_text()
    assert accept(ledger) == []
    assert (repository / "train.py").read_text() == before
    assert staged(repository) == ""


def test_a_worktree_of_the_person_follows(ledger: GitLedger, repository: Path, tmp_path: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    git(repository, "worktree", "add", "-q", str(tmp_path / "theirs"), "main")
    assert accept(ledger) == []
    assert (tmp_path / "theirs" / "train.py").read_text() == "learning_rate = 0.2\n"
    assert git(tmp_path / "theirs", "status", "--porcelain") == ""
    (tmp_path / "theirs" / ".autoresearch.toml").write_text(CONFIG)
    inside = open_lab(tmp_path / "theirs")
    assert (inside.root, inside.private) == (tmp_path / "theirs", ledger.private)


def test_an_own_commit_during_a_trial_becomes_the_new_base(ledger: GitLedger, repository: Path) -> None:
    trial = propose(ledger)
    git(repository, "commit", "-q", "--allow-empty", "-m", "mine")
    with pytest.raises(MainMovedError):
        ledger.close(verdict(trial, Verdict.ACCEPTED), "log", [])
    assert ledger.main() == git(repository, "rev-parse", "HEAD")


def test_main_does_not_move_under_a_rebase(ledger: GitLedger, repository: Path) -> None:
    git(repository, "commit", "-q", "--allow-empty", "-m", "mine")
    subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@b", "rebase", "-q", "-i", "HEAD~1", "--exec", "false"],
        cwd=repository, env=os.environ | {"GIT_SEQUENCE_EDITOR": "true"}, capture_output=True, check=False,
    )  # fmt: skip
    with pytest.raises(MainMovedError, match="rebased"):
        accept(ledger)


def test_an_open_git_command_lets_the_files_follow_later(ledger: GitLedger, repository: Path) -> None:
    (repository / ".git" / "index.lock").touch()
    (word,) = accept(ledger)
    assert "later" in word
    (repository / ".git" / "index.lock").unlink()
    assert accept(ledger, "learning_rate = 0.3\n") == []
    assert (repository / "train.py").read_text() == "learning_rate = 0.3\n"
    assert staged(repository) == ""


def test_machine_settings_change_nothing(
    repository: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ids(folder: Path) -> str:
        ledger = open_lab(folder)
        trial = propose(ledger, "a = 1\r\nb = 2\n")
        assert (ledger.checkout(trial.commit, 0) / "train.py").read_bytes() == b"a = 1\r\nb = 2\n"
        ledger.close(verdict(trial), "log", [])
        return git(folder, "rev-parse", "exp/0^{tree}") + git(
            folder, "log", "-1", "--format=%an <%ae> %cn <%ce>", "exp/0"
        )

    shutil.copytree(repository, repository.with_name("plain"))
    plain = ids(repository.with_name("plain"))
    hooks = repository / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-commit", "post-checkout", "reference-transaction", "post-index-change", "pre-push"):
        (hooks / name).write_text("#!/bin/sh\necho ran >> ../hooked; exit 1\n")
        (hooks / name).chmod(0o755)
    (isolated_home / ".gitconfig").write_text(
        "[user]\n name = Eve\n email = eve@x\n[commit]\n gpgSign = true\n[tag]\n gpgSign = true\n"
        "[gpg]\n program = false\n[core]\n autocrlf = true\n attributesFile = ~/attributes\n"
    )
    (isolated_home / "attributes").write_text("*.py filter=upper\n")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Mallory")
    assert ids(repository) == plain
    assert not (repository / "hooked").exists() and not (repository / ".git" / "hooked").exists()


def test_files_with_the_persons_line_endings_follow(ledger: GitLedger, repository: Path) -> None:
    git(repository, "config", "core.autocrlf", "true")
    (repository / "train.py").unlink()
    git(repository, "checkout", "--", "train.py")
    assert b"\r\n" in (repository / "train.py").read_bytes()
    assert accept(ledger, "learning_rate = 0.2\nsteps = 3\n") == []
    assert (repository / "train.py").read_bytes() == b"learning_rate = 0.2\r\nsteps = 3\r\n"
    assert git(repository, "status", "--porcelain", "train.py") == "" and staged(repository) == ""
    assert ledger.read(ledger.main(), "train.py") == b"learning_rate = 0.2\nsteps = 3\n"


ODD = ["a b.py", "-rf.py", "quote\"'.py", "new\nline.py", "\u00e9\u65e5.py", "x/--.py", ":(top).py", "*.py", "tab\t.py",
       os.fsdecode(b"\xff.py")]  # fmt: skip


def test_odd_paths_are_read_changed_followed_and_taken_back(ledger: GitLedger, repository: Path) -> None:
    (repository / "x").mkdir()
    for name in ODD:
        (repository / name).write_text("a = 1\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "Odd")
    assert set(ledger.files(ledger.main())) == {"train.py", *ODD}
    trial = ledger.open(Proposal(ledger.main(), "", "Odd", "hand", "odd"), dict.fromkeys(ODD, b"a = 2\n"))
    assert all((ledger.checkout(trial.commit, 0) / name).read_text() == "a = 2\n" for name in ODD)
    (repository / ODD[1]).write_text("mine\n")
    (word,) = ledger.close(verdict(trial, Verdict.ACCEPTED), "log", [])
    assert ODD[1] in word and (repository / ODD[0]).read_text() == "a = 1\n" and staged(repository) == ""
    git(repository, "checkout", "--", ".")
    new = ledger.open(Proposal(ledger.main(), "", "Odd", "hand", "odd"), dict.fromkeys(ODD, b"a = 3\n"))
    assert ledger.close(verdict(new, Verdict.ACCEPTED), "log", []) == []
    assert all((repository / name).read_text() == "a = 3\n" for name in ODD)
    assert git(repository, "status", "--porcelain") == ""
    assert ledger.revert(new.id, ledger.main()) == ledger.difference(new.commit, trial.commit)
    gone = ledger.open(Proposal(ledger.main(), "", "Odd", "hand", "odd"), dict.fromkeys(ODD))
    assert ledger.close(verdict(gone, Verdict.ACCEPTED), "log", []) == []
    assert not any((repository / name).exists() for name in ODD)
    check(ledger)


def test_git_variables_of_the_caller_point_nowhere(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_WORK_TREE", "/nowhere")
    assert open_lab(repository).root == repository


def test_a_sparse_checkout_of_the_person_is_no_matter(ledger: GitLedger, repository: Path) -> None:
    (repository / "sub").mkdir()
    (repository / "sub" / "deep.py").write_text("a = 1\n")
    git(repository, "add", "sub")
    git(repository, "commit", "-q", "-m", "Sub")
    git(repository, "sparse-checkout", "set", "--no-cone", "/train.py")
    assert not (repository / "sub").exists()
    assert (ledger.checkout(ledger.main(), 0) / "sub" / "deep.py").exists()
    assert accept(ledger) == []
    assert staged(repository) == ""


def test_lfs_pointers_become_their_files(ledger: GitLedger, repository: Path) -> None:
    oid = "ab" + "cd" * 31
    (repository / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (repository / "data.bin").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 4\n")
    git(repository, "add", ".gitattributes", "data.bin")
    git(repository, "commit", "-q", "-m", "Data")
    with pytest.raises(WorkspaceError, match="git lfs fetch"):
        ledger.checkout(ledger.main(), 0)
    store = repository / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4]
    store.mkdir(parents=True)
    (store / oid).write_bytes(b"real")
    assert (ledger.checkout(ledger.main(), 0) / "data.bin").read_bytes() == b"real"
    assert (ledger.checkout(ledger.main(), 0) / "data.bin").read_bytes() == b"real"


def test_a_submodule_blocks_nobody(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository, tmp_path / "library")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "library"), "lib")
    git(repository, "commit", "-q", "-m", "Sub")
    ledger = open_lab(repository)
    assert (ledger.checkout(ledger.main(), 0) / "train.py").exists()


# ---- what cannot be worked on


def refused(folder: Path, *words: str) -> None:
    (folder / ".autoresearch.toml").write_text(CONFIG)
    with pytest.raises(WorkspaceError) as error:
        open_lab(folder)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_not_a_repository(tmp_path: Path) -> None:
    refused(tmp_path, "not in a git repository", "git init")


def test_no_commit_yet(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    refused(tmp_path, "no commit yet")


def test_the_branch_that_is_checked_out_is_main_and_stays_so(repository: Path) -> None:
    git(repository, "branch", "-m", "trunk")
    ledger = open_lab(repository)
    start = baseline(ledger)
    git(repository, "checkout", "-q", "-b", "work")
    again = open_lab(repository)
    assert again.main() == start.trial.commit
    trial = propose(again)
    again.close(verdict(trial, Verdict.ACCEPTED), "", [])
    assert git(repository, "rev-parse", "trunk") == trial.commit
    assert git(repository, "rev-parse", "work") == start.trial.commit


def test_no_branch_to_take_for_main(repository: Path) -> None:
    git(repository, "branch", "-m", "trunk")
    git(repository, "checkout", "-q", "--detach")
    refused(repository, "no branch checked out", "it has trunk", 'main = "trunk"')


def test_a_main_that_is_named_and_missing(repository: Path) -> None:
    (repository / ".autoresearch.toml").write_text(f'main = "best"\n{CONFIG}')
    with pytest.raises(WorkspaceError, match="no branch best"):
        open_lab(repository)


def test_a_lab_from_before_the_branch_was_noted_stays_on_main(ledger: GitLedger, repository: Path) -> None:
    start = baseline(ledger)
    git(repository, "config", "--unset", "autogit.main")
    git(repository, "checkout", "-q", "-b", "work")
    git(repository, "commit", "-q", "--allow-empty", "-m", "mine")
    assert open_lab(repository).main() == start.trial.commit


@pytest.mark.parametrize("command", [("branch", "exp"), ("tag", "exp"), ("tag", "dead")])
def test_a_name_in_the_way(repository: Path, command: tuple[str, str]) -> None:
    git(repository, *command)
    refused(repository, f"the {command[0]} {command[1]}", "is in the way", "-old")


def test_a_shallow_clone(repository: Path, tmp_path: Path) -> None:
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", "clone")
    refused(tmp_path / "clone", "--unshallow")


def test_a_bare_repository(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "bare")
    refused(tmp_path / "bare", "bare repository", "clone")


def test_no_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    refused(repository, "git is not installed")


def test_an_old_git(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").write_text("#!/bin/sh\necho git version 2.35.9\n")
    (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    refused(repository, "2.35.9", "2.36")


def test_another_owner(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setattr("autogit.ledger.git.program._TRANSPORT", {"GIT_TEST_ASSUME_DIFFERENT_OWNER"})
    refused(repository, "safe.directory", str(repository))


def test_a_named_folder_becomes_a_repository_once(tmp_path: Path) -> None:
    folder = tmp_path / "outer" / "space"
    folder.mkdir(parents=True)
    git(tmp_path / "outer", "init", "-q", "-b", "main")
    (folder / "train.py").write_text("a = 1\n")
    (folder / "data.bin").write_text("big")
    (folder / ".gitignore").write_text("*.bin\n")
    (tmp_path / "outer" / ".autoresearch.toml").write_text('workspace = "space"\n' + CONFIG)
    ledger = open_lab(tmp_path / "outer")
    assert (ledger.made, ledger.root, ledger.prefix) == (True, folder, "")
    assert git(folder, "ls-files").split() == [".gitignore", "train.py"]
    assert git(folder, "status", "--porcelain") == ""
    assert not open_lab(tmp_path / "outer").made


def test_a_configuration_in_a_subfolder_starts_there(repository: Path) -> None:
    (repository / "deep" / "er").mkdir(parents=True)
    ledger = open_lab(repository / "deep" / "er")
    assert (ledger.root, ledger.prefix, ledger.made) == (repository, "deep/er", False)


def test_an_unwritable_repository(repository: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (repository / ".autoresearch.toml").write_text(CONFIG)
    (repository / ".git").chmod(0o555)
    try:
        with pytest.raises(WorkspaceError, match="cannot be written"):
            GitLedger(load(repository / ".autoresearch.toml"), lambda path: True)
    finally:
        (repository / ".git").chmod(0o755)


def test_git_shows_the_records_without_any_setting(ledger: GitLedger, repository: Path) -> None:
    baseline(ledger)
    assert 'verdict = "accepted"' in git(repository, "log", "--notes", "-1")
