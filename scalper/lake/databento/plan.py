"""What a download lacks, and what asking for it would cost. Nothing here costs anything."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal

import polars as pl

from scalper.clock import NS
from scalper.errors import BadInput, VendorError
from scalper.lake.databento.batch import is_paid, under_way
from scalper.lake.databento.condition import Conditions, ask_conditions, is_pending
from scalper.lake.databento.definitions import definition_keys, status_keys
from scalper.lake.databento.raw import Raw, raw_folder, raws
from scalper.lake.databento.request import (
    DAY_NS,
    TICKS,
    DownloadRequest,
    Piece,
    contracts_of,
    pieces,
    raw_symbol,
    symbol_of,
)
from scalper.lake.databento.vendor import Quote, Vendor
from scalper.lake.schema import FRONT_KEYS
from scalper.lake.store import Lake, bar_keys
from scalper.market import Session

Mode = Literal["stream", "batch"]


@dataclass(frozen=True, slots=True)
class Call:
    """A piece, how it is asked for, and what the vendor says of it; a job that was submitted before costs no more."""

    piece: Piece
    mode: Mode
    quote: Quote
    usd: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a download would ask for: dollars, bytes that are billed, records, calls, sessions; `not_yet` are sessions
    that the vendor does not have yet."""

    cost_usd: float = 0.0
    bytes: int = 0
    records: int = 0
    requests: int = 0
    sessions: int = 0
    not_yet: list[str] = field(default_factory=list[str])

    def words(self) -> str:
        """One line for a person."""
        size = f"{self.bytes / 1e6:,.1f} MB, {self.records:,} records"
        later = f"; {len(self.not_yet)} sessions are not there yet" if self.not_yet else ""
        return f"{self.sessions} sessions in {self.requests} requests: {size}, ${self.cost_usd:.2f}{later}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of a dry run."""
        return {
            "cost_usd": self.cost_usd,
            "bytes": self.bytes,
            "records": self.records,
            "requests": self.requests,
            "sessions": self.sessions,
            "not_yet": self.not_yet,
        }


@dataclass(frozen=True, slots=True)
class Lacking:
    """What neither the raw folder nor the lake has: sessions of data and of status, contracts without a definition
    (with the first session that holds them), and jobs under way."""

    sessions: list[Session]
    status: list[Session]
    contracts: dict[str, Session]
    jobs: list[Piece]

    def __bool__(self) -> bool:
        return bool(self.sessions or self.status or self.contracts or self.jobs)


@dataclass(frozen=True, slots=True)
class Plan:
    """The calls of a download: definitions first, which say whether the rest is worth its price."""

    definitions: list[Call]
    data: list[Call]
    known: Conditions
    not_yet: list[date]

    @property
    def estimate(self) -> Estimate:
        """The sum of its calls."""
        every = [*self.definitions, *self.data]
        return Estimate(
            cost_usd=sum(one.usd for one in every),
            bytes=sum(one.quote.bytes for one in every),
            records=sum(one.quote.records for one in every),
            requests=len(every),
            sessions=len({held.date for one in self.data for held in one.piece.sessions}),
            not_yet=[day.isoformat() for day in self.not_yet],
        )


def served(lake: Lake, request: DownloadRequest, schema: str | None = None) -> list[Raw]:
    """The raw files that hold any of the request's sessions, in order of time."""
    by_symbol: dict[str, list[Session]] = {}
    for one in request.sessions:
        by_symbol.setdefault(symbol_of(request, one.date)[0], []).append(one)
    return [
        raw
        for symbol, held in by_symbol.items()
        for raw in raws(lake, raw_folder(request.source, request.dataset, schema or request.schema, symbol))
        if any(raw.covers(one) for one in held)
    ]


def lacking(lake: Lake, request: DownloadRequest) -> Lacking:
    """What would have to be asked for; looks at the lake only."""
    jobs = under_way(lake, request)
    coming = {one.date for piece in jobs for one in piece.sessions}
    rest = _uncovered(lake, request, request.schema)
    status = _uncovered(lake, request, "status") if request.status else []
    return Lacking(
        sessions=[one for one in rest if one.date not in coming and not _in_lake(lake, request, one)],
        status=[one for one in status if not _has_status(lake, request, one)],
        contracts=_undefined(lake, request) if request.definitions else {},
        jobs=jobs,
    )


def make_plan(lake: Lake, request: DownloadRequest, missing: Lacking, vendor: Vendor) -> Plan:
    """Ask the vendor what it has, and cost and size of what is missing. Raises BadInput, VendorError, VendorBusy."""
    known = ask_conditions(lake, request.source, request.dataset, vendor, request.sessions)
    start_ns, end_ns = _available(vendor, request)
    early = [one for one in missing.sessions if one.open_ns < start_ns]
    if early:
        first = datetime.fromtimestamp(start_ns // NS, UTC).date()
        raise BadInput(
            f"{request.dataset} {request.schema} begins at {first}, session {early[0].date} is before it: start later"
        )

    def there(one: Session) -> bool:
        return one.close_ns <= end_ns and not is_pending(known, one)

    def calls(lot: Sequence[Session], schema: str) -> list[Piece]:
        chosen = {one.date for one in lot if there(one)}
        return pieces(request, lambda one: one.date in chosen, schema) if chosen else []

    defined = [
        Piece(request.dataset, "definition", raw_symbol(contract), "raw_symbol", *_day_of(one, end_ns))
        for contract, one in missing.contracts.items()
        if there(one)
    ]
    fresh = calls(missing.sessions, request.schema)
    asked = [*defined, *calls(missing.status, "status"), *missing.jobs, *fresh]

    def call(piece: Piece) -> Call:
        mode = "batch" if piece in missing.jobs else request.mode if piece.schema == request.schema else "stream"
        quote = vendor.quote(**piece.query)
        if quote.records == 0 and piece not in missing.jobs:
            mode = "stream"  # a job without records has no files
        paid = mode == "batch" and is_paid(lake, request.source, piece)
        return Call(piece, mode, quote, 0.0 if paid else quote.usd)

    with ThreadPoolExecutor(request.parallel) as pool:
        every = list(pool.map(call, asked))
    not_yet = [one.date for one in missing.sessions if not there(one)]
    return Plan(every[: len(defined)], every[len(defined) :], known, not_yet)


def _uncovered(lake: Lake, request: DownloadRequest, schema: str) -> list[Session]:
    """Sessions that no raw file of their symbol holds whole."""
    held: dict[str, list[Raw]] = {}
    found: list[Session] = []
    for one in request.sessions:
        symbol = symbol_of(request, one.date)[0]
        if symbol not in held:
            held[symbol] = raws(lake, raw_folder(request.source, request.dataset, schema, symbol))
        if not any(raw.covers(one) for raw in held[symbol]):
            found.append(one)
    return found


def _in_lake(lake: Lake, request: DownloadRequest, one: Session) -> bool:
    """Whether the lake's session has what the request would bring, its raw file being gone."""
    keys = bar_keys(request.source, request.symbol, request.interval, one.date)
    if not lake.exists("bars", keys):
        return False
    frame = lake.read("bars", keys)
    needed = "trades" if request.schema == "trades" else "spread"
    if request.schema in TICKS and frame[needed].null_count() == len(frame):
        return False
    if request.letter is not None:
        return FRONT_KEYS[request.letter] in lake.metadata("bars", keys)
    return _tells_of(frame, symbol_of(request, one.date)[0])


def _has_status(lake: Lake, request: DownloadRequest, one: Session) -> bool:
    """Whether the lake has the session's changes of status, their raw file being gone."""
    keys = status_keys(request.source, request.symbol, one.date)
    return lake.exists("status", keys) and _tells_of(lake.read("status", keys), symbol_of(request, one.date)[0])


def _tells_of(frame: pl.DataFrame, symbol: str) -> bool:
    """Whether a session's rows are of the vendor's symbol; whose a continuous or parent one was, rows do not tell."""
    return "." in symbol or symbol in {raw_symbol(name) for name in frame["contract"].unique()}


def _undefined(lake: Lake, request: DownloadRequest) -> dict[str, Session]:
    """The request's contracts of which no definition was ever asked."""
    keys = definition_keys(request.source, request.symbol)
    told = set(lake.read("definitions", keys)["contract"]) if lake.exists("definitions", keys) else set[str]()

    def asked(contract: str) -> bool:
        return bool(raws(lake, raw_folder(request.source, request.dataset, "definition", raw_symbol(contract))))

    return {name: one for name, one in contracts_of(request).items() if name not in told and not asked(name)}


def _day_of(one: Session, end_ns: int) -> tuple[int, int]:
    """The UTC day of a session's date, on which every listed instrument is defined anew."""
    start = one.close_ns // DAY_NS * DAY_NS
    return start, min(start + DAY_NS, end_ns)


def _available(vendor: Vendor, request: DownloadRequest) -> tuple[int, int]:
    """UTC nanoseconds [start, end) that the vendor has of the schema."""
    told = vendor.dataset_range(request.dataset)
    span = told.get("schema", {}).get(request.schema, {})
    return _ns(span.get("start", told["start"])), _ns(span.get("end", told["end"]))


def _ns(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp()) * NS
    except ValueError:
        raise VendorError(f"Databento's get_dataset_range names {text!r}, no stamp; check DATABENTO_GATEWAY") from None
