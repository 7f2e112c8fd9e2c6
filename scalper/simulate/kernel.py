# pyright: basic
"""The simulated broker and the loop of a session: bar, fills, decision, order.

`advance` and `submit` are the broker; replay and paper trading call the very same two. SPEC 7: a decision at the close
of bar t fills at the next traded open plus slippage; stop and target in one bar: the stop; a stop fills at the worse of
stop and open, plus slippage; a target is a limit order without slippage. A change of the stop acts from the next bar.
Latency delays orders and changes of the stop; a dropped entry is gone at once.
"""

from __future__ import annotations

import numpy as np

from scalper.compiled import inlined, kernel
from scalper.policy.kernel import (
    AMEND,
    ENTER,
    ENTRY_FILL,
    EXIT,
    EXIT_FILL,
    FLATTEN,
    HOLD,
    LAPSE,
    REVERSE,
    close_session,
    on_fill,
    open_session,
    step,
)
from scalper.policy.records import Reason

R_STOP, R_TARGET = int(Reason.STOP), int(Reason.TARGET)
R_SESSION_END = int(Reason.SESSION_END)
MAX_FILLS = 8
"""Most fills of one bar: a dropped entry, a moved stop, both legs of a reversal, two exits, a lapse."""
ALL = 1 << 40
"""More contracts than any bar trades."""

BOOK = np.dtype(
    [
        ("version", "i8"),
        ("slippage", "i8"),  # ticks of a market or stop order now
        ("side", "i8"),
        ("contracts", "i8"),
        ("stop", "i8"),
        ("target", "i8"),
        ("partial", "i8"),  # where some of the contracts are taken
        ("partial_contracts", "i8"),
        ("stop_order", "i8"),  # level that the stop is being moved to, 0: none
        ("stop_wait", "i8"),
        ("order", "i8"),  # Action under way
        ("order_side", "i8"),
        ("order_contracts", "i8"),  # of an entry, not filled yet
        ("order_stop", "i8"),  # distances in ticks
        ("order_target", "i8"),
        ("order_partial", "i8"),
        ("order_partial_contracts", "i8"),
        ("order_reason", "i8"),
        ("order_wait", "i8"),  # bars of latency left
        ("order_lapse_ns", "i8"),
        ("dropped", "i8"),  # contracts of an entry that was called off
    ]
)
"""The simulated broker's book: one position with its resting stop and targets, and one order."""

MARKET = np.dtype([("slips", "i8"), ("extra", "i8"), ("through", "i8"), ("latency", "i8"), ("share", "f8")])
"""Fill model: times the expected slippage, and ticks on top; ticks a bar must trade through a target; latency in bars;
largest share of a bar's volume that our orders take (0: no limit; a traded bar fills at least one contract)."""


@kernel
def submit(b, m, r, d):
    """Take a decision: what it expects of slippage, the new level of the stop, its order."""
    b.slippage = d.slippage
    if d.stop != 0:
        b.stop_order, b.stop_wait = d.stop, m.latency
    if d.action == HOLD:
        return
    b.order_reason = d.reason
    if d.action == EXIT or d.action == FLATTEN:
        if b.order == ENTER or b.order == REVERSE:
            b.dropped = b.order_contracts
        if b.order == HOLD or b.order == ENTER:
            b.order_wait = m.latency
        b.order = EXIT if b.side != 0 else HOLD
        return
    b.order, b.order_side, b.order_contracts = d.action, d.side, d.contracts
    b.order_stop, b.order_target = d.stop_ticks, d.target_ticks
    b.order_partial, b.order_partial_contracts = d.partial_ticks, d.partial_contracts
    b.order_wait = m.latency
    b.order_lapse_ns = d.ts_ns + r.lapse_ns


@kernel
def _fill(b, fill, role, ts_ns, reason, side, contracts, price, slippage):
    fill.ts_ns, fill.role, fill.reason = ts_ns, role, reason
    fill.side, fill.contracts, fill.price, fill.slippage = side, contracts, price, slippage
    fill.stop, fill.target = b.stop, b.target


@kernel
def _slip(b, m):
    return b.slippage * m.slips + m.extra


@kernel
def _exit(b, fill, ts_ns, price, slippage, reason, contracts):
    """Close so many contracts at `price`, of which `slippage` ticks are slippage."""
    _fill(b, fill, EXIT_FILL, ts_ns, reason, b.side, contracts, price, slippage)
    b.contracts -= contracts
    if b.contracts == 0:
        b.side, b.stop_order, b.partial_contracts = 0, 0, 0


@kernel
def _enter(b, m, fill, bar, contracts):
    """Open the position, or add to it; stop and target are measured from its first fill."""
    price = bar.open + b.order_side * _slip(b, m)
    if b.side == 0:
        b.side, b.contracts = b.order_side, 0
        b.stop = price - b.side * b.order_stop
        b.target = price + b.side * b.order_target
        b.partial = price + b.side * b.order_partial
        b.partial_contracts = b.order_partial_contracts
    b.contracts += contracts
    b.order_contracts -= contracts
    _fill(b, fill, ENTRY_FILL, bar.ts_ns, b.order_reason, b.side, contracts, price, _slip(b, m))


@kernel
def _lapse(b, fill, ts_ns, contracts):
    _fill(b, fill, LAPSE, ts_ns, b.order_reason, b.order_side, contracts, 0, 0)


@kernel
def _requests(b, bar, fills):
    """What takes effect at the start of any bar: an entry called off, and the moved stop; the number of fills."""
    n = 0
    if b.dropped > 0:
        _lapse(b, fills[n], bar.ts_ns, b.dropped)
        b.dropped = 0
        n += 1
    if b.stop_order != 0 and b.stop_wait > 0:
        b.stop_wait -= 1
    elif b.stop_order != 0:
        b.stop = b.stop_order
        b.stop_order = 0
        _fill(b, fills[n], AMEND, bar.ts_ns, 0, b.side, b.contracts, b.stop, 0)
        n += 1
    return n


@kernel
def _orders(b, m, bar, fills, n, room):
    """The order under way meets the open of a traded bar; the number of fills, and what the bar's volume has left."""
    if b.order == HOLD:
        return n, room
    if b.order_wait > 0:
        b.order_wait -= 1
        return n, room
    if b.order != ENTER and b.side != 0:
        k = min(b.contracts, room)
        _exit(b, fills[n], bar.ts_ns, bar.open - b.side * _slip(b, m), _slip(b, m), b.order_reason, k)
        n, room = n + 1, room - k
        if b.side != 0:
            return n, room
    if b.order == EXIT:
        b.order = HOLD
    elif bar.ts_ns >= b.order_lapse_ns:
        _lapse(b, fills[n], bar.ts_ns, b.order_contracts)
        b.order = HOLD
        n += 1
    elif room > 0 and not (b.side != 0 and b.side * bar.open <= b.side * b.stop):
        k = min(b.order_contracts, room)
        _enter(b, m, fills[n], bar, k)
        b.order = ENTER if b.order_contracts > 0 else HOLD
        n, room = n + 1, room - k
    return n, room


@kernel
def _stopped(b, m, bar, fills, n, room, end_ns):
    """The stop is met: it fills at the worse of stop and open; what the volume leaves over goes at the next opens."""
    raw = b.side * min(b.side * b.stop, b.side * bar.open)
    k = min(b.contracts, max(room, 1))  # at least one, also where the entry has used up the bar: the policy must know
    _exit(b, fills[n], end_ns, raw - b.side * _slip(b, m), _slip(b, m), R_STOP, k)
    n += 1
    if b.order == ENTER or b.order == REVERSE:
        _lapse(b, fills[n], end_ns, b.order_contracts)
        n += 1
    b.order = HOLD
    if b.side != 0:
        b.order, b.order_reason, b.order_wait = EXIT, R_STOP, 0
    return n


@kernel
def _paid(b, m, favourable, fills, n, room, end_ns):
    """The bar has traded through a target: first what is taken on the way, then the rest."""
    if b.partial_contracts > 0 and b.side * favourable >= b.side * b.partial + m.through:
        k = min(b.partial_contracts, b.contracts - 1, room)
        if k > 0:
            _exit(b, fills[n], end_ns, b.partial, 0, R_TARGET, k)
            b.partial_contracts -= k
            n, room = n + 1, room - k
    if room > 0 and b.side * favourable >= b.side * b.target + m.through:
        _exit(b, fills[n], end_ns, b.target, 0, R_TARGET, min(b.contracts, room))
        n += 1
    if b.side == 0 and b.order != HOLD:  # with latency an order can be under way when the position closes
        if b.order != EXIT:
            _lapse(b, fills[n], end_ns, b.order_contracts)
            n += 1
        b.order = HOLD
    return n


@kernel
def _idle(b):
    """Whether a bar can do nothing to the book."""
    return b.side == 0 and b.order == HOLD and b.dropped == 0


@inlined
def advance(b, m, bar, t, fills):
    """Let a bar happen to the book; returns how many FILL records it wrote. A carried bar trades nothing."""
    if _idle(b):
        return 0
    n = _requests(b, bar, fills)
    if bar.carried != 0:
        b.order_wait = max(b.order_wait - 1, 0)  # latency is time, which a carried bar moves
        return n
    room = max(1, int(m.share * bar.volume)) if m.share > 0.0 else ALL
    n, room = _orders(b, m, bar, fills, n, room)
    if b.side == 0 or (b.order == EXIT and b.order_reason == R_STOP):  # what a stop has left over is on its way
        return n
    end_ns = bar.ts_ns + t.interval_ns
    favourable, adverse = (bar.high, bar.low) if b.side > 0 else (bar.low, bar.high)
    if b.side * adverse <= b.side * b.stop:
        return _stopped(b, m, bar, fills, n, room, end_ns)
    return _paid(b, m, favourable, fills, n, room, end_ns)


@kernel
def close_out(b, m, bar, t, fills):
    """After a session's last bar: what is still open is closed at its close, which the end-of-day check counts."""
    n = 0
    left = b.dropped + (b.order_contracts if b.order == ENTER or b.order == REVERSE else 0)
    if left > 0:
        _lapse(b, fills[n], bar.ts_ns + t.interval_ns, left)
        n += 1
    b.order, b.dropped = HOLD, 0
    if b.side != 0:
        price = bar.close - b.side * _slip(b, m)
        _exit(b, fills[n], bar.ts_ns + t.interval_ns, price, _slip(b, m), R_SESSION_END, b.contracts)
        n += 1
    return n


@inlined
def _book(a, r, fills, n, trades, k):
    for i in range(n):
        k += on_fill(a, r, fills[i], trades[k % trades.size])
    return k


@kernel
def run_session(a, b, r, m, bars, aux, predictions, t, norms, decisions, trades, fills):
    """One session, bar by bar: fills of the bar, then the decision at its close, then its order.

    a (1,) ACCOUNT and b (1,) BOOK move on; bars (n,) BAR; aux (n,) AUX; predictions (n,) PREDICTION; norms (MINUTES,)
    of NORM. decisions (n,) DECISION and trades (n + 2,) TRADE are written; with one place of each, only the last is
    kept. fills (MAX_FILLS,) FILL is scratch. Returns the number of trades.
    """
    open_session(a[0], r[0])
    k = 0
    kept = 1 if decisions.size >= bars.size else 0
    for i in range(bars.size):
        if not _idle(b[0]):
            n = advance(b[0], m[0], bars[i], t[0], fills)
            k = _book(a[0], r[0], fills, n, trades, k)
        d = decisions[i * kept]
        step(a[0], r[0], bars[i], aux[i], predictions[i], t[0], norms, d)
        submit(b[0], m[0], r[0], d)
    if bars.size > 0:
        n = close_out(b[0], m[0], bars[bars.size - 1], t[0], fills)
        k = _book(a[0], r[0], fills, n, trades, k)
        close_session(a[0], r[0])
    return k
