"""The accepted changes as a clean branch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import git
from toy import make_toy

from autogit import Lab
from autogit.cli import cli


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner(catch_exceptions=False).invoke(cli, ["-C", str(folder), *arguments])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_toy(tmp_path_factory.mktemp("found") / "lab")
    done = run(folder, "loop", "-n", "6")
    assert done.exit_code == 0 and len(Lab.open(folder).history.accepted) >= 2, done.output
    return folder


def test_each_accepted_change_is_a_clean_commit_with_the_files_of_main(found: Path) -> None:
    accepted = Lab.open(found).history.accepted
    main = git(found, "rev-parse", "main")
    told = json.loads(run(found, "finalize", "--branch", "clean", "--json").output)
    assert told["trials"] == [record.id for record in accepted] and git(found, "rev-parse", "main") == main
    made = git(found, "rev-list", "--reverse", "clean").split()[-len(accepted) :]
    for commit, record in zip(made, accepted, strict=True):
        assert git(found, "rev-parse", f"{commit}^{{tree}}") == git(found, "rev-parse", f"exp/{record.id}^{{tree}}")
        words = git(found, "log", "-1", "--format=%B", commit)
        assert words.startswith(record.trial.title) and "Autogit-" not in words and f"exp/{record.id}" in words
    for record in accepted:
        assert f"| exp/{record.id} |" in told["description"] and f"autogit reproduce {record.id}" in told["description"]
    assert json.loads(run(found, "finalize", "--branch", "clean", "--json").output)["commit"] == told["commit"]
    assert git(found, "fsck", "--strict", "--no-dangling") == ""


def test_since_and_squash(found: Path) -> None:
    accepted = Lab.open(found).history.accepted
    told = json.loads(run(found, "finalize", "--branch", "one", "--squash", "--json").output)
    assert git(found, "rev-parse", "one^{tree}") == git(found, "rev-parse", f"exp/{accepted[-1].id}^{{tree}}")
    assert git(found, "rev-parse", "one^") == accepted[0].trial.base
    assert told["title"].startswith(f"{len(accepted)} changes")
    told = json.loads(run(found, "finalize", "--since", accepted[0].id, "--json").output)
    assert told["trials"] == [record.id for record in accepted[1:]]
    assert told["branch"] == f"findings/exp-{accepted[-1].id}"
    refused = run(found, "finalize", "--since", accepted[-1].id)
    assert refused.exit_code == 1 and "nothing to hand over" in refused.output


@pytest.mark.parametrize("name", ["main", "exp/99", "one two", "-x", "a..b"])
def test_a_name_that_is_not_free_is_refused(found: Path, name: str) -> None:
    refs = git(found, "for-each-ref")
    assert run(found, "finalize", f"--branch={name}").exit_code == 1
    assert git(found, "for-each-ref") == refs
    assert run(found, "finalize", "--pr").exit_code == 2
