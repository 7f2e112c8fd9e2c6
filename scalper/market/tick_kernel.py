# pyright: basic
"""One pass over trades and quotes that makes bars with order flow; ticks.py drives it."""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel

BAR_FLOW = np.dtype(
    [
        ("ts_ns", "i8"),  # the bar's START
        ("open", "i8"),  # ticks
        ("high", "i8"),
        ("low", "i8"),
        ("close", "i8"),
        ("volume", "i8"),  # contracts
        ("trades", "i8"),
        ("bid_volume", "i8"),  # sold to the bid: the seller was the aggressor
        ("ask_volume", "i8"),  # bought from the ask: the buyer was the aggressor
        ("inferred_volume", "i8"),  # the part of both whose side the tick rule inferred
        ("largest", "i8"),  # largest single trade
        ("spread", "i8"),  # ticks, ask - bid of the last quote; -1: no whole book
        ("bid_size", "i8"),  # contracts at the best prices of that quote
        ("ask_size", "i8"),
        ("imbalance", "i8"),  # sum of e_n over the quote updates inside the bar
        ("quoted", "i8"),  # 1: the feed tells quotes
        ("first_row", "i8"),  # of the source
        ("count", "i8"),  # trades of the source
    ]
)
"""A bar with its order flow. A trade whose side nobody tells and the tick rule cannot infer (the first trades of a
feed, until the price changes) counts in `volume` only, so bid_volume + ask_volume <= volume."""

QUOTE = np.dtype([("bid", "i8"), ("ask", "i8"), ("bid_size", "i8"), ("ask_size", "i8")])
"""Top of the book with a tick: ticks and contracts. bid_size -1: this tick tells no quote, the last one stands. A side
without size, or a bid at or above the ask (an auction), is a book that is not whole: from there no quote is known."""

STATE = np.dtype(
    [
        *[(str(name), "i8") for name in BAR_FLOW.names or ()],
        ("end_ns", "i8"),  # of the bar in the making
        ("last_ns", "i8"),  # of the last tick
        ("priced", "i8"),  # 1: there was a trade
        ("last", "i8"),  # its price
        ("direction", "i8"),  # of the last change of price; 0: none yet
        ("bid", "i8"),
        ("ask", "i8"),
    ]
)


@kernel
def _emit(s, out):
    """Copy the finished bar."""
    out.ts_ns, out.open, out.high, out.low, out.close = s.ts_ns, s.open, s.high, s.low, s.close
    out.volume, out.trades, out.largest = s.volume, s.trades, s.largest
    out.bid_volume, out.ask_volume, out.inferred_volume = s.bid_volume, s.ask_volume, s.inferred_volume
    out.spread, out.bid_size, out.ask_size, out.imbalance = s.spread, s.bid_size, s.ask_size, s.imbalance
    out.quoted, out.first_row, out.count = s.quoted, s.first_row, s.count


@kernel
def _begin(s, ts, interval_ns):
    """An empty bar around `ts`; the last price and the last quote stand."""
    s.ts_ns = ts - ts % interval_ns
    s.end_ns = s.ts_ns + interval_ns
    s.volume = s.trades = s.bid_volume = s.ask_volume = s.inferred_volume = s.largest = s.imbalance = s.count = 0


@kernel
def _quote(s, bid, ask, bid_size, ask_size):
    """Take a quote. The order flow imbalance is e_n of Cont, Kukanov and Stoikov, The Price Impact of Order Book
    Events, J. Financial Econometrics 12 (2014), between two quotes of a whole book."""
    if bid_size <= 0 or ask_size <= 0 or ask <= bid:
        s.spread, s.bid_size, s.ask_size = -1, 0, 0
        return
    if s.spread > 0:
        if bid >= s.bid:
            s.imbalance += bid_size
        if bid <= s.bid:
            s.imbalance -= s.bid_size
        if ask <= s.ask:
            s.imbalance -= ask_size
        if ask >= s.ask:
            s.imbalance += s.ask_size
    s.bid, s.ask, s.bid_size, s.ask_size, s.spread = bid, ask, bid_size, ask_size, ask - bid


@kernel
def _trade(s, price, size, side, row):
    """Take a trade; a side that is not told is that of the last change of price (the tick rule)."""
    if s.priced == 1 and price != s.last:
        s.direction = 1 if price > s.last else -1
    s.last, s.priced = price, 1
    if s.count == 0:
        s.open = s.high = s.low = price
        s.first_row = row
    s.high, s.low, s.close = max(s.high, price), min(s.low, price), price
    s.volume += size
    s.trades += 1
    s.count += 1
    s.largest = max(s.largest, size)
    if side == 0:
        side = s.direction
        if side != 0:
            s.inferred_volume += size
    if side > 0:
        s.ask_volume += size
    elif side < 0:
        s.bid_volume += size


@kernel
def push(s, interval_ns, ts, price, size, side, rows, quotes, out):
    """Take ascending ticks; write the bars that ended to `out` and return how many."""
    n = 0
    quoted = len(quotes) > 0
    for i in range(len(ts)):
        if ts[i] >= s.end_ns:
            if s.count > 0:
                _emit(s, out[n])
                n += 1
            _begin(s, ts[i], interval_ns)
        if quoted and quotes[i].bid_size >= 0:
            _quote(s, quotes[i].bid, quotes[i].ask, quotes[i].bid_size, quotes[i].ask_size)
        if size[i] > 0:
            _trade(s, price[i], size[i], side[i], rows[i])
    s.last_ns = ts[-1]
    return n


@kernel
def descent(ts, last):
    """Index of the first stamp that is earlier than the one before it (the first: than `last`); -1 if none is."""
    for i in range(len(ts)):
        if ts[i] < last:
            return i
        last = ts[i]
    return -1
