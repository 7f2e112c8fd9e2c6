"""One call to the vendor: asked, verified, kept raw with its manifest."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from threading import Event
from typing import Any, Literal

from scalper import clock
from scalper.errors import BadInput, VendorError
from scalper.lake.databento.batch import fetch_job, forget_job
from scalper.lake.databento.condition import Conditions, utc_days
from scalper.lake.databento.raw import Raw, folder_of, keep_file, keep_manifest, scratch
from scalper.lake.databento.request import Piece
from scalper.lake.databento.vendor import Fetched, Quote, Vendor
from scalper.lake.files.dbn import count_records, header
from scalper.lake.store import Lake

Span = tuple[int, str, str, str]
"""Instrument id, first date, end date (not included), raw symbol."""


def fetch_piece(
    lake: Lake,
    source: str,
    piece: Piece,
    quote: Quote,
    vendor: Vendor,
    known: Conditions,
    mode: Literal["stream", "batch"],
    stop: Event,
) -> Raw:
    """Bring a call's files into the raw folder and write its manifest, last; once `stop` is set no job is waited for.

    Raises VendorError, VendorBusy; the raw folder then holds nothing that counts.
    """
    about: dict[str, Any] = {"mode": mode, "cost_usd": quote.usd, "billable_bytes": quote.bytes}
    if mode == "batch":
        job, lines = fetch_job(lake, source, piece, quote, vendor, stop)
        try:
            answer, about["job"] = Fetched(200, [], 1, _count_job(lake, lines, piece, quote, vendor)), job
        except BadInput as error:
            raise VendorError(
                f"batch job {job} of {piece.symbol}: {error}; "
                "ask the vendor, or delete the job's record and folder below raw/ to have it made again"
            ) from None
    else:
        part = scratch(lake, source, piece)
        answer = vendor.fetch(part, quote, lambda path: _verify(path, piece, quote, vendor), **piece.query)
        lines = [keep_file(lake, part, f"{folder_of(source, piece)}/{piece.name}.dbn.zst")]
    about |= {"records": answer.records, "status": answer.status, "attempts": answer.attempts}
    about |= _told(lake, lines)
    about["warnings"] = answer.warnings + ([] if answer.records else ["no records in this range"])
    about["names"] = _names(piece, about.pop("mappings"), vendor) if piece.stype == "continuous" else None
    about["condition"] = {
        day.isoformat(): known[day].condition for one in piece.sessions for day in utc_days(one) if day in known
    }
    about["sessions"] = [one.date.isoformat() for one in piece.sessions]
    about |= {"client": vendor.version, "fetched": clock.iso(clock.now_ns())}
    about.pop("mappings", None)
    raw = keep_manifest(lake, source, piece, lines, about)
    if mode == "batch":
        forget_job(lake, source, piece)
    return raw


def _verify(path: Path, piece: Piece, quote: Quote, vendor: Vendor) -> int:
    """The file's records. Raises BadInput unless it is whole and has as many as the vendor counts."""
    found = count_records(path)
    _must_count(found, piece, quote, vendor)
    return found


def _count_job(lake: Lake, lines: list[dict[str, Any]], piece: Piece, quote: Quote, vendor: Vendor) -> int:
    """The records of a job's files. Raises BadInput unless they are as many as the vendor counts."""
    found = 0
    for line in lines:
        if line["name"].endswith(".dbn.zst"):
            with lake.storage.local(line["name"]) as path:
                found += count_records(path)
    _must_count(found, piece, quote, vendor)
    return found


def _must_count(found: int, piece: Piece, quote: Quote, vendor: Vendor) -> None:
    """Raise BadInput unless the vendor counts so many records: as it was quoted, or now, if its data has changed."""
    if found != quote.records and found != (now := vendor.count(**piece.query)):
        raise BadInput(f"the answer holds {found} records, the vendor counts {now}")


def _told(lake: Lake, lines: list[dict[str, Any]]) -> dict[str, Any]:
    """What the files' own headers tell: symbols that were not found, or not for the whole range, and the mappings."""
    missed: set[str] = set()
    partial: set[str] = set()
    spans: set[tuple[str, date, date]] = set()
    for line in lines:
        if not line["name"].endswith(".dbn.zst"):
            continue
        with lake.storage.local(line["name"]) as path:
            head = header(path)
        missed |= set(head.not_found)
        partial |= set(head.partial)
        every = [span for one in head.mappings.values() for span in one if span["symbol"]]
        spans |= {(str(one["symbol"]), one["start_date"], one["end_date"]) for one in every}
    return {"not_found": sorted(missed), "partial": sorted(partial), "mappings": sorted(spans)}


def _names(piece: Piece, spans: list[tuple[str, date, date]], vendor: Vendor) -> list[Span]:
    """Who the instrument ids of a continuous symbol are."""
    found: list[Span] = []
    for number, start, end in spans:
        answer = vendor.resolve(
            dataset=piece.dataset,
            symbols=number,
            stype_in="instrument_id",
            stype_out="raw_symbol",
            start_date=start,
            end_date=end,
        )
        names = [one["s"] for one in answer.get(number, []) if one["s"]]
        if not names:
            raise VendorError(f"Databento does not say which contract instrument {number} is from {start} to {end}")
        found.append((int(number), start.isoformat(), end.isoformat(), names[0]))
    return found
