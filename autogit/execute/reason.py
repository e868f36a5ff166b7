"""Why a run died, read from the end of its log, and which part of a log tells."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

USEFUL_LINES = 40

_TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)')
_RAISED = re.compile(r"^[A-Za-z_][\w.]*(?:: .*)?$")
_PROGRESS = re.compile(r"[0-9]%\||[0-9] ?it/s|s/it\b|[0-9]/[0-9]+ \[|[█▏▎▍▌▋▊▉━]{3}|^[.\s]*$")
_LAUNCHERS = ("ChildFailedError", "CalledProcessError", "ProcessRaisedException", "ProcessExitedException")
_SHORTAGES = (
    (
        "out of GPU memory",
        re.compile(
            r"(CUDA|HIP|MPS backend)( error:)? out of memory|OutOfMemoryError|CU\w+_STATUS_ALLOC_FAILED"
            r"|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|RESOURCE_EXHAUSTED: Out of memory"
        ),
    ),
    (
        "out of host memory",
        re.compile(
            r"\b_?(Array)?MemoryError\b|can't allocate memory|std::bad_alloc|Cannot allocate memory"
            r"|DataLoader worker \(pid\(?s?\)? [\d, ]+\) is killed by signal: Killed"
        ),
    ),
    ("out of disk", re.compile(r"No space left on device|Disk quota exceeded|\[Errno 27\]|File too large")),
)  # fmt: skip


def why(log: str, status: int | None, checkout: Path | None = None) -> str:
    """One line on a run that ended by itself with `status` (negative: minus a signal), from its log.

    A place in the traceback is named relative to `checkout`, whose files go before a library's.
    """
    end = useful_end(log)
    shortage = next((name for name, pattern in _SHORTAGES if pattern.search("\n".join(end))), "")
    raised = _raised(end, checkout)
    if status is not None and status < 0:
        killed = f"killed by {_signal_name(-status)}"
        return f"{shortage}: {killed}" if shortage else _explained(killed, -status)
    if shortage:
        return f"{shortage}: {raised}" if raised else shortage
    if raised:
        return raised
    if status in (126, 127) and end:
        return f"command cannot be run: {end[-1].strip()}"
    last = end[-1].strip() if end else ""
    return f"exit status {status}" + (f": {last[:200]}" if last else "")


def useful_end(log: str, lines: int = USEFUL_LINES) -> Sequence[str]:
    """The lines that tell how a run ended: the last traceback with what follows it, or else the end of the log.

    Progress bars are left out, and a launcher's own traceback after the one of its worker.
    """
    telling = [line for line in log.splitlines() if not _PROGRESS.search(line)]
    starts = [index for index, line in enumerate(telling) if _TRACEBACK in line]
    while len(starts) > 1 and any(name in line for line in telling[starts[-1] :] for name in _LAUNCHERS):
        del telling[starts.pop() :]
    if not starts:
        return telling[-lines:]
    begin = starts[-1]
    if len(telling) - begin <= lines:
        return telling[begin:]
    return telling[begin : begin + lines // 2] + telling[-(lines - lines // 2) :]


def _raised(end: Sequence[str], checkout: Path | None) -> str:
    """ "KeyError: 'x' (model.py:41)", from the last traceback in `end`; empty where there is none."""
    begin = next((i for i in range(len(end) - 1, -1, -1) if _TRACEBACK in end[i]), None)
    if begin is None:
        return ""
    # A launcher puts its worker's rank before each line: "[rank0]: Traceback ...".
    prefix = end[begin].partition(_TRACEBACK)[0]
    body = [line.removeprefix(prefix) for line in end[begin + 1 :]]
    frames = [frame for line in body if (frame := _FRAME.match(line))]
    message = next((line for line in body if line and not line[0].isspace() and _RAISED.match(line)), "")
    if not message:
        return ""
    place = _place(frames, checkout)
    return f"{message.strip()[:300]}{f' ({place})' if place else ''}"


def _place(frames: Sequence[re.Match[str]], checkout: Path | None) -> str:
    if not frames:
        return ""
    own = [frame for frame in frames if checkout is not None and Path(frame["file"]).is_relative_to(checkout)]
    frame = (own or frames)[-1]
    file = Path(frame["file"])
    name = file.relative_to(checkout) if own and checkout is not None else Path(file.name)
    return f"{name}:{frame['line']}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _explained(killed: str, number: int) -> str:
    if number == signal.SIGKILL:
        return f"{killed}, not by autogit: the kernel does this when the machine is out of host memory"
    if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE):
        return f"{killed}: a crash in compiled code"
    return killed
