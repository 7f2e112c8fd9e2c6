# pyright: basic
"""The step that turns one bar into one row of features; batch, stream, replay and live all call it.

Prices are integer ticks and volumes integers, so every sum over a finite window is exact: a window that has filled
holds the same bits whatever came before it. A row is written as float32. The catalogue (catalogue.py) names the
columns in the order in which the functions below write them.
"""

from __future__ import annotations

import math

import numpy as np

from scalper.compiled import kernel

VERSION = 1
RING = 512  # bars kept; a window may be at most RING - 2
SLOTS = 4  # completed-bar builders; slot 0 makes the volatility that stops are made of
HISTORY = 64  # completed bars kept by a builder
TREND, MOMENTUM = 5, 3  # completed bars that a builder's trend and momentum look at
_NAN = float("nan")

STATE = np.dtype(
    [
        ("version", "i8"),
        ("n", "i8"),  # bars seen
        ("close", "i8", RING),
        ("high", "i8", RING),
        ("low", "i8", RING),
        ("volume", "i8", RING),
        ("true_range", "i8", RING),
        ("sum_range", "i8"),
        ("sum_change", "i8", 8),  # per volatility window: sum and sum of squares of one-bar changes
        ("sum_change2", "i8", 8),
        ("sum_close", "i8"),  # Bollinger
        ("sum_close2", "i8"),
        ("gain", "i8"),  # RSI
        ("loss", "i8"),
        ("sum_volume", "i8", 8),  # per volume window
        ("obv", "i8"),
        ("obv_volume", "i8"),
        ("stochastic", "f8", 3),
        ("ema", "f8", 8),
        ("macd_fast", "f8"),
        ("macd_slow", "f8"),
        ("macd_signal", "f8"),
        ("vwap_from_ns", "i8"),
        ("vwap_value", "i8"),  # sum of (high + low + close) x volume
        ("vwap_volume", "i8"),
        ("vwap_bars", "i8"),
        ("vwap", "f8", RING),
        ("bucket", "i8", SLOTS),  # completed-bar builders
        ("b_high", "i8", SLOTS),
        ("b_low", "i8", SLOTS),
        ("b_close", "i8", SLOTS),
        ("b_bars", "i8", SLOTS),
        ("b_done", "i8", SLOTS),
        ("b_closes", "i8", (SLOTS, HISTORY)),
        ("b_ranges", "i8", (SLOTS, HISTORY)),
        ("prior_close", "f8"),  # context left by the session before, NaN without one or after a roll
        ("prior_high", "f8"),
        ("prior_low", "f8"),
        ("session_high", "i8"),
        ("session_low", "i8"),
    ]
)
"""Everything the step remembers; saved and restored at any bar."""

PARAMS = np.dtype(
    [
        ("n_returns", "i8"),
        ("returns", "i8", 8),
        ("n_ema", "i8"),
        ("ema", "i8", 8),
        ("n_volatility", "i8"),
        ("volatility", "i8", 8),
        ("n_volume", "i8"),
        ("volume", "i8", 8),
        ("atr", "i8"),
        ("bollinger", "i8"),
        ("rsi", "i8"),
        ("stochastic", "i8"),
        ("macd", "i8", 3),
        ("obv", "i8"),
        ("vwap_slope", "i8"),
        ("n_higher", "i8"),
        ("higher_ns", "i8", SLOTS),  # slot 0: the volatility builder, then the lane's higher intervals
        ("warm_up", "i8"),
    ]
)
"""Windows of a lane, in bars; made by catalogue.params."""


@kernel
def _back(ring, n, k):
    """Value k bars before the newest (k = 0) of a ring that has seen n values."""
    return ring[(n - 1 - k) % RING]


@kernel
def _window(total, ring, n, k):
    """Running sum over the last k values after the newest was pushed."""
    total += ring[(n - 1) % RING]
    if n > k:
        total -= ring[(n - 1 - k) % RING]
    return total


@kernel
def _ratio(a, b, otherwise):
    return a / b if b != 0 else otherwise


@kernel
def _push(s, p, bar):
    """Take the bar into the rings and the running sums."""
    n = s.n + 1
    first = n == 1
    last = bar.close if first else s.close[(n - 2) % RING]
    i = (n - 1) % RING
    s.n = n
    s.close[i] = bar.close
    s.high[i] = bar.high
    s.low[i] = bar.low
    s.volume[i] = bar.volume
    s.true_range[i] = bar.high - bar.low if first else max(bar.high, last) - min(bar.low, last)
    s.sum_range = _window(s.sum_range, s.true_range, n, p.atr)
    for w in range(p.n_volatility):
        k = p.volatility[w]
        change = bar.close - last
        s.sum_change[w] += change
        s.sum_change2[w] += change * change
        if n > k + 1:
            old = _back(s.close, n, k) - _back(s.close, n, k + 1)
            s.sum_change[w] -= old
            s.sum_change2[w] -= old * old
    k = p.bollinger
    s.sum_close += bar.close
    s.sum_close2 += bar.close * bar.close
    if n > k:
        old = _back(s.close, n, k)
        s.sum_close -= old
        s.sum_close2 -= old * old
    k = p.rsi
    s.gain += max(bar.close - last, 0)
    s.loss += max(last - bar.close, 0)
    if n > k + 1:
        old = _back(s.close, n, k) - _back(s.close, n, k + 1)
        s.gain -= max(old, 0)
        s.loss -= max(-old, 0)
    for w in range(p.n_volume):
        s.sum_volume[w] = _window(s.sum_volume[w], s.volume, n, p.volume[w])
    k = p.obv
    s.obv_volume = _window(s.obv_volume, s.volume, n, k)
    s.obv += np.sign(bar.close - last) * bar.volume
    if n > k + 1:
        s.obv -= np.sign(_back(s.close, n, k) - _back(s.close, n, k + 1)) * _back(s.volume, n, k)
    s.session_high = bar.high if first else max(s.session_high, bar.high)
    s.session_low = bar.low if first else min(s.session_low, bar.low)
    return last


@kernel
def _averages(s, p, bar):
    """Exponential averages; the first bar seeds them."""
    for w in range(p.n_ema):
        if s.n == 1:
            s.ema[w] = bar.close
        else:
            s.ema[w] += (bar.close - s.ema[w]) * (2.0 / (p.ema[w] + 1))
    if s.n == 1:
        s.macd_fast = bar.close
        s.macd_slow = bar.close
        s.macd_signal = 0.0
    else:
        s.macd_fast += (bar.close - s.macd_fast) * (2.0 / (p.macd[0] + 1))
        s.macd_slow += (bar.close - s.macd_slow) * (2.0 / (p.macd[1] + 1))
        s.macd_signal += (s.macd_fast - s.macd_slow - s.macd_signal) * (2.0 / (p.macd[2] + 1))


@kernel
def _vwap(s, bar, t):
    """Volume-weighted average price since the regular open (before it: since the session's open), in ticks."""
    anchor = t.regular_open_ns if bar.ts_ns >= t.regular_open_ns else t.open_ns
    if s.vwap_from_ns != anchor:
        s.vwap_from_ns = anchor
        s.vwap_value = 0
        s.vwap_volume = 0
        s.vwap_bars = 0
    s.vwap_value += (bar.high + bar.low + bar.close) * bar.volume
    s.vwap_volume += bar.volume
    s.vwap_bars += 1
    price = _ratio(s.vwap_value / 3.0, s.vwap_volume, float(bar.close))
    s.vwap[(s.n - 1) % RING] = price
    return price


@kernel
def _complete(s, slot):
    """Close the builder's bar: its true range needs the close of the completed bar before it."""
    done = s.b_done[slot]
    high, low = s.b_high[slot], s.b_low[slot]
    if done > 0:
        last = s.b_closes[slot, (done - 1) % HISTORY]
        high, low = max(high, last), min(low, last)
    s.b_closes[slot, done % HISTORY] = s.b_close[slot]
    s.b_ranges[slot, done % HISTORY] = high - low
    s.b_done[slot] = done + 1
    s.b_bars[slot] = 0


@kernel
def _build(s, p, bar, t):
    """Build the higher bars; one is complete at the bar that ends it, or at the first bar after its end."""
    for slot in range(p.n_higher + 1):
        length = p.higher_ns[slot]
        bucket = bar.ts_ns // length
        if s.b_bars[slot] > 0 and bucket != s.bucket[slot]:
            _complete(s, slot)
        if s.b_bars[slot] == 0:
            s.bucket[slot] = bucket
            s.b_high[slot] = bar.high
            s.b_low[slot] = bar.low
        s.b_high[slot] = max(s.b_high[slot], bar.high)
        s.b_low[slot] = min(s.b_low[slot], bar.low)
        s.b_close[slot] = bar.close
        s.b_bars[slot] += 1
        if (bar.ts_ns + t.interval_ns) // length != bucket:
            _complete(s, slot)


@kernel
def _mean_range(s, slot, k):
    """Mean true range of the last k completed bars, NaN before there are k."""
    done = s.b_done[slot]
    if done < k:
        return _NAN
    total = 0
    for i in range(k):
        total += s.b_ranges[slot, (done - 1 - i) % HISTORY]
    return total / k


@kernel
def _write_returns(s, p, bar, out, c):
    for w in range(p.n_returns):
        before = _back(s.close, s.n, p.returns[w])
        out[c] = 1e4 * (bar.close / before - 1.0)
        out[c + 1] = 1e4 * math.log(bar.close / before)
        c += 2
    return c


@kernel
def _write_trend(s, p, bar, price, out, c):
    for w in range(p.n_ema):
        out[c] = bar.close - s.ema[w]
        c += 1
    for w in range(p.n_ema - 1):
        out[c] = s.ema[w] - s.ema[w + 1]
        c += 1
    k = min(p.vwap_slope, s.vwap_bars - 1)
    out[c] = bar.close - price
    out[c + 1] = _ratio(price - _back(s.vwap, s.n, k), k, 0.0)
    return c + 2


@kernel
def _write_time(bar, t, out, c):
    end = bar.ts_ns + t.interval_ns
    minute = 570.0 + (end - t.regular_open_ns) / 6e10  # New York wall time: the clocks never change inside a session
    day = 2 * math.pi * minute / 1440.0
    week = 2 * math.pi * t.weekday / 5.0
    out[c] = (t.regular_close_ns - end) / 6e10
    out[c + 1] = math.sin(day)
    out[c + 2] = math.cos(day)
    out[c + 3] = math.sin(week)
    out[c + 4] = math.cos(week)
    out[c + 5] = 1.0 if 570 < minute <= 600 else 0.0
    out[c + 6] = 1.0 if 720 < minute <= 810 else 0.0
    out[c + 7] = 1.0 if t.regular_close_ns - 30 * 60_000_000_000 < end <= t.regular_close_ns else 0.0
    return c + 8


@kernel
def _write_volatility(s, p, bar, out, c):
    atr = s.sum_range / p.atr
    out[c] = atr
    out[c + 1] = 1e4 * atr / bar.close
    k = p.bollinger
    deviation = math.sqrt(max(s.sum_close2 * k - s.sum_close * s.sum_close, 0)) / k
    out[c + 2] = 4.0 * deviation
    out[c + 3] = _ratio(bar.close - s.sum_close / k, 2.0 * deviation, 0.0)
    c += 4
    for w in range(p.n_volatility):
        k = p.volatility[w]
        out[c] = math.sqrt(max(s.sum_change2[w] * k - s.sum_change[w] * s.sum_change[w], 0)) / k
        c += 1
    return c


@kernel
def _write_momentum(s, p, bar, out, c):
    out[c] = _ratio(100.0 * s.gain, s.gain + s.loss, 50.0)
    line = s.macd_fast - s.macd_slow
    out[c + 1] = line
    out[c + 2] = s.macd_signal
    out[c + 3] = line - s.macd_signal
    high, low = bar.high, bar.low
    for i in range(min(p.stochastic, s.n)):
        high = max(high, _back(s.high, s.n, i))
        low = min(low, _back(s.low, s.n, i))
    s.stochastic[s.n % 3] = _ratio(100.0 * (bar.close - low), high - low, 50.0)
    out[c + 4] = s.stochastic[s.n % 3]
    # the newest first, so that the sum has the same order at every bar
    out[c + 5] = (s.stochastic[s.n % 3] + s.stochastic[(s.n + 2) % 3] + s.stochastic[(s.n + 1) % 3]) / 3.0
    return c + 6


@kernel
def _write_bar(s, bar, last, out, c):
    spread = bar.high - bar.low
    before = s.prior_close if s.n == 1 else float(last)
    out[c] = np.sign(bar.close - bar.open)
    out[c + 1] = _ratio(abs(bar.close - bar.open), spread, 0.0)
    out[c + 2] = _ratio(bar.high - max(bar.open, bar.close), spread, 0.0)
    out[c + 3] = _ratio(min(bar.open, bar.close) - bar.low, spread, 0.0)
    out[c + 4] = bar.open - before
    out[c + 5] = spread
    out[c + 6] = bar.close - s.prior_close
    out[c + 7] = bar.close - s.prior_high
    out[c + 8] = bar.close - s.prior_low
    return c + 9


@kernel
def _write_volume(s, p, bar, out, c):
    for w in range(p.n_volume):
        out[c] = _ratio(bar.volume * p.volume[w], s.sum_volume[w], 0.0)
        c += 1
    k = p.n_volume - 1
    out[c] = _ratio(np.sign(bar.close - bar.open) * bar.volume * p.volume[k], s.sum_volume[k], 0.0)
    out[c + 1] = _ratio(s.obv, s.obv_volume, 0.0)
    return c + 2


@kernel
def _write_higher(s, p, out, c):
    for slot in range(1, p.n_higher + 1):
        done = s.b_done[slot]
        if done < TREND + 1:
            out[c] = out[c + 1] = out[c + 2] = _NAN
        else:
            newest = s.b_closes[slot, (done - 1) % HISTORY]
            total = 0
            for i in range(TREND):
                total += s.b_closes[slot, (done - 1 - i) % HISTORY]
            out[c] = newest - total / TREND
            out[c + 1] = newest - s.b_closes[slot, (done - 1 - MOMENTUM) % HISTORY]
            out[c + 2] = _mean_range(s, slot, TREND)
        c += 3
    return c


@kernel
def step(s, p, bar, t, out):
    """Take one bar into the state and write its row of features.

    s: record of STATE, changed in place; p: record of PARAMS; bar: record of BAR; t: record of TIMETABLE;
    out: float32 row, one place a feature of the catalogue. Returns the volatility in ticks that a stop is made of:
    the mean true range of the last completed minutes (minute lanes: of their own bars). Before the warm-up has passed
    the row and the volatility are NaN.
    """
    last = _push(s, p, bar)
    _averages(s, p, bar)
    price = _vwap(s, bar, t)
    _build(s, p, bar, t)
    c = _write_returns(s, p, bar, out, 0)
    c = _write_trend(s, p, bar, price, out, c)
    c = _write_time(bar, t, out, c)
    c = _write_volatility(s, p, bar, out, c)
    c = _write_momentum(s, p, bar, out, c)
    c = _write_bar(s, bar, last, out, c)
    c = _write_volume(s, p, bar, out, c)
    c = _write_higher(s, p, out, c)
    if s.n <= p.warm_up:
        out[:c] = _NAN
        return _NAN
    return _mean_range(s, 0, p.atr)


@kernel
def scan(s, p, bars, t, out, volatility):
    """Step over `bars` (n BAR): out (n, f) float32 and volatility (n,) float64 are filled."""
    for i in range(bars.size):
        volatility[i] = step(s[0], p[0], bars[i], t[0], out[i])
