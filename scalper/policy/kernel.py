# pyright: basic
"""Every rule of trading and of risk, once: what is decided at the close of a bar, and what a fill does to the account.

Simulation, replay, paper and live call these functions with the same records (records.py); SPEC 5 and 6 word for word.
"""

from __future__ import annotations

import math

import numpy as np

from scalper.compiled import kernel
from scalper.policy.records import Action, Gate, Reason, Role

# numba reads plain integers faster than enum members, and caches them by value
HOLD, ENTER, EXIT, REVERSE = int(Action.HOLD), int(Action.ENTER), int(Action.EXIT), int(Action.REVERSE)
ENTRY_FILL, EXIT_FILL, LAPSE = int(Role.ENTRY), int(Role.EXIT), int(Role.LAPSE)
R_SIGNAL, R_TIME, R_REVERSAL = int(Reason.SIGNAL), int(Reason.TIME), int(Reason.REVERSAL)
R_END, R_LIMIT = int(Reason.END_OF_DAY), int(Reason.LIMIT)
G_PASSED, G_PREDICTION, G_STALE, G_HOURS = int(Gate.PASSED), int(Gate.PREDICTION), int(Gate.STALE), int(Gate.HOURS)
G_END, G_KILL, G_REVIEW, G_DAY = int(Gate.END_OF_DAY), int(Gate.KILL), int(Gate.REVIEW), int(Gate.DAY_LOSS)
G_DRAWDOWN, G_FLOOR, G_PAUSE = int(Gate.DAY_DRAWDOWN), int(Gate.FLOOR), int(Gate.PAUSE)
G_COOLDOWN, G_TRADES, G_FLAT = int(Gate.COOLDOWN), int(Gate.MAX_TRADES), int(Gate.FLAT)
G_CONFIDENCE, G_MOVE, G_SIZE = int(Gate.CONFIDENCE), int(Gate.EXPECTED_MOVE), int(Gate.SIZE_CONFIDENCE)
G_RISK, G_TIME, G_REVERSALS = int(Gate.SIZE_RISK), int(Gate.SIZE_TIME), int(Gate.REVERSALS)
G_AHEAD_DAY, G_AHEAD_DRAWDOWN = int(Gate.LOOK_AHEAD_DAY), int(Gate.LOOK_AHEAD_DRAWDOWN)
G_AHEAD_ACCOUNT, G_AHEAD_KILL = int(Gate.LOOK_AHEAD_ACCOUNT), int(Gate.LOOK_AHEAD_KILL)
G_WORKING, G_POSITION = int(Gate.WORKING), int(Gate.IN_POSITION)
G_TIME_EXIT, G_SIGNAL_EXIT = int(Gate.TIME_EXIT), int(Gate.SIGNAL_EXIT)
MINUTE_NS = 60_000_000_000


@kernel
def open_session(a):
    """Start a session: its counters and its halt are reset; kill, review and the account's peak are not."""
    a.start_cents = a.cash_cents
    a.session_peak_cents = a.cash_cents
    a.equity_cents = a.cash_cents
    a.day_halt = 0
    a.losses = 0
    a.pause_until_ns = 0
    a.cooldown_until_ns = 0
    a.trades = 0
    a.traded_ns = 0
    a.minute = -1
    a.last_high = 0
    a.last_low = 0
    a.reversals = 0
    a.working = HOLD


@kernel
def _close_trade(a, r, fill, trade):
    """Write the trade that this fill closes and book it."""
    slipped = a.entry_slippage + fill.slippage
    trade.entry_ns, trade.exit_ns = a.entry_ns, fill.ts_ns
    trade.side, trade.contracts = a.side, fill.contracts
    trade.entry, trade.exit = a.entry, fill.price
    trade.stop, trade.target = a.stop, a.target
    trade.reason, trade.bars = fill.reason, a.bars_held
    trade.best, trade.worst, trade.confidence = fill.best, fill.worst, a.confidence
    points = a.side * (fill.price - a.entry)
    trade.gross_cents = (points + slipped) * r.tick_cents * fill.contracts
    trade.slippage_cents = slipped * r.tick_cents * fill.contracts
    trade.commission_cents = 2 * r.commission_cents * fill.contracts
    trade.net_cents = trade.gross_cents - trade.slippage_cents - trade.commission_cents
    a.cash_cents += points * r.tick_cents * fill.contracts
    if trade.net_cents < 0:
        a.losses += 1
        if a.losses >= r.long_pause_losses:
            a.pause_until_ns = fill.ts_ns + r.long_pause_ns
        elif a.losses >= r.pause_losses:
            a.pause_until_ns = fill.ts_ns + r.pause_ns
    elif trade.net_cents > 0:
        a.losses = 0


@kernel
def on_fill(a, r, fill, trade):
    """Book a fill; returns 1 when it closed a trade, which is then in `trade`."""
    if fill.role == LAPSE:
        a.working = HOLD
        return 0
    a.cash_cents -= r.commission_cents * fill.contracts
    if fill.role == ENTRY_FILL:
        a.side, a.contracts = fill.side, fill.contracts
        a.entry, a.entry_ns, a.entry_slippage = fill.price, fill.ts_ns, fill.slippage
        a.stop, a.target = fill.stop, fill.target
        a.bars_held = 0
        a.confidence = a.working_confidence
        a.trades += 1
        a.working = HOLD
        return 0
    _close_trade(a, r, fill, trade)
    a.contracts -= fill.contracts
    if a.contracts == 0:
        a.side = 0
    a.cooldown_until_ns = fill.ts_ns + r.cooldown_ns
    if a.working == EXIT:
        a.working = HOLD
    return 1


@kernel
def _mark(a, r, bar, t):
    """Equity at this close, the peaks, the range of the last completed minute, and whether reversals left theirs."""
    a.equity_cents = a.cash_cents
    if a.side != 0:
        exit_cost = r.slippage_ticks * r.tick_cents + r.commission_cents
        a.equity_cents += (a.side * (bar.close - a.entry) * r.tick_cents - exit_cost) * a.contracts
        a.bars_held += 1
    a.session_peak_cents = max(a.session_peak_cents, a.equity_cents)
    a.peak_cents = max(a.peak_cents, a.equity_cents)
    if bar.carried == 0:
        a.traded_ns = bar.ts_ns + t.interval_ns
    if not a.reversal_low <= bar.close <= a.reversal_high:
        a.reversals = 0
    length = max(t.interval_ns, MINUTE_NS)
    minute = bar.ts_ns // length
    if minute != a.minute:
        if a.minute >= 0:
            a.last_high, a.last_low = a.minute_high, a.minute_low
        a.minute = minute
        a.minute_high, a.minute_low = bar.high, bar.low
    a.minute_high = max(a.minute_high, bar.high)
    a.minute_low = min(a.minute_low, bar.low)
    if (bar.ts_ns + t.interval_ns) // length != minute:
        a.last_high, a.last_low = a.minute_high, a.minute_low


@kernel
def _limits(a, r):
    """Fire the limits that this close has reached; returns the gate that forbids trading, or 0."""
    if r.capital_cents + a.deposits_cents - a.cash_cents >= r.kill_cents:
        a.kill = 1
    if a.peak_cents - a.equity_cents >= r.account_drawdown_cents:
        a.review = 1
    if a.day_halt == 0 and a.start_cents - a.equity_cents >= r.day_loss_cents:
        a.day_halt = G_DAY
    if a.day_halt == 0 and a.session_peak_cents - a.equity_cents >= r.day_drawdown_cents:
        a.day_halt = G_DRAWDOWN
    if a.kill != 0:
        return G_KILL
    if a.review != 0:
        return G_REVIEW
    return a.day_halt


@kernel
def _stop_ticks(r, volatility):
    distance = float(r.stop_fixed) if r.stop_fixed > 0 else math.ceil(r.stop_atr * volatility)
    return int(min(max(distance, r.stop_min), r.stop_max))


@kernel
def _refuse(d, gate, value, bound):
    d.gate, d.value, d.bound = gate, value, bound
    return 0


@kernel
def _contracts(a, r, d, cash, confidence, half):
    """Size of an entry (SPEC 5), or 0 with the factor that made it 0."""
    tier = 0
    while tier < r.n_tiers - 1 and cash > r.tier_to_cents[tier]:
        tier += 1
    most = r.tier_contracts[tier]
    stop_cents = d.stop_ticks * r.tick_cents
    base = min(most, max(1, math.floor(cash * r.tier_risk[tier] / stop_cents)))
    times, at = 0.0, 0.0
    for i in range(r.n_bands):
        if confidence >= r.band_at[i]:
            times, at = r.band_times[i], r.band_at[i]
    n = min(math.floor(base * times), most)
    if n == 0:
        return _refuse(d, G_SIZE, base * times, at)
    worst = stop_cents + r.slippage_ticks * r.tick_cents + 2 * r.commission_cents
    n = min(n, r.per_trade_cents // worst)
    if n == 0:
        return _refuse(d, G_RISK, worst / 100, r.per_trade_cents / 100)
    if half:
        if n // 2 == 0:
            return _refuse(d, G_TIME, n * 0.5, 1.0)
        n = n // 2
    return n


@kernel
def _looks_ahead(a, r, d, n, equity, cash):
    """Refuse n contracts whose stop would reach a limit."""
    worst = n * (d.stop_ticks * r.tick_cents + r.slippage_ticks * r.tick_cents + 2 * r.commission_cents)
    after = equity - worst
    if a.start_cents - after >= r.day_loss_cents:
        return _refuse(d, G_AHEAD_DAY, (a.start_cents - after) / 100, r.day_loss_cents / 100)
    if a.session_peak_cents - after >= r.day_drawdown_cents:
        return _refuse(d, G_AHEAD_DRAWDOWN, (a.session_peak_cents - after) / 100, r.day_drawdown_cents / 100)
    if a.peak_cents - after >= r.account_drawdown_cents:
        return _refuse(d, G_AHEAD_ACCOUNT, (a.peak_cents - after) / 100, r.account_drawdown_cents / 100)
    lost = r.capital_cents + a.deposits_cents - (cash - worst)
    if lost >= r.kill_cents:
        return _refuse(d, G_AHEAD_KILL, lost / 100, r.kill_cents / 100)
    return n


@kernel
def _time_gate(a, r, bar, t, d, close_ns, reversing):
    """The gates of time and of what went before; 1 when an entry may be thought of."""
    if bar.carried != 0:
        return _refuse(d, G_STALE, (close_ns - a.traded_ns) / 1e9, 0.0)
    if bar.ts_ns < t.trade_from_ns or close_ns > t.trade_to_ns:
        return _refuse(d, G_HOURS, bar.ts_ns, t.trade_from_ns)
    if close_ns >= t.no_entry_ns:
        return _refuse(d, G_END, (t.flat_ns - close_ns) / 6e10, (t.flat_ns - t.no_entry_ns) / 6e10)
    lost = 1 if reversing and a.equity_cents < a.cash_cents + r.commission_cents * a.contracts else 0
    if close_ns < a.pause_until_ns or (lost != 0 and a.losses + 1 >= r.pause_losses):
        return _refuse(d, G_PAUSE, a.losses + lost, r.pause_losses)
    if close_ns < a.cooldown_until_ns:
        return _refuse(d, G_COOLDOWN, (close_ns - a.cooldown_until_ns) / 1e9, 0.0)
    if a.trades >= r.max_trades:
        return _refuse(d, G_TRADES, a.trades, r.max_trades)
    return 1


@kernel
def _entry(a, r, bar, q, t, d, side, confidence, equity, cash, reversing):
    """Put an entry through every gate; returns its size, 0 when refused (gate, value and bound are in d)."""
    close_ns = bar.ts_ns + t.interval_ns
    if _time_gate(a, r, bar, t, d, close_ns, reversing) == 0:
        return 0
    if min(a.start_cents, cash) < r.floor_cents:
        return _refuse(d, G_FLOOR, min(a.start_cents, cash) / 100, r.floor_cents / 100)
    if confidence < r.confidence:
        return _refuse(d, G_CONFIDENCE, confidence, r.confidence)
    round_trip = 2 * (r.slippage_ticks + r.commission_cents / r.tick_cents)
    if not side * q.move_ticks >= r.move_over_cost * round_trip:
        return _refuse(d, G_MOVE, side * q.move_ticks, r.move_over_cost * round_trip)
    d.stop_ticks = _stop_ticks(r, q.volatility_ticks)
    d.target_ticks = math.floor(d.stop_ticks * r.reward_to_risk + 0.5)
    n = _contracts(a, r, d, min(a.start_cents, cash), confidence, close_ns >= t.half_ns)
    if n > 0:
        n = _looks_ahead(a, r, d, n, equity, cash)
    if n == 0:
        d.stop_ticks = 0
        d.target_ticks = 0
    return n


@kernel
def _exit(d, a, reason, gate):
    d.action, d.side, d.contracts, d.reason, d.gate = EXIT, a.side, a.contracts, reason, gate
    d.stop_ticks = 0
    d.target_ticks = 0


@kernel
def _against(a, r, bar, q, t, d, side, confidence):
    """An opposite prediction: exit, or exit and enter the other way with the loss booked."""
    if confidence <= r.reverse_confidence:
        _exit(d, a, R_SIGNAL, G_SIGNAL_EXIT)
        d.value, d.bound = confidence, r.exit_confidence
        return
    n = 0
    if a.reversals >= r.max_reversals:
        _refuse(d, G_REVERSALS, a.reversals, r.max_reversals)
    else:
        n = _entry(a, r, bar, q, t, d, side, confidence, a.equity_cents, a.equity_cents, True)
    if n == 0:
        gate, value, bound = d.gate, d.value, d.bound
        _exit(d, a, R_SIGNAL, gate)
        d.value, d.bound = value, bound
        return
    if a.reversals == 0:
        a.reversal_high, a.reversal_low = a.last_high, a.last_low
    a.reversals += 1
    d.action, d.side, d.contracts, d.reason, d.gate = REVERSE, side, n, R_REVERSAL, G_PASSED


@kernel
def _manage(a, r, bar, q, t, d, side, confidence):
    """With a position open: time exit, opposite prediction, or hold."""
    if a.bars_held >= r.hold_bars:
        _exit(d, a, R_TIME, G_TIME_EXIT)
        d.value, d.bound = a.bars_held, r.hold_bars
    elif side == -a.side and confidence >= r.exit_confidence:
        _against(a, r, bar, q, t, d, side, confidence)
    else:
        _refuse(d, G_POSITION, a.bars_held, r.hold_bars)


@kernel
def _direction(q):
    """Side and confidence of the predicted class: the most probable one, FLAT in a tie."""
    if q.up > q.flat and q.up > q.down:
        return 1, q.up
    if q.down > q.flat and q.down > q.up:
        return -1, q.down
    return 0, q.flat


@kernel
def step(a, r, bar, q, t, d):
    """Decide at the close of a bar.

    a: record of ACCOUNT, changed in place, its fills already booked; r: RULES; bar: BAR; q: PREDICTION for this bar;
    t: TIMETABLE; d: record of DECISION that is written. Order: mark to market, limits, end of day, position, entry.
    """
    close_ns = bar.ts_ns + t.interval_ns
    d.ts_ns = close_ns
    d.action, d.side, d.contracts, d.reason, d.stop_ticks, d.target_ticks = HOLD, 0, 0, 0, 0, 0
    d.gate, d.value, d.bound, d.confidence, d.move_ticks = G_PASSED, 0.0, 0.0, 0.0, 0.0
    _mark(a, r, bar, t)
    d.equity_cents = a.equity_cents
    halted = _limits(a, r)
    usable = q.valid != 0 and not (np.isnan(q.up + q.down + q.flat) or np.isnan(q.move_ticks + q.volatility_ticks))
    side, confidence = 0, 0.0
    if usable:
        side, confidence = _direction(q)
        d.confidence, d.move_ticks = confidence, q.move_ticks
    if a.working == EXIT or a.working == REVERSE or (a.working == ENTER and a.side == 0):
        _refuse(d, G_WORKING, a.working, 0.0)
    elif a.side != 0 and halted != 0:
        _exit(d, a, R_LIMIT, halted)
    elif a.side != 0 and close_ns >= t.exit_ns:
        _exit(d, a, R_END, G_END)
    elif a.side != 0:
        _manage(a, r, bar, q, t, d, side, confidence)
    elif halted != 0:
        _refuse(d, halted, 0.0, 0.0)
    elif not usable:
        _refuse(d, G_PREDICTION, 0.0, 0.0)
    elif side == 0:
        _refuse(d, G_FLAT, confidence, r.confidence)
    else:
        n = _entry(a, r, bar, q, t, d, side, confidence, a.equity_cents, a.cash_cents, False)
        if n > 0:
            d.action, d.side, d.contracts, d.reason, d.gate = ENTER, side, n, R_SIGNAL, G_PASSED
    if d.action != HOLD:
        a.working = d.action
    if d.action == ENTER or d.action == REVERSE:
        a.working_confidence = confidence
