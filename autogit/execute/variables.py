"""The environment of a run: an allow-list of what is passed on, and what autogit sets itself."""

from __future__ import annotations

import os
import site
from collections.abc import Mapping, Sequence
from pathlib import Path

from autogit.config.model import Sandbox
from autogit.execute.editable import python_path
from autogit.execute.readable import SYSTEM, interpreters, named
from autogit.protocols import Job

_PASSED = (
    "PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PYENV_ROOT", "PYENV_VERSION",
    "CUDA_HOME", "CUDA_PATH", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES",
)  # fmt: skip
_THREADS = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


def run_variables(threads: int, gpus: Sequence[str] | None, seed: int) -> Mapping[str, str]:
    """What autogit sets for a run: CPU threads, the ids of its GPUs (none: it sees none), its seed.

    `gpus` None: nothing is known of this machine's, and a run may find its own (AMD's heed CUDA's variable, too).
    """
    chosen = {} if gpus is None else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(gpus)}
    return {
        **dict.fromkeys(_THREADS, str(threads)),
        **chosen,
        # Above 32 bits Python refuses to start.
        "PYTHONHASHSEED": str(seed % 2**32),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


READABLE = "AUTOGIT_READABLE"
"""Tells a job which folders it, and the training run, can read besides the checkout: one a line."""


def variables(job: Job, sandbox: Sandbox, tmp: Path) -> dict[str, str]:
    """Returns the whole environment of a job that sees its private temporary folder as `tmp`.

    Raises ConfigError if the job would run the person's own checkout.
    """
    allowed = {*_PASSED, *sandbox.pass_env}
    passed = {name: value for name, value in os.environ.items() if name in allowed or name.startswith("LC_")}
    environment = {**passed, **_homely(tmp), **job.variables}
    path = python_path(job, environment.get("PYTHONPATH", ""), interpreters(job.command, environment))
    folders = dict.fromkeys([*SYSTEM, *named(job, sandbox, environment)])
    environment[READABLE] = "\n".join(str(folder) for folder in folders if folder.exists())
    return {**environment, "PYTHONPATH": path} if path else environment


def _homely(tmp: Path) -> dict[str, str]:
    """A home, a temporary folder and caches that belong to the run alone."""
    home, cache = tmp / "home", tmp / "home" / ".cache"
    own = {
        "HOME": str(home),
        "TMPDIR": str(tmp),
        "XDG_CACHE_HOME": str(cache),
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "torchinductor"),
        "TRITON_CACHE_DIR": str(cache / "triton"),
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "USER": "autogit",
        "LOGNAME": "autogit",
    }
    if site.ENABLE_USER_SITE and site.USER_BASE:
        # Packages of `pip install --user` are looked for in the home that is no longer there.
        own["PYTHONUSERBASE"] = site.USER_BASE
    return own
