"""The environment of a run: an allow-list of what is passed on, and what autogit sets itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_PASSED = (
    "PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PYENV_ROOT", "PYENV_VERSION",
    "CUDA_HOME", "CUDA_PATH", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES",
)  # fmt: skip
_THREADS = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


def run_variables(threads: int, gpus: Sequence[str], seed: int) -> Mapping[str, str]:
    """What autogit sets for a run: CPU threads, the ids of its GPUs (none: it sees none), its seed."""
    return {
        **dict.fromkeys(_THREADS, str(threads)),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": ",".join(gpus),
        # Above 32 bits Python refuses to start.
        "PYTHONHASHSEED": str(seed % 2**32),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def passed_on(names: Iterable[str]) -> dict[str, str]:
    """Of autogit's own environment: the allow-list, locale settings, and what the configuration names."""
    allowed = {*_PASSED, *names}
    return {name: value for name, value in os.environ.items() if name in allowed or name.startswith("LC_")}


def homely(scratch: Path) -> dict[str, str]:
    """A home, a temporary folder and caches that belong to the run alone; `scratch` as the job sees it."""
    home, cache = scratch / "home", scratch / "home" / ".cache"
    return {
        "HOME": str(home),
        "TMPDIR": str(scratch),
        "XDG_CACHE_HOME": str(cache),
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "torchinductor"),
        "TRITON_CACHE_DIR": str(cache / "triton"),
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "USER": "autogit",
        "LOGNAME": "autogit",
    }
