"""An MCP client makes five trials on a lab and prints what it is told: python docs/agents_session.py LAB."""

from __future__ import annotations

import asyncio
import sys

from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import Implementation

FIVE = [
    ("Triple the learning rate", "optimizer", "0.1 is far from the best.", "0.04 lower",
     "learning_rate = 0.1", "learning_rate = 0.3"),
    ("Double the width", "architecture", "The model is too small.", "0.06 lower", "width = 8", "width = 16"),
    ("Drop nothing", "regularization", "Five steps cannot overfit.", "0.05 lower", "dropout = 0.5", "dropout = 0.0"),
    ("A still higher rate", "optimizer", "More of the same may help.", "0.01 lower",
     "learning_rate = 0.3", "learning_rate = 0.4"),
    ("Double the width again", "architecture", "It helped before.", "0.03 lower", "width = 16", "width = 32"),
]  # fmt: skip
"""Title, kind, hypothesis, expectation, a line of train.py, what it becomes."""


async def main(folder: str) -> None:
    """Makes the trials, one of them twice, and lists what came of them."""
    server = StdioServerParameters(command=sys.executable, args=["-m", "autogit", "-C", folder, "mcp"])
    async with Client(server, client_info=Implementation(name="notebook", version="1")) as lab:
        told: list[str] = []

        async def progress(seconds: float, total: float | None, message: str | None) -> None:
            told.append(message or "")

        for title, kind, hypothesis, expectation, old, new in [*FIVE[:4], FIVE[3], FIVE[4]]:
            diff = f"--- a/train.py\n+++ b/train.py\n@@\n-{old}\n+{new}\n"
            change = {"title": title, "kind": kind, "hypothesis": hypothesis, "expectation": expectation, "diff": diff}
            print(f"> try ({kind}) {title}")
            told.clear()
            done = await lab.call_tool("try", change, progress_callback=progress)
            if done.is_error:
                print(f"  error: {done.content[0].text}")
                continue
            runs = [words for words in told if "completed" in words]
            print(f"  progress: {runs[0]} ... {told[-1]}")
            facts = done.structured_content
            print(f"  exp/{facts['trial']} {facts['verdict']}: {facts['reason']}")
        print("> results")
        for row in (await lab.call_tool("results", {"sort": "gain"})).structured_content["trials"]:
            gain = f"{row['gain_percent']:+6.2f}%"
            print(f"  {row['trial']}  {row['verdict']:<9} {row['metric']:.4f} {gain}  {row['title']}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
