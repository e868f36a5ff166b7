"""Serves the live page until it is interrupted."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from autogit.errors import AutogitError
from autogit.watch.app import INTERVAL, app

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(folder: Path, host: str, port: int, ready: Callable[[str], None], interval: float = INTERVAL) -> None:
    """Listens on `host` and `port` (0: any that is free) and tells `ready` the address, which holds the token if any.

    Raises AutogitError if it cannot listen there, ConfigError or WorkspaceError if there is no lab.
    """
    import uvicorn

    token = "" if host in LOOPBACK else secrets.token_urlsafe(24)
    application = app(folder, host, token, interval)
    with _listening(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}/"
        ready(address + (f"?token={token}" if token else ""))
        # A page's stream of events never ends by itself: a second must do when the person ends this.
        settings = uvicorn.Config(
            application, log_level="critical", access_log=False, server_header=False, proxy_headers=False,
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        uvicorn.Server(settings).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(64)
        except OSError:
            listener.close()
            raise
        return listener
    except OSError as error:
        why = error.strerror or error
        raise AutogitError(f"cannot listen on {host}:{port}: {why}; choose another --port (0: any)") from None
