"""The shipped files are the baseline's: no accepted change of a demonstration has slipped into the project."""

from __future__ import annotations

import hashlib

from shipped import SHIPPED

BASELINE = {
    "train.py": "596670d962ad27543362fd4e67432b26e8e49368dff09196a8b548bbc7e671b3",
    "model.py": "b2e7b127ffd577b88ecebc64cc520d819627bc48dc398a2c7577a0e0e551e236",
}
"""SHA-256 of each editable file. Who changes the baseline on purpose writes the new one here."""


def test_the_editable_files_are_the_baselines() -> None:
    assert {name: hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest() for name in BASELINE} == BASELINE
