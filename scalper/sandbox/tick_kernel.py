"""The compiled ticks of one session: trades that make up its one-second bars exactly, and the quotes around them.

Inside a second the trades go from open to close by way of the extremes, whichever comes first by chance, and wander a
little. The book stands around the trades: a buyer lifts the ask, a seller hits the bid. It moves only right before a
trade of the same second, so what it shows at a second's end says nothing of the next.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalper.compiled import kernel

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
MOST_RECORDS = 7
"""Of one trade: two moves of the book, two updates, an order that adds size, the trade, what it leaves behind."""

FIRST_NS, SPAN_NS = 2_000_000, 980_000_000
"""Trades fall into this part of a second, so that their stamps of receipt do too."""

ADD, CANCEL, TRADE, ASK, BID = ord("A"), ord("C"), ord("T"), ord("A"), ord("B")
LAST_FLAGS = 130
"""LAST and PUBLISHER_SPECIFIC, as CME's updates have; a trade has 0, for the update of the book follows it."""

BOOK = np.dtype(
    [
        ("bid", "i8"),  # ticks
        ("ask", "i8"),
        ("bid_size", "i8"),
        ("ask_size", "i8"),
        ("ts", "i8"),
        ("recv", "i8"),
        ("sequence", "i8"),
        ("n", "i8"),  # records written
    ]
)


@kernel
def needed(open_: int, high: int, low: int, close: int) -> int:
    """Trades that a bar needs at least: its open, close and those extremes that are neither."""
    return 1 + (open_ != close or high != low) + (high > max(open_, close)) + (low < min(open_, close))


@kernel
def settle(bars: NDArray[np.void]) -> None:
    """Give each second at least a contract for every trade it needs, taken from the busiest of the same minute.

    So minutes keep their volume; only where a whole minute has too few contracts does it grow.
    """
    n, first = len(bars), 0
    while first < n:
        end = first + 1
        while end < n and bars[end].ts_ns // MINUTE_NS == bars[first].ts_ns // MINUTE_NS:
            end += 1
        for i in range(first, end):
            b = bars[i]
            lack = needed(b.open, b.high, b.low, b.close) - b.volume
            while lack > 0:
                giver, most = -1, 0
                for j in range(first, end):
                    spare = bars[j].volume - needed(bars[j].open, bars[j].high, bars[j].low, bars[j].close)
                    if spare > most:
                        giver, most = j, spare
                if giver >= 0:
                    bars[giver].volume -= 1
                bars[i].volume += 1
                lack -= 1
        first = end


@kernel
def counts(rng: np.random.Generator, bars: NDArray[np.void], trade_size: float, most: int) -> NDArray[np.int64]:
    """How many trades each second has."""
    out = np.zeros(len(bars), np.int64)
    for i in range(len(bars)):
        b = bars[i]
        wished = 1 + int((0.5 + rng.random()) * b.volume / trade_size)
        out[i] = min(max(wished, needed(b.open, b.high, b.low, b.close)), b.volume, most)
    return out


@kernel
def _write(rng: Any, s: Any, out: Any, what: tuple[int, int, int, int, int], tick_nano: int) -> None:
    """A record with the book as it is; `what`: action, side, price in ticks, size, flags."""
    action, side, price, size, flags = what
    s.recv = max(s.recv + 200, s.ts + 80_000 + int(120_000 * rng.random()))
    s.sequence += 1
    r = out[s.n]
    s.n += 1
    r.action, r.side, r.price, r.size, r.flags = action, side, price * tick_nano, size, flags
    r.ts_event, r.ts_recv, r.ts_in_delta = s.ts, s.recv, 12_000 + int(5_000 * rng.random())
    r.sequence = s.sequence
    r.bid_px_00, r.ask_px_00 = s.bid * tick_nano, s.ask * tick_nano
    r.bid_sz_00, r.ask_sz_00 = s.bid_size, s.ask_size
    r.bid_ct_00, r.ask_ct_00 = 1 + (s.bid_size - 1) * 7 // 10, 1 + (s.ask_size - 1) * 7 // 10


@kernel
def _some(rng: Any, mean: float) -> int:
    return 1 + int(-mean * math.log(1.0 - rng.random()))


@kernel
def _move(rng: Any, s: Any, out: Any, bid: int, ask: int, gap: int, level: float, tick_nano: int) -> None:
    """Take the book to new best prices; what is worse goes first, so bid and ask never cross."""
    for away in (True, False):
        if bid != s.bid and (bid < s.bid) == away:
            old, size = s.bid, s.bid_size
            s.bid, s.bid_size, s.ts = bid, _some(rng, level), s.ts + 1 + int(gap * rng.random())
            what = (CANCEL, BID, old, size, LAST_FLAGS) if away else (ADD, BID, bid, s.bid_size, LAST_FLAGS)
            _write(rng, s, out, what, tick_nano)
        if ask != s.ask and (ask > s.ask) == away:
            old, size = s.ask, s.ask_size
            s.ask, s.ask_size, s.ts = ask, _some(rng, level), s.ts + 1 + int(gap * rng.random())
            what = (CANCEL, ASK, old, size, LAST_FLAGS) if away else (ADD, ASK, ask, s.ask_size, LAST_FLAGS)
            _write(rng, s, out, what, tick_nano)


@kernel
def _update(rng: Any, s: Any, out: Any, gap: int, tick_nano: int) -> None:
    """An order comes to a best price or leaves it, on either side by chance; the prices stay."""
    buyers = rng.random() < 0.5
    have = s.bid_size if buyers else s.ask_size
    size = _some(rng, 2.0)
    adds = rng.random() < 0.5 or have <= size
    have = have + size if adds else have - size
    if buyers:
        s.bid_size = have
    else:
        s.ask_size = have
    s.ts += 1 + int(gap * rng.random())
    action, side, price = ADD if adds else CANCEL, BID if buyers else ASK, s.bid if buyers else s.ask
    _write(rng, s, out, (action, side, price, size, LAST_FLAGS), tick_nano)


@kernel
def _trade(rng: Any, s: Any, out: Any, buyer: bool, size: int, ts: int, gap: int, tick_nano: int) -> None:
    """A trade with what stands at the touch, of which something is left; an order adds size before if need be."""
    resting = s.ask_size if buyer else s.bid_size
    side, price = (ASK, s.ask) if buyer else (BID, s.bid)
    if resting <= size:
        more = size - resting + _some(rng, 4.0)
        resting += more
        if buyer:
            s.ask_size = resting
        else:
            s.bid_size = resting
        s.ts += 1 + int(gap * rng.random())
        _write(rng, s, out, (ADD, side, price, more, LAST_FLAGS), tick_nano)
    s.ts = ts
    _write(rng, s, out, (TRADE, BID if buyer else ASK, price, size, 0), tick_nano)
    if buyer:
        s.ask_size -= size
    else:
        s.bid_size -= size
    _write(rng, s, out, (CANCEL, side, price, size, LAST_FLAGS), tick_nano)


@kernel
def _way(rng: Any, bar: Any, n: int, stops: NDArray[np.int64]) -> int:
    """Where the trades of a bar must pass: rows (trade, price) in order, the close last; returns how many."""
    o, h, low, c = bar.open, bar.high, bar.low, bar.close
    top, bottom, k = h > max(o, c), low < min(o, c), 0
    if top and bottom:  # as a fair walk from open to close would have met them
        up, down = (o - low) * (h - c), (h - o) * (c - low)
        first_up = rng.random() * (up + down) < up
        stops[0, 1], stops[1, 1] = (h, low) if first_up else (low, h)
        a = 1 + int((n - 2) * rng.random())
        b = 1 + int((n - 3) * rng.random())
        b += b >= a
        stops[0, 0], stops[1, 0], k = min(a, b), max(a, b), 2
    elif top or bottom:
        stops[0, 0], stops[0, 1], k = 1 + int((n - 2) * rng.random()), h if top else low, 1
    stops[k, 0], stops[k, 1] = n - 1, c
    return k + 1


@kernel
def ticks(
    rng: np.random.Generator,
    bars: NDArray[np.void],
    number: NDArray[np.int64],
    tick_nano: int,
    sides: tuple[float, float],
    quotes: tuple[float, float, float],
    state: NDArray[np.void],
    out: NDArray[np.void],
) -> int:
    """Fill `out` with the records of a session's bars; returns how many.

    `number`: trades a bar, as `counts` gives; `sides`: told and kept; `quotes`: wide share, level size, update share.
    """
    told, kept = sides
    wide, level, update = quotes
    s = state[0]
    stops = np.zeros((3, 2), np.int64)
    buyer, last = rng.random() < 0.5, bars[0].open if len(bars) else 0
    for i in range(len(bars)):
        bar, n = bars[i], number[i]
        _way(rng, bar, n, stops)
        left, stop, price = bar.volume, 0, bar.open
        s.ts = max(s.ts, bar.ts_ns)
        for j in range(n):
            if j > 0:
                while stops[stop, 0] < j:
                    stop += 1
                far, steps = stops[stop, 1] - price, stops[stop, 0] - j
                u = rng.random()
                stray = 0 if steps == 0 or u >= 0.2 else 1 if u < 0.1 else -1
                price += far if steps == 0 else math.floor(far / (steps + 1) + rng.random()) + stray
                price = min(max(price, bar.low), bar.high)
            if price == last:
                buyer = buyer if rng.random() < kept else not buyer
            else:
                buyer = (price > last) == (rng.random() < told)
            last = price
            others = n - 1 - j
            spare = left - 1 - others
            size = spare + 1
            if others > 0:
                size = 1 + min(int(-spare / (others + 1) * math.log(1.0 - rng.random()) + rng.random()), spare)
            left -= size
            ts = bar.ts_ns + FIRST_NS + int((j + 0.1 + 0.8 * rng.random()) * SPAN_NS / n)
            gap = (ts - s.ts) // MOST_RECORDS
            if price != (s.ask if buyer else s.bid):
                width = 2 if rng.random() < wide else 1
                bid, ask = (price - width, price) if buyer else (price, price + width)
                _move(rng, s, out, bid, ask, gap, level, tick_nano)
            for _ in range(2):
                if rng.random() < update:
                    _update(rng, s, out, gap, tick_nano)
            _trade(rng, s, out, buyer, size, ts, gap, tick_nano)
    return s.n
