"""Memory of `autogit watch` over a night: 10,000 events of a loop, each seen by an open page.

    python benchmarks/watch_memory.py [EVENTS]

A toy lab; a loop's live file is written by the loop's own class, an event at a time, and the next one comes when the
page has shown the last: none is skipped. Prints the server's resident memory at the start, the peak, and at the end.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from toy import make_toy

from autogit import Lab
from autogit.events import Closed, Opened, Progress, Ran, Started
from autogit.records import Record, Run, RunStatus, Trial, Verdict
from autogit.trial.live import LiveFile

SERVE = """
import sys
from pathlib import Path
from autogit.watch.serve import serve
serve(Path(sys.argv[1]), "127.0.0.1", 0, lambda address: print(address, flush=True), interval=0.002)
"""
STEPS = 50
"""Events of a run between two trials."""


def main(events: int) -> None:
    """Drives the events through and prints the figures."""
    with tempfile.TemporaryDirectory() as folder:
        root = make_toy(Path(folder) / "lab")
        lab = Lab.open(root)
        lab.loop(trials=3)
        server = subprocess.Popen([sys.executable, "-c", SERVE, str(root)], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().rstrip("/\n").rpartition(":")[2])
            with lab.ledger.lock():
                follow(lab, port, events, psutil.Process(server.pid))
        finally:
            server.kill()
            server.wait()


def follow(lab: Lab, port: int, events: int, server: psutil.Process) -> None:
    """Tells event after event and waits until the page shows each."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/events")
    stream = connection.getresponse()

    def until(words: str) -> None:
        while line := stream.readline():
            if line.startswith(b"data: "):
                found = json.loads(line[6:])
                if found["name"] == "now" and words in found["html"]:
                    return
        raise SystemExit("the stream has ended")

    clock = iter(range(10**9))
    live = LiveFile(lab.ledger.private, lambda: time.time() + 2 * next(clock))
    live.tell(Started(None, None, 1, lab.best()))
    until("trials closed")
    first, peak, began = server.memory_info().rss, 0, time.monotonic()
    for event in range(events):
        number, step = divmod(event, STEPS)
        trial = Trial(str(number + 10), "c", "b", f"trial {number}", "p", "o")
        if step == 0:
            live.tell(Opened(trial, 0))
        line = f"step {event} loss {1 / (step + 1):.4f}"
        live.tell(Progress(trial, 0, 1, step + 1, 1 / (step + 1), 1.0, step / STEPS, 0.0, line, 1.0))
        until(line)
        if step == STEPS - 1:
            live.tell(Ran(trial, 0, Run(1, RunStatus.COMPLETED, 1.0)))
            live.tell(Closed(Record(trial, Verdict.REJECTED, "not better"), 0, None))
        if event % 100 == 0:
            peak = max(peak, server.memory_info().rss)
    last = server.memory_info().rss
    seconds = time.monotonic() - began
    told = ", ".join(f"{n} {v / 1e6:.0f} MB" for n, v in (("start", first), ("peak", max(peak, last)), ("end", last)))
    print(f"{events:,} events in {seconds:.0f} s: {told}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
