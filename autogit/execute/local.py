"""Runs jobs on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from threading import Event

from autogit.config.model import Config
from autogit.errors import ConfigError, WorkspaceError
from autogit.execute.handle import ReaperPool
from autogit.execute.limits import GB, Limits
from autogit.execute.machine import Gpu, cores, gpus, memory, processor, threads_per_job
from autogit.execute.probe import choose
from autogit.execute.readable import versions
from autogit.execute.scratch import clear_leftovers
from autogit.execute.supervision import supervise
from autogit.execute.variables import run_variables
from autogit.protocols import Execution, Job, Monitor
from autogit.records import Scalar

_MEMORY_SHARE = 0.9
"""Of the machine's memory, what all runs together may use where the configuration says nothing."""


class LocalExecutor:
    """Runs each job in the sandbox, `slots` of them side by side at most: an Executor."""

    def __init__(self, config: Config, slots: int = 1) -> None:
        """Raises ConfigError if the machine is too small for `slots` or the named sandbox tier does not work.

        Raises WorkspaceError if there is no /proc, or what passes keeps a tier from being tried.
        """
        self._config = config
        self._gpus = gpus()
        self._per_run = _gpus_per_run(config, self._gpus)
        job_count(config, slots)
        self._threads = config.train.threads or threads_per_job(slots)
        sandbox = config.sandbox
        self._limits = Limits(
            memory=int(sandbox.memory_gb * GB if sandbox.memory_gb else _MEMORY_SHARE * memory() / slots),
            processes=sandbox.processes,
            disk=int(sandbox.disk_gb * GB),
        )
        self._most_output = int(sandbox.output_mb * 10**6)
        if sys.platform == "linux" and not Path("/proc/self/stat").exists():
            raise WorkspaceError("/proc is not there, so that nothing that a run starts could be ended: mount it first")
        clear_leftovers()
        self._reapers = ReaperPool()
        self._tier = choose(sandbox, self._reapers)

    @staticmethod
    def slots(config: Config, jobs: int | None) -> int:
        """Returns how many jobs run side by side if a person asks for `jobs`. Raises ConfigError."""
        return job_count(config, jobs)

    @property
    def tier(self) -> str:
        """The level of protection in force: it stays the same as long as this executor lives."""
        return self._tier.name

    @cached_property
    def environment(self) -> Mapping[str, Scalar]:
        """What of this machine makes numbers comparable."""
        device = self._gpus[0].name if self._per_run else processor()
        command = self._config.train.command.replace("{python}", sys.executable)
        return {
            "device": device,
            "gpus": self._per_run,
            "threads": self._threads,
            "sandbox": self.tier,
            **versions(command, os.environ.get("PATH", os.defpath)),
        }

    def variables(self, slot: int, seed: int) -> Mapping[str, str]:
        """Threads, the slot's own GPUs and the seed."""
        if not self._gpus and self._config.train.gpus_per_run is None and "CUDA_VISIBLE_DEVICES" not in os.environ:
            return run_variables(self._threads, None, seed)
        own = self._gpus[slot * self._per_run : (slot + 1) * self._per_run]
        return run_variables(self._threads, [gpu.id for gpu in own], seed)

    def run(self, job: Job, monitor: Monitor, cancel: Event) -> Execution:
        """Runs `job` until it ends, breaks a limit, is halted by `monitor` or `cancel` is set."""
        return supervise(job, self._tier, self._reapers, self._limits, self._most_output, monitor, cancel)


def job_count(config: Config, jobs: int | None = None) -> int:
    """How many jobs to run side by side: `jobs`, or one for each group of `gpus_per_run` GPUs, or one without a GPU.

    Raises ConfigError where the machine has not so many cores or GPUs.
    """
    have = gpus()
    per_run = _gpus_per_run(config, have)
    most = len(have) // per_run if per_run else cores()
    if per_run > len(have):
        raise ConfigError(
            f"train.gpus_per_run = {per_run}, but this machine shows {len(have)} GPUs; 0 trains on the CPU"
        )
    if jobs is not None and jobs > most:
        what = f"{len(have)} GPUs, {per_run} for each" if per_run else f"{most} CPU cores"
        raise ConfigError(f"--jobs {jobs}: this machine has {what}: at most {most}")
    return jobs or (most if per_run else 1)


def _gpus_per_run(config: Config, have: tuple[Gpu, ...]) -> int:
    wanted = config.train.gpus_per_run
    return wanted if wanted is not None else min(1, len(have))
