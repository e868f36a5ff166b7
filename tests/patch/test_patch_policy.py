from __future__ import annotations

import pytest

from autogit.config.model import Train
from autogit.errors import PatchError
from autogit.patch import Policy
from autogit.patch.policy import malformed


@pytest.mark.parametrize(
    ("editable", "protected", "path", "allowed"),
    [
        (["**/*.py"], [], "train.py", True),
        (["**/*.py"], [], "a/b/train.py", True),
        (["*.py"], [], "a/train.py", False),
        (["src/"], [], "src/a/b.yaml", True),
        (["src"], [], "src/a.py", False),
        (["src/**"], [], "src/a.py", True),
        (["src/**/*.py"], [], "src/a.py", True),
        (["./train.py"], [], "train.py", True),
        (["model_?.py"], [], "model_1.py", True),
        (["model_?.py"], [], "model_12.py", False),
        (["model_[0-3].py"], [], "model_2.py", True),
        (["model_[!0-3].py"], [], "model_2.py", False),
        (["model_[!0-3].py"], [], "model_7.py", True),
        (["a+b(1).py"], [], "a+b(1).py", True),
        (["**/*.py"], ["train.py"], "train.py", False),
        (["**/*.py"], ["train.py"], "sub/train.py", True),
        (["**/*.py"], ["data"], "data/set/load.py", False),
        (["**/*.py"], ["data/"], "data/set/load.py", False),
        (["**/*.py"], ["data/*"], "data/set/load.py", False),
        (["**/*.py"], ["Data.py"], "dATA.py", False),
        (["**/*.py"], ["**/evaluate.py"], "evaluate.py", False),
        (["**"], [], ".autoresearch.toml", False),
        (["**"], [], "sub/.AutoResearch.toml", False),
        (["**"], [], ".git/config", False),
        (["**"], [], "sub/.Git/config", False),
        (["**"], [], "sub/.git", False),
        (["**"], [], "git~1/config", False),
        (["**"], [], ".git./config", False),
        (["**"], [], ".g\u200cit/config", False),
        (["**"], [], ".gitmodules", False),
        (["**"], [], ".gitattributes", False),
        (["**"], [], ".gitignore", False),
        (["**"], [], ".github/workflow.yml", True),
        (["**"], [], "../train.py", False),
        (["**"], [], "a/../../train.py", False),
        (["**"], [], "/etc/passwd", False),
        (["**"], [], "~/x", False),
        (["**"], [], "C:/x", False),
        (["**"], [], "a\\..\\x", False),
        (["**"], [], "a//x", False),
        (["**"], [], "a/./x", False),
        (["**"], [], "a\nb", False),
        (["**"], [], "", False),
        ([], [], "train.py", False),
    ],
)
def test_paths(editable: list[str], protected: list[str], path: str, allowed: bool) -> None:
    assert Policy(editable, protected).allows(path) is allowed


def test_globs_are_relative_to_the_workspace_folder() -> None:
    policy = Policy(["*.py"], ["data.py"], prefix="research/gpt")
    assert policy.allows("research/gpt/train.py")
    assert not policy.allows("train.py")
    assert not policy.allows("research/gpt/data.py")
    with pytest.raises(PatchError, match=r"train\.py: lies outside of the workspace folder research/gpt/"):
        policy.check("train.py")


def test_the_policy_of_a_configuration() -> None:
    policy = Policy.of(Train("python train.py", editable=("*.py",), protected=("data.py",)), "")
    assert policy.allows("train.py") and not policy.allows("data.py")


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("n" * 252 + ".py", ""),
        ("n" * 253 + ".py", "a name of more than 255 bytes"),
        ("é" * 126 + ".py", ""),
        ("é" * 127 + ".py", "a name of more than 255 bytes"),
        ("n" * 256 + "/a.py", "a name of more than 255 bytes"),
        ("/".join(["d"] * 32) + "/a.py", ""),
        ("/".join(["d"] * 33) + "/a.py", "more than 32 folders deep"),
        ("/".join(["d" * 203] * 5) + "/a.py", ""),
        ("/".join(["d" * 203] * 5) + "/ab.py", "longer than 1024 bytes"),
    ],
)
def test_names_stay_within_what_file_systems_take(path: str, wrong: str) -> None:
    said = malformed(path)
    assert wrong in said and bool(wrong) == bool(said)
