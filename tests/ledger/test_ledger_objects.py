"""What the ledger writes byte by byte, read by another implementation: GitPython's."""

from __future__ import annotations

from pathlib import Path

import git as library
from git.objects.fun import tree_entries_from_data, tree_to_stream
from hypothesis import given
from hypothesis import strategies as st

from autogit.ledger import GitLedger
from autogit.ledger.git.notes import RECORDS
from autogit.ledger.git.objects import EXECUTABLE, FILE, FOLDER, LINK, MODULE, Entry, format_tree, parse_tree
from autogit.records import Verdict

from .conftest import baseline, propose, verdict

NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0/"), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..") and "git" not in name.lower()
)
ENTRIES = st.builds(
    Entry, st.sampled_from([FILE, EXECUTABLE, FOLDER, LINK, MODULE]), st.binary(min_size=20, max_size=20).map(bytes.hex)
)


@given(st.dictionaries(NAMES.map(str.encode), ENTRIES, max_size=6))
def test_trees_are_the_same_bytes(tree: dict[bytes, Entry]) -> None:
    body = format_tree(tree)
    entries = tree_entries_from_data(body)
    assert {name.encode("utf-8", "surrogateescape"): (mode, id.hex()) for id, mode, name in entries} == {
        name: (int(entry.mode, 8), entry.id) for name, entry in tree.items()
    }
    lines: list[bytes] = []
    tree_to_stream(entries, lines.append)  # type: ignore[arg-type]
    assert b"".join(lines) == body
    assert parse_tree(body, 20) == tree


def test_commits_tags_and_notes_mean_the_same(ledger: GitLedger, repository: Path) -> None:
    start = baseline(ledger).trial.commit
    trial = propose(ledger, title="Größe ändern", rationale="Two\n\nparts")
    ledger.close(verdict(trial, Verdict.CRASHED), "log", [])
    with library.Repo(repository) as repo:
        commit, tag = repo.commit("exp/1"), repo.tag("refs/tags/dead/1")
        assert (commit.author.name, commit.committer.email, commit.encoding) == (
            "autogit",
            "autogit@localhost",
            "UTF-8",
        )
        assert commit.summary == "Größe ändern" and "Autogit-Trial: 1" in str(commit.message)
        assert [parent.hexsha for parent in commit.parents] == [start]
        assert [blob.path for blob in commit.tree.traverse()] == ["train.py"]  # type: ignore[union-attr]
        assert commit.tree["train.py"].data_stream.read() == b"learning_rate = 0.2\n"
        assert tag.tag is not None and tag.commit == commit
        assert tag.tag.message.startswith("Größe ändern: crashed") and tag.tag.tagger.name == "autogit"
        notes = repo.commit(RECORDS).tree
        text = notes[f"{trial.commit[:2]}/{trial.commit[2:]}"].data_stream.read().decode()
        assert 'verdict = "crashed"' in text
