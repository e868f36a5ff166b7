"""A lab driven by the mcp package's own client over a real process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from toy import TRAIN, make_toy

from autogit import Lab

pytest.importorskip("mcp", reason="the extra autogit[mcp] is not installed")

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import Implementation

FASTER = {
    "title": "Learn faster",
    "kind": "optimizer",
    "hypothesis": "The rate is far below the best one.",
    "expectation": "val_loss 0.04 lower",
    "diff": "--- a/train.py\n+++ b/train.py\n@@\n-learning_rate = 0.1\n+learning_rate = 0.3\n",
}
WIDER = FASTER | {
    "title": "Widen it",
    "kind": "architecture",
    "diff": "--- a/train.py\n+++ b/train.py\n@@\n-width = 8\n+width = 16\n",
}
WORSE = FASTER | {
    "title": "Drop more",
    "kind": "regularization",
    "diff": "--- a/train.py\n+++ b/train.py\n@@\n-dropout = 0.5\n+dropout = 0.9\n",
}
PACED = TRAIN.replace("import sys", "import sys, pathlib, time").replace(
    'print(f"val_loss', 'while not pathlib.Path(sys.argv[2], "go").exists(): time.sleep(0.01)\nprint(f"val_loss'
)
"""Reports its steps and then waits for a file that only the test makes."""
SECONDS = 90


@asynccontextmanager
async def client(folder: Path, mode: str = "auto") -> AsyncIterator[Client]:
    server = StdioServerParameters(command=sys.executable, args=["-m", "autogit", "-C", str(folder), "mcp"])
    me = Implementation(name="Ada's client", version="1")
    async with Client(server, mode=mode, client_info=me) as opened:
        with anyio.fail_after(SECONDS):
            yield opened


def drive(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    anyio.run(work)


def paced(folder: Path) -> Path:
    make_toy(folder, PACED)
    path = folder / ".autoresearch.toml"
    path.write_text(path.read_text().replace("train.py {seed}", f"train.py {{seed}} {folder}"))
    return folder


def words(result: Any) -> str:
    return "".join(part.text for part in result.content)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_client_makes_trials_and_reads_what_came_of_them(tmp_path: Path, mode: str) -> None:
    folder = make_toy(tmp_path / "lab")
    told: list[tuple[float, str]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append((done, message or ""))

    async def work() -> None:
        async with client(folder, mode) as lab:
            tools = {tool.name: tool for tool in (await lab.list_tools()).tools}
            assert set(tools) == {"status", "context", "try", "results", "show", "diff", "log", "ideas", "stop"}
            assert all(tool.description for tool in tools.values())
            needed = tools["try"].input_schema
            assert set(needed["required"]) == {"title", "kind", "hypothesis", "expectation", "diff"}
            assert all(part.get("description") for part in needed["properties"].values())
            assert tools["status"].output_schema is not None and tools["try"].output_schema is not None

            before = (await lab.call_tool("status")).structured_content
            assert before["trials"] == 0 and before["best"] is None
            context = words(await lab.call_tool("context"))
            assert "learning_rate = 0.1" in context and "tool `try`" in context and "There are no tools" not in context
            idea = (await lab.call_tool("ideas", {"add": "a higher rate"})).structured_content["waiting"][0]["id"]

            done = await lab.call_tool("try", FASTER | {"idea": idea}, progress_callback=progress)
            assert not done.is_error, words(done)
            assert done.structured_content["verdict"] == "accepted" and done.structured_content["trial"] == "1"
            assert json.loads(words(done)) == done.structured_content
            assert (await lab.call_tool("ideas")).structured_content == {"waiting": []}

            again = await lab.call_tool("try", WORSE)
            assert again.structured_content["verdict"] != "accepted"
            repeated = await lab.call_tool("try", WORSE)
            assert repeated.is_error and "the same change of the same code is exp/2" in words(repeated)

            rows = (await lab.call_tool("results")).structured_content
            assert [row["trial"] for row in rows["trials"]] == ["2", "1", "0"] and rows["better"] == "lower"
            dead = (await lab.call_tool("results", {"verdict": "dead", "where": "effect < 0"})).structured_content
            assert [row["trial"] for row in dead["trials"]] == ["2"]
            assert "+learning_rate = 0.3" in words(await lab.call_tool("diff", {"trial": "1"}))
            assert words(await lab.call_tool("log", {"trial": "1", "lines": 1})).splitlines()[-1].startswith("val_loss")
            shown = (await lab.call_tool("show", {"trial": "exp/1"})).structured_content
            assert shown["hypothesis"] == FASTER["hypothesis"] and shown["expectation"] == FASTER["expectation"]

            record = json.loads((await lab.read_resource("autogit://trial/1")).contents[0].text)
            assert record["verdict"] == "accepted" and "+learning_rate = 0.3" in record["diff"]
            every = json.loads((await lab.read_resource("autogit://trials")).contents[0].text)
            assert [each["id"] for each in every] == ["0", "1", "2"]
            assert "step 5 loss" in (await lab.read_resource("autogit://log/2")).contents[0].text

    drive(work)
    trial = Lab.open(folder).trial(1).trial
    assert trial.title == FASTER["title"] and trial.operator == "optimizer" and trial.proposer == "mcp:Ada-s-client"
    assert trial.rationale == FASTER["hypothesis"] and trial.expected == FASTER["expectation"]
    assert [done for done, _ in told] == sorted({done for done, _ in told}), "progress grows with each notification"
    messages = [message for _, message in told]
    assert "exp/0 trains: Baseline" in messages and "exp/1 trains: Learn faster" in messages
    assert messages[-1] == "exp/1: accepted"
    assert any(message.startswith("exp/1 seed 1: completed, val_loss 1.1") for message in messages)


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        ("show", {"trial": "99"}, "no trial 99 in this lab; see: autogit log"),
        ("stop", {}, "no loop runs on this lab: there is nothing to stop"),
        ("results", {"where": "nonsense <"}, "nonsense"),
        ("try", FASTER | {"diff": "no diff at all"}, "diff"),
        ("try", FASTER | {"diff": FASTER["diff"].replace("train.py", ".autoresearch.toml")}, ".autoresearch.toml"),
        ("try", FASTER | {"diff": FASTER["diff"].replace("-learning_rate = 0.1", "-learning_rate = 0.7")}, "train.py"),
        ("try", FASTER | {"idea": "12345678"}, "no idea 12345678 waits in this lab"),
    ],
)
def test_what_is_wrong_is_a_tool_error_in_our_words(
    tmp_path: Path, tool: str, arguments: dict[str, str], sentence: str
) -> None:
    folder = make_toy(tmp_path / "lab")

    async def work() -> None:
        async with client(folder) as lab:
            if tool == "results":
                await lab.call_tool("try", WIDER)
            done = await lab.call_tool(tool, arguments)
            assert done.is_error and sentence in words(done)
            assert "Traceback" not in words(done) and "Error executing" not in words(done)

    drive(work)
    assert [trial.title for trial in Lab.open(folder).ledger.unfinished()] == []


def test_a_folder_without_a_lab_is_told_when_a_tool_is_called(tmp_path: Path) -> None:
    async def work() -> None:
        async with client(tmp_path) as lab:
            done = await lab.call_tool("status")
            assert done.is_error and "autogit init" in words(done)

    drive(work)


def test_a_cancelled_trial_stays_open_and_the_same_call_goes_on_with_it(tmp_path: Path) -> None:
    folder = paced(tmp_path / "lab")
    (folder / "go").touch()

    async def cancel_when_it_trains(lab: Client) -> None:
        with anyio.CancelScope() as call:

            async def progress(done: float, total: float | None, message: str | None) -> None:
                if message and message.startswith("exp/2 seed") and "step 5" in message:
                    call.cancel()

            await lab.call_tool("try", WORSE, progress_callback=progress)
        assert call.cancelled_caught

    async def work() -> None:
        async with client(folder) as lab:
            assert not (await lab.call_tool("try", FASTER)).is_error
            (folder / "go").unlink()
            await cancel_when_it_trains(lab)
            # Waits for its turn, which comes when the run has ended.
            while (await lab.call_tool("status")).structured_content["busy"]:
                pass
            assert (await lab.call_tool("status")).structured_content["open"] == ["2"]
            (folder / "go").touch()
            done = await lab.call_tool("try", WORSE)
            assert done.structured_content["trial"] == "2", words(done)
            assert (await lab.call_tool("status")).structured_content["open"] == []

    drive(work)
    assert [record.id for record in Lab.open(folder).trials()] == ["0", "1", "2"]


@pytest.mark.parametrize("how", ["stop", "tool", "gone"])
def test_a_trial_that_is_given_up_otherwise_stays_open_too(tmp_path: Path, how: str) -> None:
    """By `autogit stop` in a terminal, by the tool, and by a client that goes away in the middle."""
    folder = paced(tmp_path / "lab")

    async def work() -> None:
        async with client(folder) as lab, anyio.create_task_group() as group:
            trains = anyio.Event()

            async def progress(done: float, total: float | None, message: str | None) -> None:
                if message and "seed 1: step" in message:
                    trains.set()

            async def give_up() -> None:
                await trains.wait()
                if how == "stop":
                    command = [sys.executable, "-m", "autogit", "-C", str(folder), "stop"]
                    await anyio.run_process(command)
                elif how == "tool":
                    assert "ends by itself" in words(await lab.call_tool("stop"))
                    assert "given up" in words(await lab.call_tool("stop", {"now": True}))
                else:
                    group.cancel_scope.cancel()

            group.start_soon(give_up)
            done = await lab.call_tool("try", FASTER, progress_callback=progress)
            assert done.is_error and "the open trial runs again under its number" in words(done)
            status = await lab.call_tool("status")
            assert status.structured_content["open"] == ["0"], "the server lives on"

    drive(work)
    lab = Lab.open(folder)
    assert lab.ledger.running() is None and [trial.id for trial in lab.ledger.unfinished()] == ["0"]
    left = subprocess.run(["pgrep", "-f", f"train.py 1 {folder}"], capture_output=True, text=True).stdout
    assert not left, "nothing that it started is left"


def test_two_calls_at_once_are_made_one_after_the_other(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    verdicts: dict[str, Any] = {}

    async def work() -> None:
        async with client(folder) as lab, anyio.create_task_group() as group:

            async def one(change: dict[str, str]) -> None:
                done = await lab.call_tool("try", change)
                verdicts[change["title"]] = done.structured_content or words(done)

            for change in (FASTER, WIDER, WORSE):
                group.start_soon(one, change)

    drive(work)
    assert len(Lab.open(folder).trials()) == 4, verdicts


def test_standard_output_is_the_protocol_alone(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
    asked = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "try", "arguments": FASTER}},
    ]
    command = [sys.executable, "-m", "autogit", "-C", str(folder), "mcp"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        for message in asked:
            server.stdin.write(json.dumps(message) + "\n")
        server.stdin.flush()
        lines = []
        while not lines or json.loads(lines[-1]).get("id") != 2:
            lines.append(server.stdout.readline())
        server.stdin.close()
        lines += server.stdout.readlines()
        assert server.wait() == 0
    answers = [json.loads(line) for line in lines]
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
    assert answers[-1]["result"]["structuredContent"]["verdict"] == "accepted"
