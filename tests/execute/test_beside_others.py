"""Several autogits at the same time on one machine: none takes another's folders or control groups away."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from autogit.errors import WorkspaceError
from autogit.execute import scratch as module
from autogit.execute.scratch import PREFIX, clear_leftovers, temporary_folder


def test_a_folder_that_is_being_made_is_not_swept_by_another_autogit(monkeypatch: pytest.MonkeyPatch) -> None:
    real, made = tempfile.mkdtemp, []

    def swept(*arguments: object, **options: object) -> str:
        made.append(real(*arguments, **options))  # type: ignore[call-overload]
        if len(made) < 3:  # The other one clears up at the worst moment, twice.
            clear_leftovers()
        return made[-1]  # type: ignore[no-any-return]

    monkeypatch.setattr(tempfile, "mkdtemp", swept)
    with temporary_folder() as folder:
        clear_leftovers()
        assert folder.is_dir() and str(folder) == made[2]
    assert not any(Path(name).exists() for name in made)


def test_a_folder_that_the_other_one_has_locked_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real, taken = module._locked, []

    def first(folder: Path) -> int | None:
        if not taken:
            taken.append(real(folder))
        return real(folder)

    monkeypatch.setattr(module, "_locked", first)
    with temporary_folder() as folder:
        assert real(folder) is None and os.path.samestat(os.lstat(folder), os.fstat(taken[0])) is False
    os.close(taken[0])
    clear_leftovers()


def test_where_nothing_can_be_locked_a_run_goes_on_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_locked", lambda folder: None)
    with temporary_folder() as folder:
        assert folder.is_dir() and folder.name.startswith(PREFIX)
    assert not folder.exists()
    monkeypatch.undo()
    clear_leftovers()


def test_many_make_and_sweep_at_the_same_time() -> None:
    script = (
        "from autogit.execute.scratch import clear_leftovers, scratch\n"
        "for _ in range(40):\n"
        "    clear_leftovers()\n"
        "    with scratch() as own:\n"
        "        assert own.tmp.is_dir() and own.shared.is_dir()\n"
        "        (own.tmp / 'file').touch()\n"
    )
    several = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) for _ in range(6)]
    assert [done.communicate()[1] for done in several] == [""] * 6


def test_without_any_temporary_folder_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(WorkspaceError, match="TMPDIR"), temporary_folder():
        pass
