"""An aiohttp application in a thread of its own, for as long as a `with` block lasts."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from aiohttp import web

from scalper.errors import BadInput


class Loopback:
    """Serves `app()` on host and port (0: any free one). Entering raises BadInput if the port is taken."""

    def __init__(self, *, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._ready: Future[int] = Future()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    def app(self) -> web.Application:
        """The application; a server gives its own."""
        return web.Application()

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"http://{self._host}:{self._ready.result()}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
            self._ready.set_result(int(runner.addresses[0][1]))
            await self._stop.wait()
        except OSError as error:
            self._ready.set_exception(BadInput(f"{self._host}:{self._port}: {error.strerror}; choose another port"))
        finally:
            await runner.cleanup()
