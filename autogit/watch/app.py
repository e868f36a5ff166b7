"""The live page as an ASGI application. Nothing is kept of what was sent: memory does not grow with the night."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from autogit.errors import AutogitError
from autogit.report.svg import asset
from autogit.watch.guard import Guard
from autogit.watch.view import View

INTERVAL = 1.0
"""Seconds between two looks at the lab, while somebody watches."""
HEARTBEAT = 15.0
"""Seconds after which a line without meaning keeps a quiet connection open."""
MAX_READERS = 32
"""Pages that are served events at once."""
MAX_BODY_BYTES = 262_144
MAX_IDEA = 4000
"""Characters of an idea."""
COMMAND_SECONDS = 60.0
ASSETS = Path(__file__).parent / "assets"


class Board:
    """The sections as they are now. A page that is slow gets the latest of each, never a queue of old ones."""

    def __init__(self, view: View, interval: float) -> None:
        self._view = view
        self._interval = interval
        self._news = asyncio.Condition()
        self._sections: dict[str, tuple[int, str]] = {}
        """(version, HTML) by name."""
        self._version = 0
        self.readers = 0

    async def keep_current(self) -> None:
        """Looks again and again, for ever, as long as somebody reads."""
        while True:
            if self.readers:
                await self._look()
            await asyncio.sleep(self._interval)

    async def changes(self) -> AsyncIterator[bytes]:
        """Server-sent events: every section, then those that change."""
        seen = 0
        self.readers += 1
        try:
            await self._look()
            while True:
                fresh = [(v, name, html) for name, (v, html) in self._sections.items() if v > seen]
                for version, name, html in sorted(fresh):
                    seen = max(seen, version)
                    yield b"data: " + json.dumps({"name": name, "html": html}).encode() + b"\n\n"
                try:
                    async with asyncio.timeout(HEARTBEAT), self._news:
                        await self._news.wait_for(lambda: self._version > seen)  # noqa: B023
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self.readers -= 1

    async def _look(self) -> None:
        try:
            sections = {"trouble": "", **await asyncio.to_thread(self._view.sections)}
        except (AutogitError, OSError) as error:
            from autogit.report.svg import words

            sections = {"trouble": words(f"the lab cannot be read: {error}")}
        async with self._news:
            for name, html in sections.items():
                if self._sections.get(name, (0, None))[1] != html:
                    self._version += 1
                    self._sections[name] = self._version, html
            self._news.notify_all()


class Page:
    """What each address answers."""

    def __init__(self, folder: Path, interval: float) -> None:
        self._view = View(folder)
        self._folder = folder
        self.board = Board(self._view, interval)

    async def show(self, request: Request) -> Response:
        """The page."""
        return HTMLResponse(await asyncio.to_thread(self._view.page))

    async def events(self, request: Request) -> Response:
        """Changes as server-sent events."""
        if self.board.readers >= MAX_READERS:
            return PlainTextResponse(f"{MAX_READERS} pages are open already: close one\n", 503)
        return StreamingResponse(self.board.changes(), media_type="text/event-stream")

    async def guide(self, request: Request) -> Response:
        """`program.md` as it is."""
        text = await asyncio.to_thread(self._view.lab.ledger.guide)
        return JSONResponse({"text": text, "version": _version(text)})

    async def stop(self, request: Request) -> Response:
        """Ends the loop after the current trial, or now."""
        asked = await _json(request)
        if asked is None or not isinstance(asked.get("now", False), bool):
            return _wrong('{"now": true} or {}')
        return await self._command("stop", *(["--now"] if asked.get("now") else []))

    async def idea(self, request: Request) -> Response:
        """Queues an idea."""
        asked = await _json(request)
        text = None if asked is None else asked.get("text")
        if not isinstance(text, str) or not text.strip() or len(text) > MAX_IDEA or "\0" in text:
            return _wrong(f'{{"text": "..."}} with 1 to {MAX_IDEA} characters')
        return await self._command("idea", "--", text)

    async def write_guide(self, request: Request) -> Response:
        """Writes `program.md` if it is still what the person has seen."""
        asked = await _json(request)
        text, version = (None, None) if asked is None else (asked.get("text"), asked.get("version"))
        if not isinstance(text, str) or not isinstance(version, str):
            return _wrong('{"text": "...", "version": "..."} (GET /program has the version)')
        ledger = self._view.lab.ledger
        if _version(await asyncio.to_thread(ledger.guide)) != version:
            return _said(False, "", "program.md has been changed by somebody else meanwhile: load it again", 409)
        try:
            await asyncio.to_thread(ledger.set_guide, text)
        except (AutogitError, UnicodeError) as error:
            return _said(False, "", str(error), 409)
        return _said(True, "$EDITOR program.md", "program.md is written; the next proposal is made by it")

    async def _command(self, *arguments: str) -> Response:
        """Runs the command that the button is. -P: training code beside the lab shadows no module."""
        command = [sys.executable, "-P", "-m", "autogit", "-C", str(self._folder), *arguments]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                said, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            said = f"it took more than {COMMAND_SECONDS:g} s and was ended".encode()
        shown = shlex.join(["autogit", *(word for word in arguments if word != "--")])
        done = process.returncode == 0
        return _said(done, shown, said.decode("utf-8", "replace").strip(), 200 if done else 409)


def app(folder: Path, host: str = "127.0.0.1", token: str = "", interval: float = INTERVAL) -> Starlette:
    """The application over the lab in `folder`. Raises ConfigError or WorkspaceError if there is none."""
    page = Page(folder, interval)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(page.board.keep_current())
        yield
        task.cancel()

    routes = [
        Route("/", page.show, methods=["GET"]),
        Route("/events", page.events, methods=["GET"]),
        Route("/program", page.guide, methods=["GET"]),
        Route("/program", page.write_guide, methods=["POST"]),
        Route("/stop", page.stop, methods=["POST"]),
        Route("/idea", page.idea, methods=["POST"]),
        Route("/watch.js", _file((ASSETS / "watch.js").read_text(), "text/javascript"), methods=["GET"]),
        Route(
            "/watch.css",
            _file(asset("page.css") + asset("chart.css") + (ASSETS / "watch.css").read_text(), "text/css"),
            methods=["GET"],
        ),
    ]
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(Guard, host=host, token=token)])


def _file(text: str, kind: str) -> Any:
    async def answer(request: Request) -> Response:
        return Response(text, media_type=kind)

    return answer


async def _json(request: Request) -> dict[str, Any] | None:
    """The object that was sent; None if it is none, or too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _wrong(allowed: str) -> Response:
    return _said(False, "", f"send {allowed}, at most {MAX_BODY_BYTES:,} bytes", 400)


def _said(done: bool, command: str, text: str, status: int = 200) -> Response:
    return JSONResponse({"done": done, "command": command, "said": text}, status)


def _version(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
