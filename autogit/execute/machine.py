"""What this machine has, asked of the system and not of torch: cores, memory, GPUs."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_MIG = re.compile(r"^\s+MIG (?P<name>.*?)\s+Device\s+\d+: \(UUID: (?P<id>MIG-[^)]+)\)")
_GPU = re.compile(r"^GPU (?P<id>\d+): (?P<name>.*?) \(UUID: (?P<uuid>GPU-[^)]+)\)")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, or one MIG slice of it."""

    id: str
    """As CUDA_VISIBLE_DEVICES names it, in the order of the PCI bus."""
    name: str


def gpus() -> tuple[Gpu, ...]:
    """The GPUs that a run may use: NVIDIA's, and of those the ones in CUDA_VISIBLE_DEVICES where that is set."""
    return _visible(_installed(), os.environ.get("CUDA_VISIBLE_DEVICES"))


def threads_per_job(jobs: int) -> int:
    """Each job's share of the cores, at least one."""
    return max(1, cores() // jobs)


def cores() -> int:
    """Cores that this process may use: its affinity, and a container's quota."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota, _, period = _read(_CGROUP / "cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        count = min(count, max(1, int(quota) // int(period)))
    return count


def memory() -> int:
    """Bytes of main memory that this process may use: the machine's, or a container's limit."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")
    for place in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = _read(_CGROUP / place)
        if limit.isdigit():
            total = min(total, int(limit))
    return total


def processor() -> str:
    """The CPU's name."""
    found = re.search(r"^model name\s*:\s*(.+)$", _read(Path("/proc/cpuinfo")), re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or platform.machine()


@cache
def _installed() -> tuple[Gpu, ...]:
    if shutil.which("nvidia-smi"):
        try:
            listed = subprocess.run(
                ["nvidia-smi", "-L"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=30, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return _from_proc()
        if listed.returncode == 0:
            return _listed(listed.stdout)
    return _from_proc()


def _listed(text: str) -> tuple[Gpu, ...]:
    """From `nvidia-smi -L`. A GPU that is cut into MIG slices is named by them, since CUDA uses only those."""
    found: list[Gpu] = []
    for line in text.splitlines():
        if gpu := _GPU.match(line):
            found.append(Gpu(gpu["id"], gpu["name"]))
        elif mig := _MIG.match(line):
            whole = found[-1].name.partition(" MIG ")[0]
            if found[-1].id.isdigit():
                found.pop()
            found.append(Gpu(mig["id"], f"{whole} MIG {mig['name']}"))
    return tuple(found)


def _from_proc() -> tuple[Gpu, ...]:
    """From the driver's own files, where there is no nvidia-smi (some containers)."""
    names = []
    for information in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        model = re.search(r"^Model:\s*(.+)$", _read(information), re.MULTILINE)
        minor = re.search(r"^Device Minor:\s*(\d+)$", _read(information), re.MULTILINE)
        if minor is None or Path(f"/dev/nvidia{minor[1]}").exists():
            names.append(model[1].strip() if model else "NVIDIA GPU")
    return tuple(Gpu(str(index), name) for index, name in enumerate(names))


def _visible(installed: tuple[Gpu, ...], named: str | None) -> tuple[Gpu, ...]:
    """CUDA's own rule: the named ones in that order, up to the first that does not exist."""
    if named is None:
        return installed
    by_id = {gpu.id: gpu for gpu in installed}
    chosen: list[Gpu] = []
    for name in (part.strip() for part in named.split(",")):
        if name.startswith(("GPU-", "MIG-")):
            chosen.append(by_id.get(name) or Gpu(name, installed[0].name if installed else "NVIDIA GPU"))
        elif name in by_id:
            chosen.append(by_id[name])
        elif name.isdigit() and int(name) < len(installed):
            # Where GPUs are cut into slices, CUDA counts the slices.
            chosen.append(installed[int(name)])
        else:
            break
    return tuple(chosen)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
