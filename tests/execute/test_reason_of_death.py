from __future__ import annotations

from pathlib import Path

import pytest

from autogit.execute.reason import useful_end, why

CHECKOUT = Path("/lab/slots/0")
TRACEBACK = """\
step 1 loss 2.0
Traceback (most recent call last):
  File "/lab/slots/0/train.py", line 9, in <module>
    main()
  File "/lab/slots/0/nets/model.py", line 41, in forward
    return self.layers[x]
  File "/opt/env/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1751, in _call_impl
    return forward_call(*args, **kwargs)
{error}
"""
TORCHRUN = """\
[rank0]: Traceback (most recent call last):
[rank0]:   File "/lab/slots/0/train.py", line 3, in <module>
[rank0]:     raise ValueError("no such layer")
[rank0]: ValueError: no such layer
E1124 torch/distributed/elastic: failed (exitcode: 1) local_rank: 0 (pid: 77) of binary: python
Traceback (most recent call last):
  File "/opt/env/bin/torchrun", line 8, in <module>
    sys.exit(main())
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
"""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("KeyError: 'x'", "KeyError: 'x' (nets/model.py:41)"),
        ("AssertionError", "AssertionError (nets/model.py:41)"),
        ("mylib.errors.Broken: it is", "mylib.errors.Broken: it is (nets/model.py:41)"),
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
            "out of GPU memory: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB "
            "(nets/model.py:41)",
        ),
        (
            "RuntimeError: CUDA error: out of memory",
            "out of GPU memory: RuntimeError: CUDA error: out of memory (nets/model.py:41)",
        ),
        (
            "RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
            "out of GPU memory: RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED (nets/model.py:41)",
        ),
        (
            "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8 TiB",
            "out of host memory: "
            "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8 TiB (nets/model.py:41)",
        ),
        ("MemoryError", "out of host memory: MemoryError (nets/model.py:41)"),
        (
            "OSError: [Errno 28] No space left on device",
            "out of disk: OSError: [Errno 28] No space left on device (nets/model.py:41)",
        ),
        ("OSError: [Errno 27] File too large", "out of disk: OSError: [Errno 27] File too large (nets/model.py:41)"),
    ],
)
def test_exceptions(error: str, reason: str) -> None:
    assert why(TRACEBACK.format(error=error), 1, CHECKOUT) == reason


def test_of_a_chain_the_last_exception_counts() -> None:
    first = TRACEBACK.format(error="KeyError: 'a'")
    chained = first + "\nDuring handling of the above exception, another exception occurred:\n\n"
    assert why(chained + TRACEBACK.format(error="RuntimeError: b"), 1, CHECKOUT) == "RuntimeError: b (nets/model.py:41)"


def test_of_a_launcher_the_workers_exception_counts() -> None:
    assert why(TORCHRUN, 1, CHECKOUT) == "ValueError: no such layer (train.py:3)"
    assert useful_end(TORCHRUN)[0].startswith("[rank0]: Traceback")


@pytest.mark.parametrize(
    ("log", "status", "reason"),
    [
        ("", 3, "exit status 3"),
        ("something odd\n", 3, "exit status 3: something odd"),
        ("sh: 1: trian: not found\n", 127, "command cannot be run: sh: 1: trian: not found"),
        ("", -11, "killed by SIGSEGV: a crash in compiled code"),
        ("", -15, "killed by SIGTERM"),
        ("", -63, "killed by signal 63"),
        ("terminate called after throwing std::bad_alloc\n", -6, "out of host memory: killed by SIGABRT"),
        ("a MemoryError was handled in step 1\n" + "step\n" * 100, 1, "exit status 1: step"),
    ],
)
def test_other_ends(log: str, status: int, reason: str) -> None:
    assert why(log, status) == reason


def test_the_kernel_is_named_where_nobody_else_kills() -> None:
    assert "out of host memory" in why("", -9)


def test_the_useful_end_is_the_traceback_and_no_progress_bar() -> None:
    bars = "".join(f"{n}%|███       | {n}/100 [00:01<00:09, 9.8it/s]\n" for n in range(100))
    log = "config: small\n" + bars + TRACEBACK.format(error="KeyError: 'x'") + bars
    end = useful_end(log, 12)
    assert end[0] == "Traceback (most recent call last):" and end[-1] == "KeyError: 'x'"
    assert useful_end("config: small\n" + bars) == ["config: small"]


def test_a_long_traceback_keeps_its_ends() -> None:
    frames = "".join(f'  File "a.py", line {n}, in f\n    f()\n' for n in range(500))
    end = useful_end(f"Traceback (most recent call last):\n{frames}RecursionError: maximum recursion depth\n", 20)
    assert len(end) == 20
    assert end[0].startswith("Traceback") and end[-1].startswith("RecursionError")
    assert why(f"Traceback (most recent call last):\n{frames}RecursionError: too deep\n", 1) == (
        "RecursionError: too deep (a.py:499)"
    )
