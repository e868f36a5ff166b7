"""Work that is killed, with everything it started, at one step of what it writes."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable

Trace = Callable[[str], None]


def killed(work: Callable[[Trace], object], deadly: int) -> bool:
    """Whether `work`, in a process of its own, came to its `deadly`-th step, where it is killed; else it has ended."""
    child = os.fork()
    if child == 0:
        os.setsid()
        left = deadly

        def trace(point: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.killpg(0, signal.SIGKILL)

        try:
            work(trace)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), "the work failed by itself"
    return status == signal.SIGKILL
