"""A server on loopback that answers as Databento's historical API does, from simulated markets."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web

from scalper.errors import BadInput
from scalper.sandbox import catalogue, delivery
from scalper.sandbox.answer import Answers
from scalper.sandbox.dbn import KINDS
from scalper.sandbox.faults import FILE, STREAM, SUBMIT, Faults
from scalper.sandbox.jobs import Jobs
from scalper.sandbox.loopback import Loopback
from scalper.sandbox.market import SimulatedMarket
from scalper.sandbox.query import DATASET, DAY_NS, EPOCH, ApiError, Query, Span, check_dataset, read_query
from scalper.sandbox.symbology import Symbology

COUNTS = "/sandbox/requests"
"""What was asked and what went wrong, for tests in other processes; asked without a key."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DatabentoServer(Loopback):
    """Serves one or more markets (a product each) over HTTP while the context is open.

    `url` is the gateway to give to the databento client's API classes; `key` is the only user let in; `faults` says
    what goes wrong, `requests` counts what was asked, by route. The server runs in its own thread. Raises BadInput if
    two markets share a product, or if the port is taken.
    """

    def __init__(
        self,
        markets: SimulatedMarket | Sequence[SimulatedMarket],
        *,
        key: str = "db-sandbox",
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Faults | None = None,
    ) -> None:
        every = [markets] if isinstance(markets, SimulatedMarket) else list(markets)
        if len({m.symbol for m in every}) < len(every) or not every:
            raise BadInput(f"markets {[m.symbol for m in every]}: give one or more, each of another product")
        super().__init__(host=host, port=port)
        self.key = key
        self.faults = faults or Faults()
        self._symbology = Symbology(every)
        self._answers = Answers(self._symbology, self.faults)
        self.jobs = Jobs(self._answers, self._beside)
        first = min(m.sessions[0].open_ns for m in every)
        last = max(m.sessions[-1].close_ns for m in every)
        self._available = Span(first // DAY_NS * DAY_NS, -(-last // DAY_NS) * DAY_NS)

    @property
    def requests(self) -> Counter[str]:
        """Requests so far, by route, such as `timeseries.get_range`; refused ones too."""
        return self.faults.requests

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.jobs.close()

    def app(self) -> web.Application:
        """The routes of Databento's historical API, version 0."""
        app = web.Application(middlewares=[self._guard])
        posts: dict[str, Handler] = {
            STREAM: self._get_range,
            SUBMIT: self._submit_job,
            "metadata.get_cost": self._counted(catalogue.cost),
            "metadata.get_record_count": self._counted(lambda _schema, count: count),
            "metadata.get_billable_size": self._counted(lambda schema, count: count * KINDS[schema].itemsize),
            "symbology.resolve": self._resolve,
        }
        gets: dict[str, Handler] = {
            "metadata.list_datasets": _told(lambda _form: [DATASET]),
            "metadata.list_publishers": _told(lambda _form: catalogue.PUBLISHERS),
            "metadata.list_fields": _told(catalogue.fields),
            "metadata.list_schemas": _told(lambda _form: list(KINDS), ours=True),
            "metadata.list_unit_prices": _told(lambda _form: catalogue.unit_prices(), ours=True),
            "metadata.get_dataset_range": _told(lambda _form: catalogue.available(self._available), ours=True),
            "metadata.get_dataset_condition": _told(self._conditions, ours=True),
            "batch.list_jobs": self._job_call(self.jobs.listed),
            "batch.get_job_details": self._job_call(lambda form: self.jobs.look(str(form.get("job_id")))),
            "batch.list_files": self._job_call(lambda form: self.jobs.files(str(form.get("job_id")), self.url)),
            FILE: self._zip,
            "batch/download/{job}/{name}": self._file,
        }
        app.router.add_routes([web.post(f"/v0/{name}", handler) for name, handler in posts.items()])
        app.router.add_routes([web.get(f"/v0/{name}", handler) for name, handler in gets.items()])
        app.router.add_get(COUNTS, self._counts)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let the key in; turn refusals into Databento's bodies."""
        if request.path == COUNTS:
            return await handler(request)
        route = request.path.removeprefix("/v0/")
        within = self.faults.count(FILE if route.startswith("batch/download") else route)
        try:
            if _user(request) != self.key:
                raise ApiError(*delivery.REFUSALS["401"])
            if not within:
                delivery.refuse("429", self.faults)
            return await handler(request)
        except ApiError as error:
            return web.json_response(error.body, status=error.status, headers=error.headers)
        except web.HTTPNotFound:
            return web.json_response({"detail": "Not Found"}, status=404)
        except ConnectionError:
            return web.Response()  # the client went away: nobody hears it

    # -------------------------------------------------------------------- data

    async def _query(self, request: web.Request) -> Query:
        return read_query(await request.post(), self._symbology, self._available)

    async def _get_range(self, request: web.Request) -> web.StreamResponse:
        query = await self._query(request)
        fault = self.faults.next(STREAM)
        return delivery.refuse(fault, self.faults) or await delivery.stream(request, self._answers, query, fault)

    def _counted(self, of: Callable[[str, int], float]) -> Handler:
        """A handler that tells something of a schema and a number of records."""

        async def handler(request: web.Request) -> web.Response:
            query = await self._query(request)
            return web.json_response(of(query.schema, await asyncio.to_thread(self._answers.count, query)))

        return handler

    # ------------------------------------------------------------------- batch

    async def _submit_job(self, request: web.Request) -> web.StreamResponse:
        query = await self._query(request)
        fault = self.faults.next(SUBMIT)
        if refused := delivery.refuse(fault, self.faults):
            return refused
        form = await request.post()
        job = await asyncio.to_thread(self.jobs.submit, form, query, fails=fault == "failed")
        if fault == "lost":
            return web.Response(status=504)
        warned = {"X-Warning": json.dumps([delivery.TROUBLED])} if fault == "warning" else {}
        return web.json_response(job, headers=warned)

    def _job_call(self, of: Callable[[Any], Any]) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            return web.json_response(await asyncio.to_thread(of, request.query))

        return handler

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = self.jobs.path(request.match_info["job"], request.match_info["name"])
        return await self._sent(request, path)

    async def _zip(self, request: web.Request) -> web.StreamResponse:
        return await self._sent(request, await asyncio.to_thread(self.jobs.zipped, request.query.get("job_id", "")))

    async def _sent(self, request: web.Request, path: Path) -> web.StreamResponse:
        fault = self.faults.next(FILE)
        return delivery.refuse(fault, self.faults) or await delivery.file(request, path, fault)

    def _beside(self, query: Query) -> dict[str, Any]:
        """condition.json and symbology.json of a job."""
        start, end = (
            EPOCH + timedelta(days=ns // DAY_NS) for ns in (query.span.start_ns, query.span.end_ns + DAY_NS - 1)
        )
        last = end - timedelta(days=1)
        form = {"symbols": ",".join(query.symbols), "stype_in": query.stype_in, "stype_out": query.stype_out}
        dates = {"start_date": start.isoformat(), "end_date": end.isoformat()}
        return {
            "condition": self._conditions({"start_date": start.isoformat(), "end_date": last.isoformat()}),
            "symbology": catalogue.resolved({**form, **dates}, self._symbology, self._available),
        }

    # ---------------------------------------------------------------- metadata

    def _conditions(self, form: Any) -> list[dict[str, str | None]]:
        return catalogue.conditions(form, self._available, self.faults.days)

    async def _resolve(self, request: web.Request) -> web.Response:
        form = await request.post()
        check_dataset(form)
        return web.json_response(catalogue.resolved(form, self._symbology, self._available))

    async def _counts(self, request: web.Request) -> web.Response:
        told = {"requests": self.faults.requests, "faults": self.faults.served, "left": self.faults.left}
        return web.json_response(told)


def _told(of: Callable[[Any], Any], *, ours: bool = False) -> Handler:
    """A handler of what does not change; `ours`: the dataset must be the sandbox's."""

    async def handler(request: web.Request) -> web.Response:
        if ours:
            check_dataset(request.query)
        return web.json_response(of(request.query))

    return handler


def _user(request: web.Request) -> str:
    """The user of HTTP Basic; '' without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        return base64.b64decode(token, validate=True).decode().partition(":")[0] if scheme == "Basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""
