"""Batch jobs: submitted once, whatever happens, waited for, and their files fetched and verified one by one.

A job's record lies beside where its manifest will be: written before the job is submitted, completed with the job's id,
removed when the manifest stands. So a killed run finds its job again and never pays twice. Jobs are split by the week,
which begins on Sunday 00:00 UTC, when no session is open: no file cuts a session.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from pathlib import Path
from threading import Event
from typing import Any

from scalper import clock
from scalper.errors import BadInput, VendorBusy, VendorError
from scalper.files import as_json
from scalper.lake.databento.pace import backoff
from scalper.lake.databento.raw import folder_of, keep_file, load, raw_folder
from scalper.lake.databento.request import DownloadRequest, Piece, symbol_of
from scalper.lake.databento.vendor import ATTEMPTS, Quote, Vendor
from scalper.lake.store import Lake
from scalper.market import sessions

SPLIT = "week"
LONGEST_S = 6 * 3600.0
"""Seconds to wait for a job; it goes on without us, and the next run takes it up."""

NAP_S = 0.5
"""How soon a wait notices that the download is being stopped."""

SKEW_NS = 120 * clock.NS
"""How far the vendor's clock may be behind ours when a job is looked for by its time."""


def under_way(lake: Lake, request: DownloadRequest) -> list[Piece]:
    """The calls of the request's symbols for which a job was submitted, or was about to be, and is not done with."""
    symbols = {symbol_of(request, one.date) for one in request.sessions}
    found: list[Piece] = []
    for symbol, stype in sorted(symbols):
        folder = raw_folder(request.source, request.dataset, request.schema, symbol)
        for name in lake.storage.names(folder, ".job.json"):
            record = load(lake, name)
            held = sessions(request.symbol, *(date.fromisoformat(record[key]) for key in ("first", "last")))
            span = record["start_ns"], record["end_ns"]
            found.append(Piece(request.dataset, request.schema, symbol, stype, *span, tuple(held)))
    return found


def is_paid(lake: Lake, source: str, piece: Piece) -> bool:
    """Whether the call's job is known to have been submitted."""
    name = _record_name(source, piece)
    return lake.storage.exists(name) and load(lake, name)["id"] is not None


def fetch_job(
    lake: Lake, source: str, piece: Piece, quote: Quote, vendor: Vendor, stop: Event
) -> tuple[str, list[dict[str, Any]]]:
    """Submit or find the call's job, wait for it, fetch its files into the raw folder: its id and their lines.

    Raises VendorError for a job that expired or whose files are not what they should be, VendorBusy if it takes too
    long or `stop` is set meanwhile.
    """
    job = _submitted(lake, source, piece, quote, vendor)
    _wait(lake, source, piece, job, vendor, stop)
    lines = [_take(lake, source, piece, job, file, vendor) for file in vendor.job_files(job)]
    if not any(line["name"].endswith(".dbn.zst") for line in lines):
        raise VendorError(f"batch job {job} of {piece.symbol} lists no DBN file; see it in the vendor's portal")
    return job, lines


def forget_job(lake: Lake, source: str, piece: Piece) -> None:
    """Remove the record of a job whose manifest is written."""
    lake.storage.delete(_record_name(source, piece))


def _submitted(lake: Lake, source: str, piece: Piece, quote: Quote, vendor: Vendor) -> str:
    """The id of the call's job: recorded, found among the vendor's jobs, or submitted now."""
    name = _record_name(source, piece)
    known = lake.storage.exists(name)
    dates = {"first": piece.sessions[0].date, "last": piece.sessions[-1].date}
    span = {"start_ns": piece.start_ns, "end_ns": piece.end_ns}
    fresh: dict[str, Any] = {"id": None, "since_ns": clock.now_ns(), **dates, **span}
    record = load(lake, name) if known else fresh
    if record["id"] is not None:
        return str(record["id"])
    vendor.purse.reserve(quote.usd, f"{piece.symbol} {piece.schema}")
    bought = False
    try:
        lake.storage.write(name, as_json(record))  # before the vendor hears of it
        for attempt in range(1, ATTEMPTS + 1):
            found = _find(vendor, piece, record["since_ns"] - SKEW_NS) if known else None
            try:
                if found is None:
                    bought = True  # until we hear that it was not
                    found = str(vendor.submit(**piece.query, split_duration=SPLIT)["id"])
            except VendorBusy:
                known = True  # it may have been taken all the same
                if attempt == ATTEMPTS:
                    raise
                clock.sleep(backoff(attempt))
                continue
            except VendorError:
                bought = False
                if not known:
                    lake.storage.delete(name)  # refused: there is no job
                raise
            lake.storage.write(name, as_json(record | {"id": found}))
            return found
    finally:
        vendor.purse.settle(quote.usd, billed=bought)
    raise AssertionError("the last attempt returns or raises")


def _find(vendor: Vendor, piece: Piece, since_ns: int) -> str | None:
    """The job for this very call among those submitted since then."""
    for job in vendor.jobs(since_ns):
        told = vendor.job(job)
        symbols = told["symbols"] if isinstance(told["symbols"], str) else ",".join(told["symbols"])
        same = (told["dataset"], told["schema"], symbols) == (piece.dataset, piece.schema, piece.symbol)
        if same and [_ns(told[key]) for key in ("start", "end")] == [piece.start_ns, piece.end_ns]:
            return job
    return None


def _wait(lake: Lake, source: str, piece: Piece, job: str, vendor: Vendor, stop: Event) -> None:
    """Return when the job is done. Raises VendorError if it expired, VendorBusy if it takes too long or `stop` is set:
    the job goes on without us."""
    waited, attempt = 0.0, 0
    while (state := str(vendor.job(job)["state"])) != "done":
        if state == "expired":
            forget_job(lake, source, piece)
            raise VendorError(
                f"batch job {job} of {piece.symbol} expired before it was fetched; run it again to submit anew"
            )
        if waited > LONGEST_S or stop.is_set():
            raise VendorBusy(f"batch job {job} of {piece.symbol} is {state} after {waited:.0f} s; run it again later")
        attempt += 1
        until = waited + backoff(attempt)
        while waited < until and not stop.is_set():
            clock.sleep(NAP_S)
            waited += NAP_S


def _take(lake: Lake, source: str, piece: Piece, job: str, file: dict[str, Any], vendor: Vendor) -> dict[str, Any]:
    """One of the job's files in the raw folder, verified; it is not fetched again if it is there."""
    name, (algorithm, _, digest) = str(file["filename"]), str(file["hash"]).partition(":")
    if Path(name).name != name or name.startswith(".") or algorithm != "sha256":
        raise VendorError(f"batch job {job}: file {name!r} with hash {file['hash']!r} is not one to fetch; report it")
    target = f"{folder_of(source, piece)}/{piece.name}/{name}"
    if lake.storage.exists(target) and lake.storage.digest(target) == digest:
        return {"name": target, "bytes": lake.storage.size(target), "sha256": digest}

    def check(path: Path) -> None:
        with path.open("rb") as written:
            found = hashlib.file_digest(written, "sha256").hexdigest()
        if found != digest:
            raise BadInput(f"{name}: SHA-256 {found}, the vendor says {digest}")

    part = lake.storage.scratch() / f"{hashlib.sha256(target.encode()).hexdigest()[:16]}.part"
    vendor.take(str(file["urls"]["https"]), part, int(file["size"]), check)
    return keep_file(lake, part, target)


def _record_name(source: str, piece: Piece) -> str:
    return f"{folder_of(source, piece)}/{piece.name}.job.json"


def _ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * clock.NS
