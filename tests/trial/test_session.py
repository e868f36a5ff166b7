"""What the slots of a loop see as `main`, as the incumbent and as the line between them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from trial.memory import change, desk

from autogit.records import Verdict


def test_nobody_has_measured_main_at_first(tmp_path: Path) -> None:
    session = desk(tmp_path).session
    assert (session.main(), session.incumbent(), session.line()) == (None, None, [])


def test_the_line_goes_from_main_to_its_tip(tmp_path: Path) -> None:
    made = desk(tmp_path, '[accept]\nrule = "stack"\n')
    session, baseline = made.session, made.baseline()
    assert session.main() == session.incumbent() == baseline and session.line() == []
    text, ids = "loss = 1.0\n", []
    for value in (0.8, 0.6, 0.4):
        record = made.close(change(made.ledger.tip(), text, f"loss = {value}\n"))
        text = f"loss = {value}\n"
        assert record.kept
        ids.append(record.id)
    assert [record.id for record in session.line()] == ids
    assert session.main() == baseline and session.incumbent() == session.line()[-1]
    ended = [replace(record, verdict=Verdict.ACCEPTED) for record in session.line()]
    made.ledger.prove(ended)
    for record in ended:
        session.history.add(record)
    assert session.line() == [] and session.main() == session.incumbent() == ended[-1]
