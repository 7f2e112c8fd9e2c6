"""Bodies on their way: DBN streams and batch files, whole or with a fault that was asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import zstandard
from aiohttp import web

from scalper.sandbox.answer import LEVEL, Answers, header
from scalper.sandbox.dbn import Records
from scalper.sandbox.faults import Faults
from scalper.sandbox.query import ApiError, Query

BINARY = {"Content-Type": "application/octet-stream"}
NO_DATA = "Warning: No data found for the request you submitted."
TROUBLED = "Warning: The sandbox was told to warn."
UNKNOWN = "NONE.0"
"""Not found, whatever was asked for, by the fault 206."""

REFUSALS = {
    "401": (401, "auth_authentication_failed", "Authentication failed."),
    "402": (402, "account_insufficient_funds", "Insufficient funds: the sandbox was told to refuse."),
    "422": (422, "data_unprocessable", "Unprocessable: the sandbox was told to refuse."),
    "429": (429, "rate_limit_exceeded", "Too many requests: the sandbox was told to refuse."),
}


def refuse(fault: str | None, faults: Faults) -> web.Response | None:
    """The answer of a gateway that timed out, or None. Raises ApiError for the other faults that are refusals."""
    if fault in REFUSALS:
        error = ApiError(*REFUSALS[fault])
        if fault == "429":
            error.headers["Retry-After"] = str(faults.retry_after_s)
        raise error
    if fault == "504":
        return web.Response(status=504, text="<html><h1>504 Gateway Time-out</h1></html>", content_type="text/html")
    return None


async def stream(request: web.Request, answers: Answers, query: Query, fault: str | None) -> web.StreamResponse:
    """A query's records as one zstd-compressed DBN stream."""
    if fault == "206":
        query = replace(query, not_found=[*query.not_found, UNKNOWN])
    chunks: Iterator[Records] = iter(()) if fault == "empty" else answers.chunks(query)
    first = await asyncio.to_thread(next, chunks, None)
    warned = [*([NO_DATA] if first is None else []), *([TROUBLED] if fault == "warning" else [])]
    headers = {**BINARY, **({"X-Warning": json.dumps(warned)} if warned else {})}
    response = web.StreamResponse(status=206 if query.not_found else 200, headers=headers)
    await response.prepare(request)
    packer = zstandard.ZstdCompressor(level=LEVEL).compressobj()
    await response.write(packer.compress(header(query)))
    if fault in ("truncated", "cut"):
        return await _broken(request, response, packer, first, fault)
    piece = first
    while piece is not None:
        packed, piece = await asyncio.to_thread(_pack_and_next, packer, piece, chunks)
        await response.write(packed)
    await response.write(packer.flush())
    await response.write_eof()
    return response


async def file(request: web.Request, path: Path, fault: str | None) -> web.StreamResponse:
    """A file, or the range of it that was asked for."""
    if fault == "wrong_byte":
        return web.FileResponse(await asyncio.to_thread(_spoiled, path), headers=BINARY)
    if fault not in ("truncated", "cut"):
        return web.FileResponse(path, headers=BINARY)
    whole = await asyncio.to_thread(path.read_bytes)
    asked = whole[request.http_range]
    status = 206 if "Range" in request.headers else 200
    response = web.StreamResponse(status=status, headers=BINARY)
    half = asked[: len(asked) // 2]
    response.content_length = len(asked) if fault == "cut" else len(half)
    await response.prepare(request)
    await response.write(half)
    if fault == "cut":
        return _drop(request, response)
    await response.write_eof()
    return response


async def _broken(
    request: web.Request,
    response: web.StreamResponse,
    packer: zstandard.ZstdCompressionObj,
    first: Records | None,
    fault: str,
) -> web.StreamResponse:
    """Half of the first piece, inside a record, and no end of the zstd frame."""
    body = b"" if first is None else first.tobytes()
    start = packer.compress(body[: len(body) // 2 + 1]) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    await response.write(start)
    if fault == "cut":
        return _drop(request, response)
    await response.write_eof()
    return response


def _drop(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Close the connection; what was written still goes out."""
    response.force_close()
    if request.transport is not None:
        request.transport.close()
    return response


def _spoiled(path: Path) -> Path:
    """A copy of the file with one byte changed, in a folder that no job lists."""
    target = path.parent / "spoiled" / path.name
    target.parent.mkdir(exist_ok=True)
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 0xFF
    target.write_bytes(body)
    return target


def _pack_and_next(
    packer: zstandard.ZstdCompressionObj, piece: Records, chunks: Iterator[Records]
) -> tuple[bytes, Records | None]:
    return packer.compress(piece.tobytes()), next(chunks, None)
