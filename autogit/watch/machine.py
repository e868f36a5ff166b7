"""What the machine has left: processors, memory, disk, GPUs."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

GPU_SECONDS = 5.0
"""How often `nvidia-smi` is asked, which takes a moment."""
GPU_QUERY = ["--query-gpu=name,utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits"]


@dataclass(frozen=True, slots=True)
class Meter:
    """One thing that can run out."""

    name: str
    share: float
    """Used, 0 to 1."""
    told: str


class Machine:
    """Reads the meters. Asked more often than that, GPUs are as they were up to GPU_SECONDS ago."""

    def __init__(self, folder: Path) -> None:
        """`folder` names the disk."""
        self._folder = folder
        self._gpus: list[Meter] = []
        self._asked = -GPU_SECONDS

    def meters(self) -> list[Meter]:
        """Every meter, processors first."""
        import psutil

        busy, memory, disk = psutil.cpu_percent(None) / 100, psutil.virtual_memory(), shutil.disk_usage(self._folder)
        found = [
            Meter("processors", busy, f"{busy:.0%} of {psutil.cpu_count() or 1}"),
            Meter("memory", memory.percent / 100, f"{_gib(memory.total - memory.available)} of {_gib(memory.total)}"),
            Meter("disk", 1 - disk.free / disk.total, f"{_gib(disk.free)} free of {_gib(disk.total)}"),
        ]
        return found + self._read_gpus()

    def _read_gpus(self) -> list[Meter]:
        now, program = time.monotonic(), shutil.which("nvidia-smi")
        if program is not None and now - self._asked >= GPU_SECONDS:
            self._asked = now
            try:
                said = subprocess.run([program, *GPU_QUERY], capture_output=True, text=True, timeout=GPU_SECONDS)
                self._gpus = gpus(said.stdout)
            except (OSError, subprocess.SubprocessError):
                self._gpus = []
        return self._gpus


def gpus(said: str) -> list[Meter]:
    """The meters of what `nvidia-smi` printed for GPU_QUERY, two for each GPU; what it does not know is left out."""
    found = []
    for place, line in enumerate(said.splitlines()):
        name, *numbers = [cell.strip() for cell in line.split(",")]
        try:
            busy, used, total = (float(cell) for cell in numbers)
        except ValueError:
            continue
        found.append(Meter(f"GPU {place}", busy / 100, f"{busy:.0f}% ({name})"))
        if total:
            found.append(Meter(f"GPU {place} memory", used / total, f"{used / 1024:.1f} of {total / 1024:.1f} GiB"))
    return found


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
