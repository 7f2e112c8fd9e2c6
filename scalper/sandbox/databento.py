"""A server on loopback that answers as Databento's historical API does, from simulated markets."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import zstandard
from aiohttp import web

from scalper.clock import iso
from scalper.errors import BadInput
from scalper.sandbox.dbn import OHLCV, RTYPES, Records, metadata
from scalper.sandbox.loopback import Loopback
from scalper.sandbox.market import SimulatedMarket
from scalper.sandbox.query import (
    DATASET,
    DAY_NS,
    EPOCH,
    ApiError,
    Query,
    Span,
    check_dataset,
    check_stypes,
    read_date,
    read_query,
    resolve,
)
from scalper.sandbox.symbology import Interval, Symbology, instrument_id, raw_symbol

USD_PER_GB = 20.0
"""What a gigabyte of records costs in the sandbox; Databento's prices differ by schema and plan."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DatabentoServer(Loopback):
    """Serves one or more markets (a product each) over HTTP while the context is open.

    `url` is the gateway to give to the databento client's API classes; `key` is the only user let in. The server runs
    in its own thread. Raises BadInput if two markets share a product, or if the port is taken.
    """

    def __init__(
        self,
        markets: SimulatedMarket | Sequence[SimulatedMarket],
        *,
        key: str = "db-sandbox",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        every = [markets] if isinstance(markets, SimulatedMarket) else list(markets)
        if len({m.symbol for m in every}) < len(every) or not every:
            raise BadInput(f"markets {[m.symbol for m in every]}: give one or more, each of another product")
        super().__init__(host=host, port=port)
        self.key = key
        self._symbology = Symbology(every)
        first = min(m.sessions[0].open_ns for m in every)
        last = max(m.sessions[-1].close_ns for m in every)
        self._available = Span(first // DAY_NS * DAY_NS, -(-last // DAY_NS) * DAY_NS)

    def app(self) -> web.Application:
        """The routes of Databento's historical API, version 0."""
        app = web.Application(middlewares=[self._guard])
        for name, handler in {
            "timeseries.get_range": self._get_range,
            "metadata.get_cost": self._get_cost,
            "metadata.get_record_count": self._get_record_count,
            "metadata.get_billable_size": self._get_billable_size,
            "symbology.resolve": self._resolve,
        }.items():
            app.router.add_post(f"/v0/{name}", handler)
        for name, handler in {
            "metadata.list_datasets": self._list_datasets,
            "metadata.list_schemas": self._list_schemas,
            "metadata.get_dataset_range": self._get_dataset_range,
            "metadata.get_dataset_condition": self._get_dataset_condition,
        }.items():
            app.router.add_get(f"/v0/{name}", handler)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let the key in; turn refusals into Databento's bodies."""
        try:
            if _user(request) != self.key:
                raise ApiError(401, "auth_authentication_failed", "Authentication failed.")
            return await handler(request)
        except ApiError as error:
            return web.json_response(error.body, status=error.status)
        except web.HTTPNotFound:
            return web.json_response({"detail": "Not Found"}, status=404)

    # ------------------------------------------------------------- time series

    async def _get_range(self, request: web.Request) -> web.StreamResponse:
        query = await self._query(request)
        chunks = query.chunks(self._symbology)
        first = await asyncio.to_thread(next, chunks, None)
        headers = {"Content-Type": "application/octet-stream"}
        if first is None:
            headers["X-Warning"] = json.dumps(["Warning: No data found for the request you submitted."])
        response = web.StreamResponse(status=206 if query.not_found else 200, headers=headers)
        await response.prepare(request)
        packer = zstandard.ZstdCompressor(level=1).compressobj()
        await response.write(packer.compress(_header(query)))
        piece = first
        while piece is not None:
            packed, piece = await asyncio.to_thread(_pack_and_next, packer, piece, chunks)
            await response.write(packed)
        await response.write(packer.flush())
        await response.write_eof()
        return response

    async def _query(self, request: web.Request) -> Query:
        return read_query(await request.post(), self._symbology, self._available)

    # ---------------------------------------------------------------- metadata

    async def _count(self, request: web.Request) -> int:
        query = await self._query(request)
        return await asyncio.to_thread(query.count, self._symbology)

    async def _get_record_count(self, request: web.Request) -> web.Response:
        return web.json_response(await self._count(request))

    async def _get_billable_size(self, request: web.Request) -> web.Response:
        return web.json_response(await self._count(request) * OHLCV.itemsize)

    async def _get_cost(self, request: web.Request) -> web.Response:
        return web.json_response(await self._count(request) * OHLCV.itemsize / 2**30 * USD_PER_GB)

    async def _list_datasets(self, request: web.Request) -> web.Response:
        return web.json_response([DATASET])

    async def _list_schemas(self, request: web.Request) -> web.Response:
        check_dataset(request.query)
        return web.json_response(list(RTYPES))

    async def _get_dataset_range(self, request: web.Request) -> web.Response:
        check_dataset(request.query)
        span = {"start": _nano_iso(self._available.start_ns), "end": _nano_iso(self._available.end_ns)}
        return web.json_response({**span, "schema": dict.fromkeys(RTYPES, span)})

    async def _get_dataset_condition(self, request: web.Request) -> web.Response:
        check_dataset(request.query)
        first, last = (
            EPOCH + timedelta(days=ns // DAY_NS) for ns in (self._available.start_ns, self._available.end_ns - 1)
        )
        day, until = read_date(request.query, "start_date", first), read_date(request.query, "end_date", last)
        every = [day + timedelta(days=i) for i in range((until - day).days + 1)]
        return web.json_response(
            [
                {
                    "date": d.isoformat(),
                    "condition": "available" if first <= d <= last else "missing",
                    "last_modified_date": d.isoformat() if first <= d <= last else None,
                }
                for d in every
                if d.weekday() != 5  # Saturdays have no condition
            ]
        )

    # --------------------------------------------------------------- symbology

    async def _resolve(self, request: web.Request) -> web.Response:
        form = await request.post()
        check_dataset(form)
        stype_in, stype_out = check_stypes(form)
        start = read_date(form, "start_date", EPOCH + timedelta(days=self._available.start_ns // DAY_NS))
        end = read_date(form, "end_date", start + timedelta(days=1))
        symbols, mappings, not_found = resolve(form, self._symbology, stype_in, start, end)
        partial = [s for s, spans in mappings.items() if not _covers(spans, start, end)]
        return web.json_response(
            {
                "result": {s: [_json(i, stype_out) for i in spans] for s, spans in mappings.items()},
                "symbols": symbols,
                "stype_in": stype_in,
                "stype_out": stype_out,
                "start_date": start.isoformat(),
                "end_date": end.isoformat(),
                "partial": partial,
                "not_found": not_found,
                "message": "Not found" if not mappings else "Partially resolved" if partial or not_found else "OK",
                "status": 2 if not mappings else 1 if partial or not_found else 0,
            }
        )


def _user(request: web.Request) -> str:
    """The user of HTTP Basic; '' without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        return base64.b64decode(token, validate=True).decode().partition(":")[0] if scheme == "Basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _header(query: Query) -> bytes:
    return metadata(
        dataset=DATASET,
        schema=query.schema,
        stype_in=query.stype_in,
        stype_out=query.stype_out,
        start_ns=query.span.start_ns,
        end_ns=query.span.end_ns,
        limit=query.limit,
        symbols=query.symbols,
        not_found=query.not_found,
        mappings=query.mappings,
    )


def _pack_and_next(
    packer: zstandard.ZstdCompressionObj, piece: Records, chunks: Iterator[Records]
) -> tuple[bytes, Records | None]:
    return packer.compress(piece.tobytes()), next(chunks, None)


def _covers(spans: list[Interval], start: Any, end: Any) -> bool:
    return spans[0].start == start and spans[-1].end == end


def _json(interval: Interval, stype_out: str) -> dict[str, str]:
    name = str(instrument_id(interval.contract)) if stype_out == "instrument_id" else raw_symbol(interval.contract)
    return {"d0": interval.start.isoformat(), "d1": interval.end.isoformat(), "s": name}


def _nano_iso(ts_ns: int) -> str:
    return iso(ts_ns)[:-1] + ".000000000Z"
