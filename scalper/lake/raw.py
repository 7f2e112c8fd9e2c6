"""Raw downloads: what to ask for, and the files as they came, each with a manifest beside it.

A raw file counts only with its manifest, which is written last; what a manifest covers is never asked again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from scalper.clock import from_ns, iso
from scalper.errors import VendorError
from scalper.lake.dbn import loaded
from scalper.lake.importing import fingerprint
from scalper.lake.store import Lake
from scalper.lake.vendor import Vendor
from scalper.market import RollRule, Session, front_contract, sessions


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """Which sessions of which product; `source` is the key in the lake (`sandbox-7-1` for a simulated market).

    By a calendar roll rule each session's contract is asked for by its raw symbol; by volume the vendor's continuous
    symbol (MES.v.0), whose switches it dates.
    """

    symbol: str
    schema: Literal["ohlcv-1s", "ohlcv-1m"]
    sessions: tuple[Session, ...]
    roll: RollRule = "monday"
    source: str = "databento"
    dataset: str = "GLBX.MDP3"
    chunk_sessions: int = 30

    @property
    def interval(self) -> str:
        """The bars' interval, as the lake names it."""
        return self.schema.removeprefix("ohlcv-")


@dataclass(frozen=True, slots=True)
class Piece:
    """One call: neighbouring sessions under one symbol."""

    symbol: str
    stype: Literal["raw_symbol", "continuous"]
    sessions: tuple[Session, ...]

    @property
    def span(self) -> tuple[int, int]:
        """UTC nanoseconds [first open, last close)."""
        return self.sessions[0].open_ns, self.sessions[-1].close_ns


def symbol_of(request: DownloadRequest, day: date) -> tuple[str, Literal["raw_symbol", "continuous"]]:
    """The vendor's symbol of a session: `MESZ6` or, by volume, `MES.v.0`."""
    if request.roll == "volume":
        return f"{request.symbol}.v.0", "continuous"
    contract = front_contract(request.symbol, day, request.roll)
    return contract[:-2] + contract[-1], "raw_symbol"


def pieces(request: DownloadRequest, wanted: Callable[[str, Session], bool]) -> list[Piece]:
    """The wanted sessions in runs of neighbours under one symbol, at most `chunk_sessions` long."""
    chosen = sorted(request.sessions, key=lambda one: one.date)
    calendar = sessions(request.symbol, chosen[0].date, chosen[-1].date)
    place = {one.date: i for i, one in enumerate(calendar)}
    runs: list[list[Session]] = []
    last: tuple[str, int] | None = None
    for one in chosen:
        symbol, _ = symbol_of(request, one.date)
        if not wanted(symbol, one):
            continue
        here = (symbol, place[one.date])
        if last is None or here != (last[0], last[1] + 1) or len(runs[-1]) >= request.chunk_sessions:
            runs.append([])
        runs[-1].append(one)
        last = here
    return [Piece(*symbol_of(request, run[0].date), tuple(run)) for run in runs]


def query(request: DownloadRequest, piece: Piece) -> dict[str, Any]:
    """A piece as the client's arguments, for its cost and for the data."""
    start, end = piece.span
    return {
        "dataset": request.dataset,
        "symbols": piece.symbol,
        "schema": request.schema,
        "stype_in": piece.stype,
        "start": from_ns(start),
        "end": from_ns(end),
    }


def raw_folder(lake: Lake, request: DownloadRequest, symbol: str) -> Path:
    """Where the raw files of a vendor's symbol lie."""
    return lake.root / "raw" / request.source / request.dataset / request.schema / symbol


def fetch(lake: Lake, request: DownloadRequest, piece: Piece, vendor: Vendor, cost: float) -> None:
    """One call: the raw file first, its manifest last; without a manifest a raw file does not count."""
    start, end = piece.span
    name = f"{iso(start)}_{iso(end)}".replace(":", "").replace("-", "")
    raw = raw_folder(lake, request, piece.symbol) / f"{name}.dbn.zst"
    part = raw.with_name(f".{raw.name}")
    heard = vendor.fetch(part, **query(request, piece))
    document: dict[str, Any] = {
        "request": {**query(request, piece), "start": iso(start), "end": iso(end)},
        "start_ns": start,
        "end_ns": end,
        "cost_usd": cost,
        "warnings": heard,
        "names": _resolve(request, part, vendor) if piece.stype == "continuous" else None,
    }
    part.replace(raw)
    manifest = manifest_of(raw)
    draft = manifest.with_name(f".{manifest.name}")
    draft.write_text(json.dumps(document | {"file": fingerprint(raw)}, indent=1, sort_keys=True) + "\n")
    draft.replace(manifest)


def manifest_of(raw: Path) -> Path:
    """The manifest beside a raw file."""
    return raw.with_name(raw.name.removesuffix(".dbn.zst") + ".json")


def _resolve(request: DownloadRequest, raw: Path, vendor: Vendor) -> list[tuple[int, str, str, str]]:
    """Who the instrument ids of a continuous symbol are: id, first date, end date, raw symbol."""
    with loaded(raw) as store:
        spans = [span for every in store.mappings.values() for span in every if span["symbol"]]
    found: list[tuple[int, str, str, str]] = []
    for span in spans:
        start, end, number = span["start_date"], span["end_date"], str(span["symbol"])
        answer = vendor.resolve(
            dataset=request.dataset,
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


def manifests(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The raw files of one symbol that have a manifest, with it."""
    found = sorted(folder.glob("[!.]*.json"))
    pairs = [(path.with_name(path.stem + ".dbn.zst"), path) for path in found]
    return [(raw, json.loads(path.read_text())) for raw, path in pairs if raw.is_file()]


def covers(document: dict[str, Any], one: Session) -> bool:
    """Whether the raw file of this manifest was asked for the whole session."""
    return document["start_ns"] <= one.open_ns and one.close_ns <= document["end_ns"]
