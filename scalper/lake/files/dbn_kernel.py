# pyright: basic
"""Databento's records of trades, quotes and orders, unpacked; dbn_ticks.py drives it.

`raw` is an array of records with letters as numbers, `at` the indices of those to unpack.
"""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel
from scalper.market.book_kernel import ADD, CANCEL, CLEAR, MODIFY, NOTHING

UNDEFINED = np.iinfo(np.int64).max
LAST, DOUBTED = 128, 4
"""Flags: the record closes an event; the vendor doubts the book."""
A, B, C, M, R, T = (ord(letter) for letter in "ABCMRT")


@kernel
def trades(raw, at, tick_nano, ts, price, size, side):
    """Unpack trades; returns the first whose price is none or off the grid, -1 if all are on it."""
    for k in range(len(at)):
        record = raw[at[k]]
        ts[k] = record.ts_recv
        if record.action == T:
            if record.price == UNDEFINED or record.price % tick_nano != 0:
                return k
            price[k] = record.price // tick_nano
            size[k] = record.size
            side[k] = 1 if record.side == B else (-1 if record.side == A else 0)
    return -1


@kernel
def levels(raw, at, tick_nano, quotes):
    """The top of the book: a trade record shows it as it was before the trade, any other as it is after the record."""
    for k in range(len(at)):
        record, quote = raw[at[k]], quotes[k]
        if record.action != T and record.flags & LAST == 0:
            quote.bid_size = -1  # inside an event
        elif record.flags & DOUBTED == 0 and record.bid_px_00 != UNDEFINED and record.ask_px_00 != UNDEFINED:
            quote.bid, quote.ask = record.bid_px_00 // tick_nano, record.ask_px_00 // tick_nano
            quote.bid_size, quote.ask_size = record.bid_sz_00, record.ask_sz_00


@kernel
def events(raw, at, tick_nano, out):
    """Unpack orders for the book; returns the first whose price is none or off the grid, -1 if all are on it."""
    for k in range(len(at)):
        record, event = raw[at[k]], out[k]
        action = record.action
        event.action = ADD if action == A else MODIFY if action == M else CANCEL if action == C else NOTHING
        if action == R:
            event.action = CLEAR
        if event.action == ADD or event.action == MODIFY:
            if record.price == UNDEFINED or record.price % tick_nano != 0:
                return k
            event.price = record.price // tick_nano
            if record.side != A and record.side != B:
                event.action = NOTHING  # on neither side of the book
        event.id, event.size = record.order_id, record.size
        event.side = 1 if record.side == B else (-1 if record.side == A else 0)
        event.last = 0 if record.flags & LAST == 0 else (1 if record.flags & DOUBTED == 0 else 2)
    return -1
