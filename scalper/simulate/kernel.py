# pyright: basic
"""The simulated broker and the loop of a session: bar, fills, decision, order.

`advance` and `submit` are the broker; replay and paper trading call the very same two. SPEC 7: a decision at the close
of bar t fills at the next traded open plus slippage; stop and target in one bar: the stop; a stop fills at the worse of
stop and open, plus slippage; a target is a limit order without slippage.
"""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel
from scalper.policy.kernel import ENTER, ENTRY_FILL, EXIT, EXIT_FILL, HOLD, LAPSE, REVERSE, on_fill, open_session, step
from scalper.policy.records import Reason

R_STOP, R_TARGET = int(Reason.STOP), int(Reason.TARGET)
R_SESSION_END = int(Reason.SESSION_END)
MAX_FILLS = 4  # of one bar: exit and entry of a reversal, the new position's stop, a lapse

BOOK = np.dtype(
    [
        ("version", "i8"),
        ("side", "i8"),
        ("contracts", "i8"),
        ("stop", "i8"),
        ("target", "i8"),
        ("best", "i8"),
        ("worst", "i8"),
        ("order", "i8"),  # Action under way
        ("order_side", "i8"),
        ("order_contracts", "i8"),
        ("order_stop", "i8"),  # distances in ticks
        ("order_target", "i8"),
        ("order_reason", "i8"),
        ("order_wait", "i8"),  # bars of latency left
        ("order_lapse_ns", "i8"),
    ]
)
"""The simulated broker's book: one position with its resting stop and target, and one order."""

MARKET = np.dtype([("slippage", "i8"), ("through", "i8"), ("latency", "i8")])
"""Fill model: slippage of market and stop orders in ticks; ticks a bar must trade through a target; latency in bars."""


@kernel
def submit(b, m, r, d):
    """Send the order of a decision."""
    if d.action == HOLD:
        return
    b.order, b.order_side, b.order_contracts = d.action, d.side, d.contracts
    b.order_stop, b.order_target, b.order_reason = d.stop_ticks, d.target_ticks, d.reason
    b.order_wait = m.latency
    b.order_lapse_ns = d.ts_ns + r.lapse_ns * (1 + m.latency)


@kernel
def _exit(b, fill, ts_ns, price, slippage, reason):
    """Close the position at `price`, of which `slippage` ticks are slippage."""
    fill.ts_ns, fill.role, fill.reason = ts_ns, EXIT_FILL, reason
    fill.side, fill.contracts, fill.price, fill.slippage = b.side, b.contracts, price, slippage
    fill.stop, fill.target = b.stop, b.target
    fill.best = max(b.best * b.side, price * b.side) * b.side
    fill.worst = min(b.worst * b.side, price * b.side) * b.side
    b.side, b.contracts = 0, 0


@kernel
def _enter(b, m, fill, bar):
    side = b.order_side
    price = bar.open + side * m.slippage
    b.side, b.contracts = side, b.order_contracts
    b.stop = price - side * b.order_stop
    b.target = price + side * b.order_target
    b.best, b.worst = price, price
    fill.ts_ns, fill.role, fill.reason = bar.ts_ns, ENTRY_FILL, b.order_reason
    fill.side, fill.contracts, fill.price, fill.slippage = side, b.contracts, price, m.slippage
    fill.stop, fill.target, fill.best, fill.worst = b.stop, b.target, price, price


@kernel
def _lapse(b, fill, ts_ns):
    fill.ts_ns, fill.role, fill.reason = ts_ns, LAPSE, b.order_reason
    fill.side, fill.contracts, fill.price, fill.slippage = b.order_side, 0, 0, 0
    fill.stop, fill.target, fill.best, fill.worst = 0, 0, 0, 0
    b.order = HOLD


@kernel
def _orders(b, m, bar, fills):
    """The order under way meets the open of a traded bar; returns the number of fills."""
    if b.order == HOLD:
        return 0
    if b.order_wait > 0:
        b.order_wait -= 1
        return 0
    n = 0
    if b.order != ENTER and b.side != 0:
        _exit(b, fills[n], bar.ts_ns, bar.open - b.side * m.slippage, m.slippage, b.order_reason)
        n += 1
    if b.order == EXIT:
        b.order = HOLD
    elif bar.ts_ns >= b.order_lapse_ns:
        _lapse(b, fills[n], bar.ts_ns)
        n += 1
    else:
        _enter(b, m, fills[n], bar)
        n += 1
        b.order = HOLD
    return n


@kernel
def advance(b, m, bar, t, fills):
    """Let a bar happen to the book; returns how many FILL records it wrote. A carried bar fills nothing."""
    if bar.carried != 0:
        b.order_wait = max(b.order_wait - 1, 0)  # latency is time, which a carried bar moves
        return 0
    n = _orders(b, m, bar, fills)
    if b.side == 0:
        return n
    end_ns = bar.ts_ns + t.interval_ns
    favourable, adverse = (bar.high, bar.low) if b.side > 0 else (bar.low, bar.high)
    if b.side * adverse <= b.side * b.stop:
        raw = min(b.side * b.stop, b.side * bar.open) * b.side
        b.worst = raw
        _exit(b, fills[n], end_ns, raw - b.side * m.slippage, m.slippage, R_STOP)
    elif b.side * favourable >= b.side * b.target + m.through:
        b.worst = min(b.side * b.worst, b.side * adverse) * b.side
        _exit(b, fills[n], end_ns, b.target, 0, R_TARGET)
    else:
        b.best = max(b.side * b.best, b.side * favourable) * b.side
        b.worst = min(b.side * b.worst, b.side * adverse) * b.side
        return n
    n += 1
    if b.order != HOLD:  # with latency an order can be under way when the stop fills
        if b.order == EXIT:
            b.order = HOLD
        else:
            _lapse(b, fills[n], end_ns)
            n += 1
    return n


@kernel
def close_out(b, m, bar, t, fills):
    """After a session's last bar: what is still open is closed at its close, which the end-of-day check counts."""
    n = 0
    if b.order == ENTER or b.order == REVERSE:
        _lapse(b, fills[n], bar.ts_ns + t.interval_ns)
        n += 1
    b.order = HOLD
    if b.side != 0:
        price = bar.close - b.side * m.slippage
        _exit(b, fills[n], bar.ts_ns + t.interval_ns, price, m.slippage, R_SESSION_END)
        n += 1
    return n


@kernel
def _book(a, r, fills, n, trades, k):
    for i in range(n):
        k += on_fill(a, r, fills[i], trades[k])
    return k


@kernel
def run_session(a, b, r, m, bars, predictions, t, decisions, trades, fills):
    """One session, bar by bar: fills of the bar, then the decision at its close, then its order.

    a (1,) ACCOUNT and b (1,) BOOK move on; bars (n,) BAR; predictions (n,) PREDICTION; decisions (n,) DECISION and
    trades (n + 2,) TRADE are written; fills (4,) FILL is scratch. Returns the number of trades.
    """
    open_session(a[0])
    k = 0
    for i in range(bars.size):
        n = advance(b[0], m[0], bars[i], t[0], fills)
        k = _book(a[0], r[0], fills, n, trades, k)
        step(a[0], r[0], bars[i], predictions[i], t[0], decisions[i])
        submit(b[0], m[0], r[0], decisions[i])
    if bars.size > 0:
        n = close_out(b[0], m[0], bars[bars.size - 1], t[0], fills)
        k = _book(a[0], r[0], fills, n, trades, k)
        a[0].equity_cents = a[0].cash_cents
    return k
