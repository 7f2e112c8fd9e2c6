"""The records that answer a query, session by session, out of simulated markets; less what is lost on request."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

import numpy as np
import zstandard

from scalper.clock import NS
from scalper.market import INTERVALS, Bars, Session, aggregate
from scalper.sandbox.dbn import KINDS, Records, metadata, records
from scalper.sandbox.faults import Faults
from scalper.sandbox.listing import PRE_OPEN_NS, definitions, statuses
from scalper.sandbox.market import SimulatedMarket, legs
from scalper.sandbox.query import DATASET, DAY_NS, EPOCH, Query, Span
from scalper.sandbox.symbology import Interval, Symbology
from scalper.sandbox.ticks import quotes_and_trades, trades, with_quotes

BAR_NS = {"ohlcv-1s": INTERVALS["1s"], "ohlcv-1m": INTERVALS["1m"], "ohlcv-1h": INTERVALS["1h"], "ohlcv-1d": DAY_NS}
TICKS: dict[str, Callable[[Records], Records]] = {
    "mbp-1": lambda every: every,
    "tbbo": with_quotes,
    "trades": trades,
}
LEVEL = 1
"""Of zstd: quick."""


class Answers:
    """What every query is answered with; safe to share between threads. Counts are remembered."""

    def __init__(self, symbology: Symbology, faults: Faults) -> None:
        self.symbology, self._faults = symbology, faults
        self._counts: dict[tuple[Any, ...], int] = {}

    def chunks(self, query: Query) -> Iterator[Records]:
        """The records in order of time, in pieces of a session (of the whole range for daily bars); none is empty."""
        left = query.limit
        for chunk in self._daily(query) if query.schema == "ohlcv-1d" else self._by_session(query):
            piece = chunk if left is None else chunk[:left]
            left = None if left is None else left - len(piece)
            if len(piece):
                yield piece
            if left == 0:
                return

    def count(self, query: Query) -> int:
        """How many records there are."""
        key = query.schema, query.stype_in, query.span, query.limit, *query.symbols
        if key not in self._counts:
            self._counts[key] = sum(len(chunk) for chunk in self.chunks(query))
        return self._counts[key]

    def encoded(self, query: Query, *, packed: bool = True) -> Iterator[bytes]:
        """A DBN file of the query's records, in pieces, zstd-compressed if `packed`."""
        packer = zstandard.ZstdCompressor(level=LEVEL).compressobj() if packed else None
        for piece in _plain(query, self.chunks(query)):
            yield packer.compress(piece) if packer else piece
        if packer:
            yield packer.flush()

    def _by_session(self, query: Query) -> Iterator[Records]:
        before = PRE_OPEN_NS if query.schema == "status" else 0
        at: dict[int, dict[str, Session]] = {}
        for market in self.symbology.markets.values():
            for s in market.sessions:
                if s.open_ns - before < query.span.end_ns and s.close_ns + before > query.span.start_ns:
                    at.setdefault(s.open_ns, {})[market.symbol] = s
        for _, open_now in sorted(at.items()):
            parts = [
                self._of(query, market, i, [open_now[market.symbol]]) for market, i in self._parts(query, open_now)
            ]
            yield _in_order(parts)

    def _daily(self, query: Query) -> Iterator[Records]:
        markets = self.symbology.markets
        yield _in_order([self._of(query, market, i, market.sessions) for market, i in self._parts(query, markets)])

    def _parts(self, query: Query, roots: Container[str]) -> list[tuple[SimulatedMarket, Interval]]:
        every = [(self.symbology.market_of(i.contract), i) for intervals in query.mappings.values() for i in intervals]
        return [(market, i) for market, i in every if market.symbol in roots]

    def _of(self, query: Query, market: SimulatedMarket, interval: Interval, sessions: Sequence[Session]) -> Records:
        """Records of one interval in some sessions; a bar belongs to it by its start, a tick by its receipt."""
        start = max(query.span.start_ns, (interval.start - EPOCH).days * DAY_NS)
        end = min(query.span.end_ns, (interval.end - EPOCH).days * DAY_NS)
        step = BAR_NS.get(query.schema, 0)
        until = -(-end // step) * step if step else end  # the last bar may start before `end` and close after it
        margin = PRE_OPEN_NS if query.schema == "status" else 0
        chosen = [
            s
            for s in sessions
            if s.open_ns - margin < until
            and s.close_ns + margin > start
            and set(legs(interval.contract)) <= set(market.contracts(s))
        ]
        if not chosen or start >= end:
            return np.zeros(0, KINDS[query.schema])
        if step:
            return self._bars(query, market, interval.contract, chosen, Span(start, end))
        every = [self._events(query.schema, market, interval.contract, s) for s in chosen]
        found = every[0] if len(every) == 1 else np.concatenate(every)
        first, last = np.searchsorted(found["ts_recv"].astype(np.int64), [start, end]).tolist()
        return found[first:last]

    def _bars(
        self, query: Query, market: SimulatedMarket, contract: str, sessions: Sequence[Session], span: Span
    ) -> Records:
        step = BAR_NS[query.schema]
        pieces: list[Bars] = []
        for s in sessions:
            seconds = market.bars(contract, s)
            kept = self._faults.kept(seconds["ts_ns"])
            seconds = seconds if kept is None else seconds[kept]
            pieces.append(seconds if step == NS else aggregate(seconds, min(step, INTERVALS["1h"])))
        bars = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        bars = bars if step <= INTERVALS["1h"] else aggregate(bars, step)
        bars = bars[(bars["ts_ns"] >= span.start_ns) & (bars["ts_ns"] < span.end_ns)]
        return records(bars, contract, query.schema, int(market.instrument.tick * NS))

    def _events(self, schema: str, market: SimulatedMarket, contract: str, session: Session) -> Records:
        if schema == "definition":
            return definitions(market, contract, session)
        if schema == "status":
            return statuses(market, contract, session)
        every = quotes_and_trades(market, contract, session)
        kept = self._faults.kept(every["ts_recv"].astype(np.int64))
        return TICKS[schema](every if kept is None else every[kept])


def header(query: Query) -> bytes:
    """The metadata that a DBN stream begins with."""
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


def _plain(query: Query, chunks: Iterator[Records]) -> Iterator[bytes]:
    yield header(query)
    for chunk in chunks:
        yield chunk.tobytes()


def _in_order(parts: list[Records]) -> Records:
    parts = [p for p in parts if len(p)] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    every = np.concatenate(parts)
    stamp = "ts_recv" if "ts_recv" in (every.dtype.names or ()) else "ts_event"
    return every[np.argsort(every[stamp], kind="stable")]
