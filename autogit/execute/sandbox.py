"""The levels of protection, and which of them work here."""

from __future__ import annotations

from typing import Protocol

from autogit.config import Sandbox
from autogit.execute.plan import Plan
from autogit.execute.scratch import Scratch
from autogit.execute.variables import homely, passed_on
from autogit.protocols import Job


class Tier(Protocol):
    """A level of protection."""

    name: str

    def plan(self, job: Job, scratch: Scratch) -> Plan:
        """How `job` is started under it."""


class RlimitsTier:
    """Limits alone. What it writes and reads is not confined."""

    name = "rlimits"

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def plan(self, job: Job, scratch: Scratch) -> Plan:
        """Starts the job's shell as it is."""
        return Plan(
            argv=("sh", "-c", job.command),
            folder=str(job.folder),
            variables={**passed_on(self._sandbox.pass_env), **homely(scratch.folder), **job.variables},
            file_size=int(self._sandbox.disk_gb * 10**9),
        )
