# pyright: basic
"""Every rule of trading and of risk, once: what is decided at the close of a bar, and what a fill does to the account.

Simulation, replay, paper and live call these functions with the same records (records.py); SPEC 5 and 6 word for word.
The size of an entry and what moves a stop are in size.py and stops.py.
"""

from __future__ import annotations

import numpy as np

from scalper.compiled import inlined, kernel
from scalper.market.bars import QUOTES
from scalper.policy.records import FIRM_DAY_END, FIRM_NONE, FIRM_OPEN_EQUITY, USUAL, Action, Gate, Reason, Role
from scalper.policy.size import contracts, refuse
from scalper.policy.stops import distances, tighten

# numba reads plain integers faster than enum members, and caches them by value
HOLD, ENTER, EXIT = int(Action.HOLD), int(Action.ENTER), int(Action.EXIT)
REVERSE, FLATTEN = int(Action.REVERSE), int(Action.FLATTEN)
ENTRY_FILL, EXIT_FILL, LAPSE, AMEND = int(Role.ENTRY), int(Role.EXIT), int(Role.LAPSE), int(Role.AMEND)
R_SIGNAL, R_TIME, R_REVERSAL = int(Reason.SIGNAL), int(Reason.TIME), int(Reason.REVERSAL)
R_END, R_LIMIT = int(Reason.END_OF_DAY), int(Reason.LIMIT)
R_STOP, R_TARGET = int(Reason.STOP), int(Reason.TARGET)
G_PASSED, G_PREDICTION, G_STALE, G_HOURS = int(Gate.PASSED), int(Gate.PREDICTION), int(Gate.STALE), int(Gate.HOURS)
G_END, G_KILL, G_FIRM, G_REVIEW = int(Gate.END_OF_DAY), int(Gate.KILL), int(Gate.FIRM), int(Gate.REVIEW)
G_DAY, G_DRAWDOWN, G_FLOOR = int(Gate.DAY_LOSS), int(Gate.DAY_DRAWDOWN), int(Gate.FLOOR)
G_PAUSE, G_COOLDOWN, G_SPREAD = int(Gate.PAUSE), int(Gate.COOLDOWN), int(Gate.SPREAD)
G_TRADES, G_FLAT, G_CONFIDENCE = int(Gate.MAX_TRADES), int(Gate.FLAT), int(Gate.CONFIDENCE)
G_MOVE, G_REVERSALS = int(Gate.EXPECTED_MOVE), int(Gate.REVERSALS)
G_AHEAD_DAY, G_AHEAD_DRAWDOWN = int(Gate.LOOK_AHEAD_DAY), int(Gate.LOOK_AHEAD_DRAWDOWN)
G_AHEAD_ACCOUNT, G_AHEAD_KILL = int(Gate.LOOK_AHEAD_ACCOUNT), int(Gate.LOOK_AHEAD_KILL)
G_AHEAD_FIRM, G_WORKING, G_POSITION = int(Gate.LOOK_AHEAD_FIRM), int(Gate.WORKING), int(Gate.IN_POSITION)
G_TIME_EXIT, G_SIGNAL_EXIT = int(Gate.TIME_EXIT), int(Gate.SIGNAL_EXIT)
MINUTE_NS = 60_000_000_000


# ------------------------------------------------------------------- account


@kernel
def _day_end(a, r):
    """What a firm trails at the end of a day: cash."""
    if r.firm == FIRM_DAY_END:
        a.firm_peak_cents = max(a.firm_peak_cents, a.cash_cents)


@kernel
def close_session(a, r):
    """End a session, with nothing open any more."""
    a.equity_cents = a.cash_cents
    _day_end(a, r)


@kernel
def open_session(a, r):
    """Start a session: its counters and its halt are reset; kill, review, firm and the account's peaks are not."""
    a.start_cents = a.cash_cents
    a.session_peak_cents = a.cash_cents
    a.equity_cents = a.cash_cents
    _day_end(a, r)
    a.day_halt = 0
    a.losses = 0
    a.pause_until_ns = 0
    a.cooldown_until_ns = 0
    a.spread_until_ns = 0
    a.trades = 0
    a.traded_ns = 0
    a.minute_end_ns = 0
    a.last_minute = -1
    a.last_high = 0
    a.last_low = 0
    a.last_volume = 0
    a.slippage = r.slippage_thin
    a.unusual = np.nan
    a.reversals = 0
    a.working = HOLD
    a.working_contracts = 0
    a.out_contracts, a.out_value = 0, 0


@kernel
def _close_trade(a, r, fill, trade):
    """Write the trade that this fill closes, and count a loss."""
    trade.entry_ns, trade.exit_ns = a.entry_ns, fill.ts_ns
    trade.side, trade.contracts = a.side, a.filled
    trade.entry_value, trade.exit_value = a.entry_value, a.exit_value
    trade.first_stop, trade.stop, trade.target = a.first_stop, a.stop, a.target
    trade.reason, trade.bars, trade.exits = fill.reason, a.bars_held, a.exits
    trade.best, trade.worst, trade.confidence = a.best, a.worst, a.confidence
    profit = a.side * (a.exit_value - a.entry_value) * r.tick_cents
    trade.slippage_cents = a.slipped * r.tick_cents
    trade.gross_cents = profit + trade.slippage_cents
    trade.commission_cents = 2 * r.commission_cents * a.filled
    trade.net_cents = profit - trade.commission_cents
    a.cash_cents += profit - a.booked_cents
    if trade.net_cents < 0:
        a.losses += 1
        if a.losses >= r.long_pause_losses:
            a.pause_until_ns = fill.ts_ns + r.long_pause_ns
        elif a.losses >= r.pause_losses:
            a.pause_until_ns = fill.ts_ns + r.pause_ns
    elif trade.net_cents > 0:
        a.losses = 0
    a.cooldown_until_ns = fill.ts_ns + r.cooldown_ns
    a.side, a.booked_cents, a.stop_asked = 0, 0, 0


@kernel
def _entered(a, fill):
    """Open a position, or add to the one that this order has opened."""
    if a.side == 0:
        a.side, a.contracts, a.filled = fill.side, 0, 0
        a.entry, a.entry_ns = fill.price, fill.ts_ns
        a.entry_value, a.exit_value, a.exits, a.slipped, a.booked_cents = 0, 0, 0, 0, 0
        a.first_stop, a.stop, a.target, a.stop_asked = fill.stop, fill.stop, fill.target, 0
        a.best, a.worst, a.bars_held = fill.price, fill.price, 0
        a.confidence = a.working_confidence
        a.trades += 1
    a.contracts += fill.contracts
    a.filled += fill.contracts
    a.entry_value += fill.price * fill.contracts
    a.slipped += fill.slippage * fill.contracts
    a.working_contracts -= fill.contracts
    a.working = ENTER if a.working_contracts > 0 else HOLD


@kernel
def _left_inside(a, fill):
    """Remember what a stop or a target closed inside the bar: its extremes were met with it open."""
    a.out_side, a.out_stop, a.out_ns = a.side, 1 if fill.reason == R_STOP else 0, fill.ts_ns
    a.out_contracts += fill.contracts
    a.out_value += fill.price * fill.contracts
    if fill.reason == R_STOP and a.contracts > 0:
        a.working = EXIT  # the rest of it is on its way


@kernel
def on_fill(a, r, fill, trade):
    """Book a fill; returns 1 when it closed a position, whose trade is then in `trade`."""
    if fill.role == AMEND:
        a.stop, a.stop_asked = fill.stop, 0
        return 0
    if fill.role == LAPSE:
        a.working_contracts = 0
        if a.side == 0 or a.working == ENTER or a.working == REVERSE:
            a.working = HOLD
        return 0
    a.cash_cents -= r.commission_cents * fill.contracts
    if fill.role == ENTRY_FILL:
        _entered(a, fill)
        return 0
    a.contracts -= fill.contracts
    a.exit_value += fill.price * fill.contracts
    a.slipped += fill.slippage * fill.contracts
    a.exits += 1
    a.best = a.side * max(a.side * a.best, a.side * fill.price)
    a.worst = a.side * min(a.side * a.worst, a.side * fill.price)
    if fill.reason == R_STOP or fill.reason == R_TARGET:
        _left_inside(a, fill)
    if a.contracts > 0:
        paid = a.entry_value * fill.contracts // a.filled
        part = a.side * (fill.price * fill.contracts - paid) * r.tick_cents
        a.cash_cents += part
        a.booked_cents += part
        return 0
    _close_trade(a, r, fill, trade)
    if a.working != REVERSE and a.working != ENTER:
        a.working = HOLD
    return 1


# ---------------------------------------------------------------- what a bar tells


@kernel
def _complete(a, t):
    a.last_minute = (a.minute_end_ns - t.open_ns) // MINUTE_NS - 1
    a.last_high, a.last_low, a.last_volume = a.minute_high, a.minute_low, a.minute_volume


@kernel
def minute(a, bar, t):
    """Take a bar into the minute under way (in minute lanes: the bar); returns 1 when one is complete by its close."""
    done = 0
    if bar.ts_ns >= a.minute_end_ns:
        if a.minute_end_ns > 0 and (a.minute_end_ns - t.open_ns) // MINUTE_NS - 1 != a.last_minute:
            _complete(a, t)
            done = 1
        length = max(t.interval_ns, MINUTE_NS)
        a.minute_end_ns = (bar.ts_ns // length + 1) * length
        a.minute_high, a.minute_low, a.minute_volume = bar.high, bar.low, 0
    a.minute_high = max(a.minute_high, bar.high)
    a.minute_low = min(a.minute_low, bar.low)
    a.minute_volume += bar.volume
    if bar.ts_ns + t.interval_ns >= a.minute_end_ns:
        _complete(a, t)
        done = 1
    return done


@kernel
def _conditions(a, r, x, norm):
    """Compare the last minute with the norm of that minute; what cannot be compared is unusual."""
    volume = a.last_volume / norm.volume
    volatility = x.volatility_ticks / norm.volatility_ticks
    a.unusual, a.slippage = USUAL, r.slippage
    if not volume >= r.thin_volume:
        a.unusual, a.slippage = volume, r.slippage_thin
    if not volatility <= r.high_volatility:
        a.unusual, a.slippage = volatility, r.slippage_thin
        steps = volatility / r.high_volatility + 1.0
        if steps > r.slippage_thin:
            a.slippage = int(min(steps, float(r.slippage_most)))


@kernel
def _open_cents(a, r, price):
    """Profit of the open position at a price, less what is in the cash already; before the cost of exiting."""
    value = price * a.contracts + a.exit_value - a.entry_value
    return a.side * value * r.tick_cents - a.booked_cents


@kernel
def _extremes(a, r, bar):
    """Lowest and highest equity that the bar can have seen, before the cost of exiting: open and closed in it."""
    lowest = a.cash_cents
    highest = a.cash_cents
    if a.side != 0:
        lowest += _open_cents(a, r, bar.low if a.side > 0 else bar.high)
        highest += _open_cents(a, r, bar.high if a.side > 0 else bar.low)
    if a.out_contracts == 0 or a.out_ns == bar.ts_ns:  # none, or at the open: the rest of a stop
        return lowest, highest
    if a.out_stop != 0:  # before its stop the price may have been at its best
        best = bar.high if a.out_side > 0 else bar.low
        highest += a.out_side * (best * a.out_contracts - a.out_value) * r.tick_cents
    else:  # and at its worst before its target
        worst = bar.low if a.out_side > 0 else bar.high
        lowest += a.out_side * (worst * a.out_contracts - a.out_value) * r.tick_cents
    return lowest, highest


@kernel
def _firm(a, r, bar):
    """The firm's trailing maximum loss, by the bar's extremes: first the better one, then the worse."""
    lowest, highest = _extremes(a, r, bar)
    if r.firm == FIRM_OPEN_EQUITY:
        a.firm_peak_cents = max(a.firm_peak_cents, highest)
    if lowest <= firm_level(a, r):
        a.firm = 1


@kernel
def firm_level(a, r):
    """The equity at which the firm closes the account."""
    return min(a.firm_peak_cents - r.firm_loss_cents, r.firm_lock_cents)


@kernel
def _mark(a, r, bar, t):
    """Equity at this close, the peaks, and whether reversals left their range."""
    close_ns = bar.ts_ns + t.interval_ns
    a.equity_cents = a.cash_cents
    if a.side != 0:
        exit_cost = a.slippage * r.tick_cents + r.commission_cents
        a.equity_cents += _open_cents(a, r, bar.close) - exit_cost * a.contracts
        a.bars_held += 1
        a.best = max(a.best, bar.high) if a.side > 0 else min(a.best, bar.low)
        a.worst = min(a.worst, bar.low) if a.side > 0 else max(a.worst, bar.high)
    a.session_peak_cents = max(a.session_peak_cents, a.equity_cents)
    a.peak_cents = max(a.peak_cents, a.equity_cents)
    a.deepest_cents = max(a.deepest_cents, a.peak_cents - a.equity_cents)
    if r.firm != FIRM_NONE:
        _firm(a, r, bar)
    a.out_contracts, a.out_value = 0, 0
    a.traded_ns = close_ns if bar.carried == 0 else a.traded_ns
    if bar.known & QUOTES and bar.spread > r.max_spread:
        a.spread_until_ns, a.spread_seen = close_ns + r.spread_pause_ns, bar.spread
    if not a.reversal_low <= bar.close <= a.reversal_high:
        a.reversals = 0


# -------------------------------------------------------------------- limits


@kernel
def lost(a, r, cash):
    """What the kill switch counts."""
    return r.capital_cents + a.deposits_cents - a.forgiven_cents - cash


@kernel
def _limits(a, r):
    """Fire the limits that this close has reached; returns the gate that forbids trading, or 0."""
    if lost(a, r, a.cash_cents) >= r.kill_cents:
        a.kill = 1
    if a.peak_cents - a.equity_cents >= r.account_drawdown_cents:
        a.review = 1
    if a.day_halt == 0 and a.start_cents - a.equity_cents >= r.day_loss_cents:
        a.day_halt = G_DAY
    if a.day_halt == 0 and a.session_peak_cents - a.equity_cents >= r.day_drawdown_cents:
        a.day_halt = G_DRAWDOWN
    if a.kill != 0:
        return G_KILL
    if a.firm != 0:
        return G_FIRM
    if a.review != 0:
        return G_REVIEW
    return a.day_halt


@kernel
def _limit(a, r, d, gate):
    """The gate of a limit, with where the account stands and the bound, in dollars."""
    if gate == G_KILL:
        refuse(d, gate, lost(a, r, a.cash_cents) / 100, r.kill_cents / 100)
    elif gate == G_FIRM:
        refuse(d, gate, a.equity_cents / 100, firm_level(a, r) / 100)
    elif gate == G_REVIEW:
        refuse(d, gate, (a.peak_cents - a.equity_cents) / 100, r.account_drawdown_cents / 100)
    elif gate == G_DAY:
        refuse(d, gate, (a.start_cents - a.equity_cents) / 100, r.day_loss_cents / 100)
    else:
        refuse(d, gate, (a.session_peak_cents - a.equity_cents) / 100, r.day_drawdown_cents / 100)


@kernel
def _blocks(a, r, d, after, cash):
    """The limit of the account for good that this equity and this cash would reach, or 0.

    Near such a limit nothing is entered any more, so it never fires: `blocked` tells a person, who may clear it.
    """
    if a.peak_cents - after >= r.account_drawdown_cents:
        refuse(d, G_AHEAD_ACCOUNT, (a.peak_cents - after) / 100, r.account_drawdown_cents / 100)
        return G_AHEAD_ACCOUNT
    if lost(a, r, cash) >= r.kill_cents:
        refuse(d, G_AHEAD_KILL, lost(a, r, cash) / 100, r.kill_cents / 100)
        return G_AHEAD_KILL
    if r.firm != FIRM_NONE and after <= firm_level(a, r):
        refuse(d, G_AHEAD_FIRM, after / 100, firm_level(a, r) / 100)
        return G_AHEAD_FIRM
    return 0


@kernel
def _looks_ahead(a, r, d, n, equity, cash):
    """Refuse n contracts whose stop would reach a limit; else n."""
    worst = n * ((d.stop_ticks + a.slippage) * r.tick_cents + 2 * r.commission_cents)
    after = equity - worst
    if a.start_cents - after >= r.day_loss_cents:
        return refuse(d, G_AHEAD_DAY, (a.start_cents - after) / 100, r.day_loss_cents / 100)
    if a.session_peak_cents - after >= r.day_drawdown_cents:
        return refuse(d, G_AHEAD_DRAWDOWN, (a.session_peak_cents - after) / 100, r.day_drawdown_cents / 100)
    a.blocked = _blocks(a, r, d, after, cash - worst)
    if a.blocked != 0:
        return 0
    return n


# ------------------------------------------------------------------- entries


@kernel
def _losing(a, r):
    """1 if the open position would be a loss when closed now."""
    before = a.cash_cents - a.booked_cents + r.commission_cents * (2 * a.filled - a.contracts)
    return 1 if a.equity_cents < before else 0


@kernel
def _time_gate(a, r, bar, t, d, close_ns, reversing):
    """The gates of time and of what went before; 1 when an entry may be thought of."""
    if bar.carried != 0:
        return refuse(d, G_STALE, (close_ns - a.traded_ns) / 1e9, 0.0)
    if bar.ts_ns < t.trade_from_ns:
        return refuse(d, G_HOURS, (bar.ts_ns - t.trade_from_ns) / 6e10, 0.0)
    if close_ns > t.trade_to_ns:
        return refuse(d, G_HOURS, (close_ns - t.trade_to_ns) / 6e10, 0.0)
    if close_ns >= t.no_entry_ns:
        return refuse(d, G_END, (t.flat_ns - close_ns) / 6e10, (t.flat_ns - t.no_entry_ns) / 6e10)
    if close_ns < a.spread_until_ns:
        return refuse(d, G_SPREAD, a.spread_seen, r.max_spread)
    lost = _losing(a, r) if reversing else 0
    if close_ns < a.pause_until_ns or (lost != 0 and a.losses + 1 >= r.pause_losses):
        return refuse(d, G_PAUSE, a.losses + lost, r.pause_losses)
    if close_ns < a.cooldown_until_ns:
        passed = r.cooldown_ns - (a.cooldown_until_ns - close_ns)
        return refuse(d, G_COOLDOWN, passed / 1e9, r.cooldown_ns / 1e9)
    if a.trades >= r.max_trades:
        return refuse(d, G_TRADES, a.trades, r.max_trades)
    return 1


@kernel
def _entry(a, r, bar, x, q, t, d, side, confidence, equity, cash, reversing):
    """Put an entry through every gate; returns its size, 0 when refused (gate, value and bound are in d)."""
    close_ns = bar.ts_ns + t.interval_ns
    if _time_gate(a, r, bar, t, d, close_ns, reversing) == 0:
        return 0
    if min(a.start_cents, cash) < r.floor_cents:
        return refuse(d, G_FLOOR, min(a.start_cents, cash) / 100, r.floor_cents / 100)
    if confidence < r.confidence:
        return refuse(d, G_CONFIDENCE, confidence, r.confidence)
    round_trip = 2 * (a.slippage + r.commission_cents / r.tick_cents)
    if not side * q.move_ticks >= r.move_over_cost * round_trip:
        return refuse(d, G_MOVE, side * q.move_ticks, r.move_over_cost * round_trip)
    n = distances(a, r, bar, x, q, d, side)
    if n > 0:
        n = contracts(a, r, t, d, min(a.start_cents, cash), confidence, close_ns)
    if n > 0:
        n = _looks_ahead(a, r, d, n, equity, cash)
    if n == 0:
        _no_order(d)
    return n


@kernel
def _no_order(d):
    d.contracts, d.partial_contracts = 0, 0
    d.stop_ticks, d.target_ticks, d.partial_ticks = 0, 0, 0


@kernel
def _ask(a, r, d, action, side, n, reason, confidence):
    """The order of an entry or a reversal, with its stop, its target and what is taken on the way."""
    d.action, d.side, d.contracts, d.reason, d.gate = action, side, n, reason, G_PASSED
    d.value, d.bound = confidence, r.confidence
    part = int(n * r.partial + 1e-9)
    if 0 < part < n and d.stop_ticks < d.target_ticks:
        d.partial_contracts, d.partial_ticks = part, d.stop_ticks
    a.working_contracts = n
    a.working_confidence = confidence


@kernel
def _exit(a, d, action, reason):
    """The order that closes the position; the gate is in d already."""
    d.action, d.side, d.contracts, d.reason = action, a.side, a.contracts, reason
    d.stop_ticks, d.target_ticks = 0, 0


@kernel
def _against(a, r, bar, x, q, t, d, side, confidence):
    """An opposite prediction: exit, or exit and enter the other way with the loss booked."""
    if confidence <= r.reverse_confidence or a.working == ENTER:
        refuse(d, G_SIGNAL_EXIT, confidence, r.exit_confidence)
        _exit(a, d, EXIT, R_SIGNAL)
        return
    n = 0
    if a.reversals >= r.max_reversals:
        refuse(d, G_REVERSALS, a.reversals, r.max_reversals)
    else:
        n = _entry(a, r, bar, x, q, t, d, side, confidence, a.equity_cents, a.equity_cents, True)
    if n == 0:
        _exit(a, d, EXIT, R_SIGNAL)
        return
    if a.reversals == 0 and a.last_minute >= 0:
        a.reversal_high, a.reversal_low = a.last_high, a.last_low
    elif a.reversals == 0:
        a.reversal_high, a.reversal_low = a.minute_high, a.minute_low
    a.reversals += 1
    _ask(a, r, d, REVERSE, side, n, R_REVERSAL, confidence)


@kernel
def _manage(a, r, bar, x, q, t, d, side, confidence):
    """With a position open: time exit, opposite prediction, or hold and perhaps a tighter stop."""
    if a.bars_held >= r.hold_bars:
        refuse(d, G_TIME_EXIT, a.bars_held, r.hold_bars)
        _exit(a, d, EXIT, R_TIME)
    elif side == -a.side and confidence >= r.exit_confidence:
        _against(a, r, bar, x, q, t, d, side, confidence)
    else:
        refuse(d, G_POSITION, a.bars_held, r.hold_bars)
        tighten(a, r, bar, x, t, d)


# ---------------------------------------------------------------------- step


@kernel
def _direction(q):
    """Side and confidence of the predicted class: the most probable one, FLAT in a tie."""
    if q.up > q.flat and q.up > q.down:
        return 1, q.up
    if q.down > q.flat and q.down > q.up:
        return -1, q.down
    return 0, q.flat


@kernel
def _blank(a, d, close_ns):
    """A decision that asks for nothing."""
    d.ts_ns, d.equity_cents = close_ns, a.equity_cents
    d.value, d.bound, d.confidence, d.move_ticks = 0.0, 0.0, 0.0, 0.0
    d.stop, d.contracts, d.partial_contracts = 0, 0, 0
    d.stop_ticks, d.target_ticks, d.partial_ticks = 0, 0, 0
    d.n_base, d.n_confidence, d.n_tier, d.n_risk, d.n_time = 0, 0, 0, 0, 0
    d.slippage = a.slippage
    d.action, d.side, d.reason, d.gate = HOLD, 0, 0, G_PASSED


@inlined
def step(a, r, bar, x, q, t, norms, d):
    """Decide at the close of a bar.

    a: record of ACCOUNT, changed in place, its fills already booked; r: RULES; bar: BAR; x: AUX and q: PREDICTION of
    this bar; t: TIMETABLE; norms: (MINUTES,) of NORM; d: record of DECISION that is written. Order: mark to market,
    limits, end of day, position, entry.
    """
    close_ns = bar.ts_ns + t.interval_ns
    if minute(a, bar, t) != 0:
        _conditions(a, r, x, norms[a.last_minute])
    _mark(a, r, bar, t)
    halted = _limits(a, r)
    _blank(a, d, close_ns)
    usable = q.valid != 0 and np.isfinite(q.up + q.down + q.flat + q.move_ticks + q.volatility_ticks)
    side, confidence = _direction(q)
    side = side if usable else 0
    confidence = confidence if usable else 0.0
    d.side, d.confidence = side, confidence
    d.move_ticks = q.move_ticks if usable else 0.0
    entering = a.working == ENTER or a.working == REVERSE
    if a.working == EXIT or a.working == FLATTEN:
        refuse(d, G_WORKING, a.working, 0.0)
    elif halted != 0:
        _limit(a, r, d, halted)
        if a.side != 0 or entering:
            _exit(a, d, FLATTEN, R_LIMIT)
    elif close_ns >= t.exit_ns and (a.side != 0 or entering):
        refuse(d, G_END, (t.flat_ns - close_ns) / 6e10, (t.flat_ns - t.exit_ns) / 6e10)
        _exit(a, d, FLATTEN, R_END)
    elif a.working == REVERSE or (entering and a.side == 0):
        refuse(d, G_WORKING, a.working, 0.0)
    elif a.side != 0:
        _manage(a, r, bar, x, q, t, d, side, confidence)
    elif side == 0:
        refuse(d, G_FLAT if usable else G_PREDICTION, confidence, r.confidence)
    else:
        n = _entry(a, r, bar, x, q, t, d, side, confidence, a.equity_cents, a.cash_cents, False)
        if n > 0:
            _ask(a, r, d, ENTER, side, n, R_SIGNAL, confidence)
    if d.action != HOLD:
        a.working = d.action
