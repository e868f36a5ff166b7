from __future__ import annotations

from pathlib import Path

from autogit.trial.jobs import SAMPLE_BYTES, fingerprint


def test_names_sizes_and_both_ends_count(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.bin").write_bytes(bytes(4 * SAMPLE_BYTES))
    first = fingerprint([data])
    assert fingerprint([data]) == first and len(first) == 16
    (data / "a.bin").write_bytes(bytes(4 * SAMPLE_BYTES - 1) + b"x")
    changed = fingerprint([data])
    (data / "a.bin").rename(data / "b.bin")
    assert len({first, changed, fingerprint([data])}) == 3


def test_the_place_of_the_folder_does_not_count(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text("the same")
    assert fingerprint([tmp_path / "one"]) == fingerprint([tmp_path / "two"])
