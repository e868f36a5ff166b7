"""`autogit finalize`."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from autogit.cli.common import echo, echo_json, json_option, open_lab

if TYPE_CHECKING:
    from autogit.lab import Lab
    from autogit.report.finalize import Finalized

DESCRIPTION = "finalize.md"


@click.command(epilog="Example:  autogit finalize --since 40 --push origin --pr")
@click.option("--branch", default="", metavar="NAME", help="Its name; findings/exp-N without.")
@click.option("--since", default=0, metavar="N", type=click.IntRange(min=0), help="Only what came after exp/N.")
@click.option("--squash", is_flag=True, help="Changes that follow each other become one commit.")
@click.option("--push", metavar="REMOTE", help="Send the branch there.")
@click.option("--pr", is_flag=True, help="Open a draft pull request with gh; needs --push.")
@json_option
@click.pass_context
def finalize(
    context: click.Context, branch: str, since: int, squash: bool, push: str | None, pr: bool, as_json: bool
) -> None:
    """Write the accepted changes as a clean branch, with a description in markdown for the people who review it.

    One commit each, in order, with the files that main had; a person's own commits in between stay. main and the trials
    stay as they are, and done again it is the same branch.
    """
    if pr and push is None:
        raise click.UsageError("--pr needs the branch on the remote: add --push REMOTE")
    if pr and shutil.which("gh") is None:
        raise click.ClickException("--pr needs GitHub's gh, which is not here; --push alone sends the branch")
    lab = open_lab(context)
    done = lab.finalize(branch, since, squash)
    text = lab.ledger.private / DESCRIPTION
    text.write_text(done.description, encoding="utf-8")
    if push is not None:
        lab.ledger.push(push, done.branch)
    opened = _open_draft(lab, done, str(text)) if pr else ""
    if as_json:
        echo_json(asdict(done) | {"file": str(text), "pull_request": opened})
        return
    echo(f"{done.branch}: {done.title}{f', pushed to {push}' if push else ''}")
    echo(f"description: {text}")
    if opened:
        echo(opened)


def _open_draft(lab: Lab, done: Finalized, text: str) -> str:
    command = ["gh", "pr", "create", "--draft", "--head", done.branch, "--title", done.title, "--body-file", text]
    said = subprocess.run(command, cwd=lab.ledger.root, capture_output=True, text=True)
    if said.returncode:
        raise click.ClickException(f"the branch is there, and gh opened no draft: {said.stderr.strip()}")
    return said.stdout.strip()
