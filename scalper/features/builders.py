# pyright: basic
"""Bars of coarser intervals, built while the lane's bars arrive; one is complete with the bar that ends it.

Where that bar is missing the coarser bar is complete with the first bar after its end. Intervals are counted in UTC
from 1970, as in market.aggregate. No division but at a coarser bar's first bar.
"""

from __future__ import annotations

from scalper.compiled import kernel

SLOTS = 4  # builders of closes and ranges; slot 0 makes the volatility that stops are made of, then features.higher
HISTORY = 64  # completed bars kept; a ring is read by j & 63
MASK = HISTORY - 1

FIELDS = [
    ("b_end", "i8", SLOTS),  # end of the bar under way, 0: none
    ("b_high", "i8", SLOTS),
    ("b_low", "i8", SLOTS),
    ("b_done", "i8", SLOTS),  # completed bars
    ("b_closes", "i4", (SLOTS, HISTORY)),
    ("b_ranges", "i8", (SLOTS, HISTORY)),  # running totals of true ranges
    ("fr_end", "i8"),  # the frame bar under way: features.frame
    ("fr_now_open", "i8"),
    ("fr_now_high", "i8"),
    ("fr_now_low", "i8"),
    ("fr_n", "i8"),  # completed frame bars
    ("fr_done", "i8"),  # of these, completed on this lane bar: 0, 1 or 2 (one late, one now)
    ("fr_open", "i8", HISTORY),  # frame bar j at j & 63
    ("fr_high", "i8", HISTORY),
    ("fr_low", "i8", HISTORY),
    ("fr_close", "i8", HISTORY),
]
PARAMS = [
    ("n_higher", "i8"),
    ("higher_ns", "i8", SLOTS),  # slot 0: the volatility builder, then features.higher
    ("frame_ns", "i8"),  # 0: no frame bars
]


@kernel
def _complete(s, slot, close):
    """Close a slot's bar: its true range needs the close of the completed bar before it."""
    done = s.b_done[slot]
    high, low = s.b_high[slot], s.b_low[slot]
    if done > 0:
        last = s.b_closes[slot, (done - 1) & MASK]
        high, low = max(high, last), min(low, last)
    s.b_closes[slot, done & MASK] = close
    s.b_ranges[slot, done & MASK] = s.b_ranges[slot, (done - 1) & MASK] + high - low
    s.b_done[slot] = done + 1
    s.b_end[slot] = 0


@kernel
def _complete_frame(s, close):
    i = s.fr_n & MASK
    s.fr_open[i] = s.fr_now_open
    s.fr_high[i] = s.fr_now_high
    s.fr_low[i] = s.fr_now_low
    s.fr_close[i] = close
    s.fr_n += 1
    s.fr_done += 1
    s.fr_end = 0


@kernel
def _frame(s, p, bar, t, last):
    s.fr_done = 0
    if s.fr_end != 0 and bar.ts_ns >= s.fr_end:
        _complete_frame(s, last)
    if s.fr_end == 0:
        s.fr_end = (bar.ts_ns // p.frame_ns + 1) * p.frame_ns
        s.fr_now_open, s.fr_now_high, s.fr_now_low = bar.open, bar.high, bar.low
    else:
        s.fr_now_high = max(s.fr_now_high, bar.high)
        s.fr_now_low = min(s.fr_now_low, bar.low)
    if bar.ts_ns + t.interval_ns >= s.fr_end:
        _complete_frame(s, bar.close)


@kernel
def build(s, p, bar, t, last):
    """Take a bar into every builder; `last` is the close of the bar before it."""
    for slot in range(p.n_higher + 1):
        if s.b_end[slot] != 0 and bar.ts_ns >= s.b_end[slot]:
            _complete(s, slot, last)
        if s.b_end[slot] == 0:
            length = p.higher_ns[slot]
            s.b_end[slot] = (bar.ts_ns // length + 1) * length
            s.b_high[slot], s.b_low[slot] = bar.high, bar.low
        else:
            s.b_high[slot] = max(s.b_high[slot], bar.high)
            s.b_low[slot] = min(s.b_low[slot], bar.low)
        if bar.ts_ns + t.interval_ns >= s.b_end[slot]:
            _complete(s, slot, bar.close)
    if p.frame_ns > 0:
        _frame(s, p, bar, t, last)


@kernel
def mean_range(s, slot, k):
    """Mean true range of a slot's last k completed bars (below HISTORY), or of those there are; 0 before the first."""
    done = s.b_done[slot]
    k = min(k, done)
    if k == 0:
        return 0.0
    return (s.b_ranges[slot, (done - 1) & MASK] - s.b_ranges[slot, (done - 1 - k) & MASK]) / k


@kernel
def mean_minute(bars, length):
    """Mean true range of the bars of `length` ns that the traded ones of `bars` make up, 0 without any."""
    end, high, low, last, total, done = 0, 0, 0, 0, 0, 0
    before = 0  # close of the completed bar before
    for i in range(bars.size):
        bar = bars[i]
        if bar.carried != 0:
            continue
        if bar.ts_ns >= end:
            if end > 0:
                total += (max(high, before) - min(low, before)) if done > 0 else high - low
                done += 1
                before = last
            end = (bar.ts_ns // length + 1) * length
            high, low = bar.high, bar.low
        high, low, last = max(high, bar.high), min(low, bar.low), bar.close
    if end == 0:
        return 0.0
    total += (max(high, before) - min(low, before)) if done > 0 else high - low
    return total / (done + 1)
