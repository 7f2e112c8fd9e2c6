# pyright: basic
"""An order book's orders and levels, kept record by record; book.py drives it."""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel

ADD, CANCEL, MODIFY, CLEAR, NOTHING = 1, 2, 3, 4, 0
"""What a record does to the book. Trades and fills do nothing: the cancels and modifications after them do."""

ORDER = np.dtype([("id", "i8"), ("price", "i8"), ("size", "i8"), ("side", "i8")])
"""A resting order; side +1 bid, -1 ask, 0 an empty place of the table."""

EVENT = np.dtype([("action", "i8"), ("id", "i8"), ("price", "i8"), ("size", "i8"), ("side", "i8"), ("last", "i8")])
"""A record of the feed. `price` in ticks; `last` 1: it closes an event, and the book after it is one that the exchange
showed; 2: it closes one, but the vendor doubts the book."""

STATE = np.dtype([("orders", "i8"), ("base", "i8"), ("bid", "i8"), ("ask", "i8")])
"""Orders in the table; the price of the first level; best bid and ask as levels, -1 for none."""


@kernel
def _home(orders, key):
    """The place where an order's chain begins; ids that follow each other lie side by side."""
    return (key ^ (key >> 12) ^ (key >> 24)) & (len(orders) - 1)


@kernel
def _slot(orders, key):
    """Where the order is, or the empty place where it would be (linear probing)."""
    mask = len(orders) - 1
    i = _home(orders, key)
    while orders[i].side != 0 and orders[i].id != key:
        i = (i + 1) & mask
    return i


@kernel
def _remove(orders, i):
    """Empty a place and close the gap in its chain."""
    mask = len(orders) - 1
    j = i
    while True:
        j = (j + 1) & mask
        if orders[j].side == 0:
            break
        if ((j - _home(orders, orders[j].id)) & mask) >= ((j - i) & mask):
            orders[i] = orders[j]
            i = j
    orders[i].side = 0


@kernel
def rehash(old, new):
    """Bring the orders of one table into another, empty one."""
    for i in range(len(old)):
        if old[i].side != 0:
            new[_slot(new, old[i].id)] = old[i]


@kernel
def _level(s, levels, side, price, size):
    """Add `size` (below zero: take away) at a price, and move the best price of that side."""
    at = price - s.base
    row = 0 if side > 0 else 1
    levels[row, at] = max(levels[row, at] + size, 0)
    if levels[row, at] > 0:
        if side > 0:
            s.bid = max(s.bid, at)
        else:
            s.ask = at if s.ask < 0 else min(s.ask, at)
    elif side > 0 and at == s.bid:
        while s.bid >= 0 and levels[0, s.bid] == 0:
            s.bid -= 1
    elif side < 0 and at == s.ask:
        while s.ask < levels.shape[1] and levels[1, s.ask] == 0:
            s.ask += 1
        if s.ask == levels.shape[1]:
            s.ask = -1


@kernel
def _take(s, orders, levels, event):
    """Apply one record."""
    if event.action == CLEAR:
        orders["side"][:] = 0
        levels[:] = 0
        s.orders, s.bid, s.ask = 0, -1, -1
        return
    i = _slot(orders, event.id)
    known = orders[i].side != 0
    if known:
        held = orders[i].size
        left = held - event.size if event.action == CANCEL else 0
        _level(s, levels, orders[i].side, orders[i].price, max(left, 0) - held)
        orders[i].size = left
    if event.action != CANCEL and event.size > 0:
        if not known:
            s.orders += 1
        orders[i].id, orders[i].price, orders[i].size, orders[i].side = event.id, event.price, event.size, event.side
        _level(s, levels, event.side, event.price, event.size)
    elif known and orders[i].size <= 0:
        s.orders -= 1
        _remove(orders, i)


@kernel
def run(s, orders, levels, events, first, quotes):
    """Apply events from `first` on; write the quotes; return where it stopped for want of room, or their number."""
    for i in range(first, len(events)):
        event = events[i]
        full = 2 * s.orders >= len(orders) or event.price < s.base or event.price >= s.base + levels.shape[1]
        if full and (event.action == ADD or event.action == MODIFY):
            return i
        if event.action != NOTHING:
            _take(s, orders, levels, event)
        quote = quotes[i]
        quote.bid_size = -1
        if event.last > 0:
            quote.bid_size = quote.ask_size = 0
            if event.last == 1 and s.bid >= 0 and s.ask >= 0:
                quote.bid, quote.ask = s.base + s.bid, s.base + s.ask
                quote.bid_size, quote.ask_size = levels[0, s.bid], levels[1, s.ask]
    return len(events)
