"""Who may talk to the live page: names that cannot be rebound, this page's own requests, and the token's holder.

A site that a person visits elsewhere can make their browser send requests to localhost, and can let its own name point
there (DNS rebinding). So a Host that is neither an address nor a name of this machine is refused, and any request with
the Origin of another page.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
METHODS = ("GET", "HEAD", "POST")


class Guard:
    """Lets a request through to the page, or answers it with why not."""

    def __init__(self, app: ASGIApp, host: str, token: str) -> None:
        """`host` is what the server listens on; `token` is empty if none is needed."""
        self._app = app
        self._names = {"localhost", host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refused = self._refusal(scope)
        await (refused or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_ours(host):
            return PlainTextResponse("this is not the name of this machine: open the page by its address\n", 421)
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return PlainTextResponse("requests from other pages are refused\n", 403)
        if scope["method"] not in METHODS:
            return PlainTextResponse("GET shows, POST does\n", 405)
        if self._token and (refused := self._ask_for_token(scope, headers)):
            return refused
        if scope["method"] == "POST":
            if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                return PlainTextResponse("requests from other pages are refused\n", 403)
            # No page elsewhere can send this type without being asked for leave first, which is never given.
            if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                return PlainTextResponse("send application/json\n", 415)
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name.rstrip(".") in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _ask_for_token(self, scope: Scope, headers: Headers) -> Response | None:
        """Takes the token from the header, the cookie, or once from the address, which goes out of sight then."""
        cookie = f"autogit-{scope['server'][1]}" if scope.get("server") else "autogit"
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["method"] == "GET" and self._is_token(asked):
            response = RedirectResponse(scope["path"], 303)
            response.set_cookie(cookie, self._token, httponly=True, samesite="lax", path="/")
            return response
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_token(given.strip()):
            return None
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(cookie)
        except CookieError:
            found = None
        if found is not None and self._is_token(found.value):
            return None
        return PlainTextResponse("this page needs its token: open the address that autogit watch has printed\n", 401)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())
