"""The ticks of a simulated market: market by price, one level deep, of one contract in one session."""

from __future__ import annotations

from typing import Any, cast
from zlib import crc32

import numpy as np

from scalper.clock import NS
from scalper.market import Session
from scalper.sandbox import tick_kernel
from scalper.sandbox.dbn import MBP1, PUBLISHER, TRADE, Records
from scalper.sandbox.market import SimulatedMarket
from scalper.sandbox.symbology import instrument_id
from scalper.sandbox.tick_kernel import BOOK, MOST_RECORDS

_kernel = cast(Any, tick_kernel)
_PLAIN = np.dtype([(name, "u1" if kind == "|S1" else kind) for name, kind in MBP1.descr])
_STREAM = crc32(b"ticks")
"""Apart from the streams that the path is drawn from, so that ticks change no bar."""


def quotes_and_trades(market: SimulatedMarket, contract: str, session: Session) -> Records:
    """mbp-1: every trade with the book before it, and every change of the book. Always the same for a market.

    The trades of a second make up its bar exactly. Raises BadInput as `SimulatedMarket.bars` does.
    """
    shape, bars = market.shape, market.bars(contract, session)
    rng = np.random.default_rng([market.seed, session.date.toordinal(), crc32(contract.encode()), _STREAM])
    number = _kernel.counts(rng, bars, shape.trade_size, shape.trades_most)
    out = np.empty(int(number.sum()) * MOST_RECORDS, _PLAIN)
    out["length"], out["rtype"], out["depth"] = MBP1.itemsize // 4, 1, 0
    out["publisher_id"], out["instrument_id"] = PUBLISHER, instrument_id(contract)
    sides, quotes = (shape.side_told, shape.side_kept), (shape.wide_share, shape.level_size, shape.update_share)
    state = np.zeros(1, BOOK)
    if len(bars):
        state["bid"], state["ask"] = bars["open"][0] - 1, bars["open"][0] + 1
        state["bid_size"] = state["ask_size"] = int(shape.level_size)
    wrote = int(_kernel.ticks(rng, bars, number, int(market.instrument.tick * NS), sides, quotes, state, out))
    return out[:wrote].view(MBP1)


def with_quotes(records: Records) -> Records:
    """tbbo: the trades of mbp-1, each with the book before it."""
    return records[records["action"] == b"T"]


def trades(records: Records) -> Records:
    """The trades of mbp-1 (or tbbo) without the book."""
    told = with_quotes(records)
    out = np.empty(len(told), TRADE)
    for name in TRADE.names or ():
        out[name] = told[name]
    out["length"], out["rtype"] = TRADE.itemsize // 4, 0
    return out
