"""What to ask Databento for: the sessions of a product under the vendor's symbols, cut into calls."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from scalper.clock import from_ns, iso
from scalper.errors import BadInput
from scalper.lake.files.readers import DAILY, DAY_NS
from scalper.market import RollRule, Session, expiry, front_contract, instrument, parse_contract, root_of, sessions

Schema = Literal["ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d", "trades", "tbbo", "mbp-1"]
Stype = Literal["raw_symbol", "continuous", "parent"]
TICKS = ("trades", "tbbo", "mbp-1")
"""Schemas that become one-second bars with order flow."""

LETTERS = {"volume": "v", "open_interest": "n"}
"""Roll rules whose contract the vendor chooses, and the letter of its continuous symbol."""

_CONTINUOUS = re.compile(r"\.([cvn])\.0")


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """Which sessions of which product; `source` is the key in the lake (`sandbox-7-1` for a simulated market).

    `ask` is a vendor's symbol of the product: continuous (`MES.c.0`, `.v.0`, `.n.0`), parent (`MES.FUT`), raw
    (`MESZ6`), or `auto`: by a calendar roll rule each session's contract by its raw symbol, else the continuous symbol
    of the rule. A call holds at most `chunk_sessions` (default: 30 of bars, 1 of ticks); a batch job all neighbouring
    sessions. Raises BadInput.
    """

    symbol: str
    schema: Schema
    sessions: tuple[Session, ...]
    roll: RollRule = "monday"
    source: str = "databento"
    dataset: str = "GLBX.MDP3"
    chunk_sessions: int | None = None
    ask: str = "auto"
    mode: Literal["stream", "batch"] = "stream"
    parallel: int = 4
    definitions: bool = False
    status: bool = False

    def __post_init__(self) -> None:
        instrument(self.symbol)
        check_ask(self.symbol, self.ask)
        if not self.sessions:
            raise BadInput(f"no sessions of {self.symbol} to download: widen the dates")
        if not 1 <= self.parallel <= 100:
            raise BadInput(f"parallel is {self.parallel}: the vendor takes 1 to 100 connections at a time")

    @property
    def interval(self) -> str:
        """The bars' interval, as the lake names it."""
        if self.schema in TICKS:
            return "1s"
        return DAILY if self.schema == "ohlcv-1d" else self.schema.removeprefix("ohlcv-")

    @property
    def chunk(self) -> int:
        """Sessions of one call at most."""
        if self.mode == "batch":
            return len(self.sessions)
        return self.chunk_sessions or (1 if self.schema in TICKS else 30)

    @property
    def letter(self) -> str | None:
        """The letter of the continuous symbol that is asked for, if one is."""
        found = _CONTINUOUS.search(self.ask)
        return found[1] if found else LETTERS.get(self.roll) if self.ask == "auto" else None


@dataclass(frozen=True, slots=True)
class Piece:
    """One call: UTC nanoseconds [start_ns, end_ns) of one symbol, and the sessions that it is to hold whole."""

    dataset: str
    schema: str
    symbol: str
    stype: Stype
    start_ns: int
    end_ns: int
    sessions: tuple[Session, ...] = ()

    @property
    def query(self) -> dict[str, Any]:
        """The client's arguments."""
        return {
            "dataset": self.dataset,
            "symbols": self.symbol,
            "schema": self.schema,
            "stype_in": self.stype,
            "start": from_ns(self.start_ns),
            "end": from_ns(self.end_ns),
        }

    @property
    def told(self) -> dict[str, Any]:
        """The arguments as manifests keep them."""
        return self.query | {"start": iso(self.start_ns), "end": iso(self.end_ns)}

    @property
    def covers(self) -> tuple[int, int]:
        """What is never asked again: the sessions from open to close, else what was asked."""
        held = self.sessions
        return (held[0].open_ns, held[-1].close_ns) if held else (self.start_ns, self.end_ns)

    @property
    def name(self) -> str:
        """The name of its files: first and last moment covered."""
        start, end = (iso(at).replace(":", "").replace("-", "") for at in self.covers)
        return f"{start}_{end}"


def check_ask(symbol: str, ask: str) -> None:
    """Raise BadInput unless `ask` is `auto` or one of the vendor's symbols of the product."""
    if ask in ("auto", f"{symbol}.FUT", *(f"{symbol}.{letter}.0" for letter in "cvn")):
        return
    try:
        if root_of(parse_contract(ask, date(2026, 1, 1))) == symbol:
            return
    except BadInput:
        pass  # said below, with what would be right
    right = f"auto, {symbol}.c.0, {symbol}.v.0, {symbol}.n.0, {symbol}.FUT or a contract such as {symbol}Z6"
    raise BadInput(f"databento.symbol {ask!r} is no symbol of {symbol}: use {right}")


def raw_symbol(contract: str) -> str:
    """A contract as the exchange writes it, with one digit of the year: 'MESZ26' is 'MESZ6'."""
    return contract[:-2] + contract[-1]


def symbol_of(request: DownloadRequest, day: date) -> tuple[str, Stype]:
    """The vendor's symbol of a session."""
    if request.ask.endswith(".FUT"):
        return request.ask, "parent"
    if request.letter is not None:
        return f"{request.symbol}.{request.letter}.0", "continuous"
    if request.ask != "auto":
        return raw_symbol(parse_contract(request.ask, request.sessions[0].date)), "raw_symbol"
    return raw_symbol(front_contract(request.symbol, day, request.roll)), "raw_symbol"


def contracts_of(request: DownloadRequest) -> dict[str, Session]:
    """The contracts whose data the request will hold, each with its first session; for a continuous or parent symbol
    those that the calendar holds."""
    if request.ask != "auto" and request.letter is None and not request.ask.endswith(".FUT"):
        return {parse_contract(request.ask, request.sessions[0].date): request.sessions[0]}
    rule: RollRule = "monday" if request.roll in LETTERS else request.roll
    found: dict[str, Session] = {}
    for one in request.sessions:
        found.setdefault(front_contract(request.symbol, one.date, rule), one)
    return found


def pieces(request: DownloadRequest, wanted: Callable[[Session], bool], schema: str | None = None) -> list[Piece]:
    """The wanted sessions in runs of neighbours under one symbol, at most `chunk` long; a contract's until it expires.

    `schema` is another one than the request's, such as status.
    """
    chosen = sorted(request.sessions, key=lambda one: one.date)
    calendar = sessions(request.symbol, chosen[0].date, chosen[-1].date)
    place = {one.date: i for i, one in enumerate(calendar)}
    runs: list[list[Session]] = []
    last: tuple[str, int] | None = None
    for one in chosen:
        symbol, stype = symbol_of(request, one.date)
        dead = stype == "raw_symbol" and one.date > expiry(parse_contract(symbol, one.date))
        if dead or not wanted(one):
            continue
        here = (symbol, place[one.date])
        if last is None or here != (last[0], last[1] + 1) or len(runs[-1]) >= request.chunk:
            runs.append([])
        runs[-1].append(one)
        last = here
    return [_piece(request, tuple(run), schema or request.schema) for run in runs]


def _piece(request: DownloadRequest, run: tuple[Session, ...], schema: str) -> Piece:
    """Sessions as one call. Daily bars start at UTC midnight, so theirs is moved to the first and after the last."""
    start, end = run[0].open_ns, run[-1].close_ns
    if schema == "ohlcv-1d":
        monday = run[0].date.weekday() == 0  # opens on Sunday, whose bar no other session has
        start = start // DAY_NS * DAY_NS if monday else -(-start // DAY_NS) * DAY_NS
        end = -(-end // DAY_NS) * DAY_NS
    symbol, stype = symbol_of(request, run[0].date)
    return Piece(request.dataset, schema, symbol, stype, start, end, run)
