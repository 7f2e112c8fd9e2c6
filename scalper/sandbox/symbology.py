"""Databento's names for the contracts of simulated markets: raw, continuous and parent symbols, instrument ids."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from zlib import crc32

from scalper.errors import BadInput
from scalper.market import expiry, parse_contract
from scalper.sandbox.market import SimulatedMarket, legs

DAY = timedelta(days=1)
STYPES_IN = ("raw_symbol", "continuous", "parent", "instrument_id")
STYPES_OUT = ("instrument_id", "raw_symbol")

_CONTINUOUS = re.compile(r"([A-Z0-9]+)\.([cvn])\.([01])")


@dataclass(frozen=True, slots=True)
class Interval:
    """A contract (or calendar spread) stands for a symbol from `start` until the day before `end` (UTC dates)."""

    contract: str
    start: date
    end: date


def instrument_id(contract: str) -> int:
    """A number of 31 bits that is the same for a contract in every market and every run."""
    return crc32(contract.encode()) & 0x7FFF_FFFF


def raw_symbol(contract: str) -> str:
    """As the exchange writes it, with one digit of the year: 'MESZ26' is 'MESZ6', a spread 'MESU6-MESZ6'."""
    return "-".join(leg[:-2] + leg[-1] for leg in legs(contract))


class Symbology:
    """What a symbol means, day by day, in one or more simulated markets (one a product)."""

    def __init__(self, markets: Sequence[SimulatedMarket]) -> None:
        self.markets = {m.symbol: m for m in markets}
        self._listed: dict[str, dict[str, tuple[date, date]]] = {}
        for market in markets:
            self._listed[market.symbol] = _listed(market)

    def resolve(self, symbol: str, stype: str, start: date, end: date) -> dict[str, list[Interval]]:
        """Intervals inside [start, end) by output name: the symbol itself, or each raw symbol of a parent.

        Empty if nothing by that name was listed then.
        """
        if stype == "parent":
            root, _, kind = symbol.partition(".")
            listed = self._listed.get(root, {}) if kind == "FUT" else {}
            spans = {raw_symbol(c): _clip([Interval(c, *span)], start, end) for c, span in listed.items()}
            return {name: intervals for name, intervals in spans.items() if intervals}
        if stype == "continuous":
            intervals = self._continuous(symbol, start, end)
        elif stype == "instrument_id":
            every = ((c, span) for listed in self._listed.values() for c, span in listed.items())
            intervals = [Interval(c, *span) for c, span in every if str(instrument_id(c)) == symbol]
        else:
            intervals = self._raw(symbol, start)
        intervals = _clip(intervals, start, end)
        return {symbol: intervals} if intervals else {}

    def market_of(self, contract: str) -> SimulatedMarket:
        """The market that a listed contract trades in."""
        return next(self.markets[root] for root, listed in self._listed.items() if contract in listed)

    def _raw(self, symbol: str, near: date) -> list[Interval]:
        try:
            contract = parse_contract(symbol, near)
        except BadInput:
            return []
        return [Interval(contract, *listed[contract]) for listed in self._listed.values() if contract in listed]

    def _continuous(self, symbol: str, start: date, end: date) -> list[Interval]:
        """'c' ranks by expiry, 'v' by volume of the day before, and so does 'n': there is no open interest here."""
        match = _CONTINUOUS.fullmatch(symbol)
        if match is None or match[1] not in self.markets:
            return []
        market, rule, rank = self.markets[match[1]], match[2], int(match[3])
        first, last = market.sessions[0].date - DAY, market.sessions[-1].date + DAY
        day, until = max(start, first), min(end, last + DAY)
        intervals: list[Interval] = []
        while day < until:
            names = list(market.shares(day))
            if rule != "c":
                before = market.shares(_session_before(market, day))
                names.sort(key=lambda name: before.get(name, 0.0), reverse=True)
            if intervals and intervals[-1].contract == names[rank]:
                intervals[-1] = Interval(names[rank], intervals[-1].start, day + DAY)
            else:
                intervals.append(Interval(names[rank], day, day + DAY))
            day += DAY
        return intervals


def _session_before(market: SimulatedMarket, day: date) -> date:
    """The last business day before `day`; weekdays suffice, as shares follow the calendar."""
    day -= DAY
    while day.weekday() > 4:
        day -= DAY
    return day


def _listed(market: SimulatedMarket) -> dict[str, tuple[date, date]]:
    """Each contract, and each spread of two neighbours, with the UTC dates [start, end) on which it is listed in the
    market."""
    first, last = market.sessions[0].date - DAY, market.sessions[-1].date + DAY
    names = list(dict.fromkeys(name for s in market.sessions for name in market.contracts(s)))
    opens = [first, first, *(expiry(name) + DAY for name in names[: len(names) - 2])]
    listed = {name: (max(o, first), min(expiry(name), last) + DAY) for name, o in zip(names, opens, strict=True)}
    spreads = {f"{near}-{far}": (listed[far][0], listed[near][1]) for near, far in pairwise(names)}
    return listed | spreads


def _clip(intervals: list[Interval], start: date, end: date) -> list[Interval]:
    clipped = (Interval(i.contract, max(i.start, start), min(i.end, end)) for i in intervals)
    return [i for i in clipped if i.start < i.end]
