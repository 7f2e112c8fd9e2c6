"""A gateway before the sandbox's Databento that counts what is asked and answers some of it badly, when told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from threading import Thread
from typing import Any

import aiohttp
from aiohttp import web

from scalper.market import sessions

KEY = "db-secret-7"
FIRST, LAST = date(2026, 9, 8), date(2026, 9, 18)  # the Monday of expiry week is the 14th
HELD = tuple(sessions("MES", FIRST, LAST))
DATA = "timeseries.get_range"
DROPPED = {"host", "content-length", "transfer-encoding", "connection"}


@dataclass
class Trouble:
    """What the next call of a kind (`timeseries.get_range`) gets: a status, or `half`, `cut`, `hurt`; a count that is
    `stale`; a job that is `queued`, however often one looks."""

    kind: str
    what: int | str
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass
class Gateway:
    """Passes everything on to `behind`, but for `troubles`, in their order within a kind. `asked` are all calls."""

    behind: str
    key: str
    url: str = ""
    troubles: list[Trouble] = field(default_factory=list[Trouble])
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])

    def count(self, kind: str) -> int:
        """How often a kind of call came."""
        return sum(one.startswith(kind) for one, _ in self.asked)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Pass on, or be in trouble."""
        kind = request.path.removeprefix("/v0/")
        form = dict(await request.post()) or dict(request.query)
        self.asked.append((kind, form))
        trouble = next((one for one in self.troubles if kind.startswith(one.kind)), None)
        if trouble is not None:
            self.troubles.remove(trouble)
        what = trouble.what if trouble is not None else None
        if trouble is not None and isinstance(what, int):
            return web.json_response({"detail": f"trouble with {self.key}"}, status=what, headers=trouble.headers)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in DROPPED}
        data = form if request.method == "POST" else None
        headers.pop("Content-Type", None)
        async with (
            aiohttp.ClientSession(auto_decompress=False) as client,
            client.request(request.method, self.behind + request.path_qs, data=data, headers=headers) as reply,
        ):
            body, status = await reply.read(), reply.status
            told = {name: value for name, value in reply.headers.items() if name.lower() not in DROPPED}
        told |= trouble.headers if trouble is not None else {}
        body = body.replace(self.behind.encode(), self.url.encode()) if "json" in reply.content_type else body
        if what == "cut":
            return await self._cut(request, body, told)
        if what == "half":
            body = body[: len(body) // 2]
        if what == "hurt":
            body = body[:-20] + bytes(20)
        if what == "stale":
            body = str(int(body) - 1).encode()
        if what == "queued":
            body = json.dumps(json.loads(body) | {"state": "queued"}).encode()
        return web.Response(body=body, status=status, headers=told)

    async def _cut(self, request: web.Request, body: bytes, told: dict[str, str]) -> web.StreamResponse:
        """Half of the body, then the connection is closed without a word."""
        response = web.StreamResponse(headers=told)
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        assert request.transport is not None
        request.transport.close()
        return response


@contextmanager
def gateway_before(behind: str, key: str) -> Iterator[Gateway]:
    """A gateway in a thread of its own, for as long as the context lasts."""
    gateway = Gateway(behind, key)
    loop = asyncio.new_event_loop()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", gateway.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    gateway.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield gateway
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
