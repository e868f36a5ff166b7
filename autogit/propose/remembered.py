"""Revisions whose answers are kept: each costs git processes, and none ever changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autogit.protocols import Revisions
from autogit.records import Curve, Idea


class Remembered:
    """The revisions of one lab, each question asked of git once. Logs are not kept: they are long and seldom read."""

    def __init__(self) -> None:
        self._revisions: Revisions
        self._diffs: dict[str, str] = {}
        self._curves: dict[str, tuple[Curve, ...]] = {}
        self._moved: dict[tuple[str, tuple[str, ...]], str | None] = {}
        self._onto = ""

    def of(self, revisions: Revisions) -> Revisions:
        """These revisions, with what was asked before."""
        self._revisions = revisions
        return self

    def diff(self, trial: str) -> str:
        if trial not in self._diffs:
            self._diffs[trial] = self._revisions.diff(trial)
        return self._diffs[trial]

    def curves(self, trial: str) -> tuple[Curve, ...]:
        if trial not in self._curves:
            self._curves[trial] = self._revisions.curves(trial)
        return self._curves[trial]

    def log(self, trial: str) -> str:
        return self._revisions.log(trial)

    def guide(self) -> str:
        return self._revisions.guide()

    def ideas(self) -> tuple[Idea, ...]:
        return self._revisions.ideas()

    def export(self, commit: str, folder: Path) -> None:
        self._revisions.export(commit, folder)

    def read(self, commit: str, path: str) -> bytes | None:
        return self._revisions.read(commit, path)

    def transplant(self, trials: Sequence[str], onto: str) -> str | None:
        self._forget_other(onto)
        key = ("transplant", tuple(trials))
        if key not in self._moved:
            self._moved[key] = self._revisions.transplant(trials, onto)
        return self._moved[key]

    def revert(self, trial: str, onto: str) -> str | None:
        self._forget_other(onto)
        key = ("revert", (trial,))
        if key not in self._moved:
            self._moved[key] = self._revisions.revert(trial, onto)
        return self._moved[key]

    def _forget_other(self, onto: str) -> None:
        if onto != self._onto:
            self._onto, self._moved = onto, {}
