# pyright: basic
"""Where an entry's stop and target lie, and when the stop moves: it only tightens, and acts from the next bar."""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel
from scalper.labels.distance import away, rewarded
from scalper.policy.records import STOP_FIXED, STOP_SWING, Gate
from scalper.policy.size import DUST, refuse

G_STOP, G_VOLATILITY = int(Gate.STOP_DISTANCE), int(Gate.VOLATILITY)
G_BREAKEVEN, G_TRAILING, G_LATE = int(Gate.BREAKEVEN), int(Gate.TRAILING), int(Gate.TOWARDS_CLOSE)


@kernel
def _behind_swing(a, r, bar, x, d, side):
    """A tick beyond the last confirmed swing, if the fill is a slippage from this close; refused without a swing on
    the right side, or when it is too far."""
    swing = x.swing_low if side > 0 else x.swing_high
    gap = side * (bar.close - swing)
    if swing == 0 or gap <= 0:
        return refuse(d, G_STOP, np.nan, r.stop_max)
    distance = gap + 1 + a.slippage
    if distance > r.stop_max:
        return refuse(d, G_STOP, distance, r.stop_max)
    return max(distance, r.stop_min)


@kernel
def distances(a, r, bar, x, q, d, side):
    """Write stop and target of an entry into d, in ticks from its fill; 0 if there is no place for a stop."""
    volatility = q.volatility_ticks if r.foreseen else x.volatility_ticks
    if r.stop_kind == STOP_SWING:
        stop = _behind_swing(a, r, bar, x, d, side)
        if stop == 0:
            return 0
    elif r.stop_kind == STOP_FIXED:
        stop = r.stop_fixed
    elif np.isnan(volatility):
        return refuse(d, G_VOLATILITY, volatility, 0.0)
    else:
        stop = away(r.stop_atr, volatility, r.stop_min, r.stop_max)
    if r.target_fixed > 0:
        target = r.target_fixed
    elif r.target_atr == 0.0:
        target = rewarded(stop, r.reward_to_risk)
    elif np.isnan(volatility):
        return refuse(d, G_VOLATILITY, volatility, 0.0)
    else:
        target = away(r.target_atr, volatility, r.target_min, r.target_max)
    d.stop_ticks, d.target_ticks = stop, target
    return 1


@kernel
def tighten(a, r, bar, x, t, d):
    """Ask for a tighter stop if a rule wants one; never at or beyond the close, and one at a time."""
    if a.stop_asked != 0:
        return
    risk = a.side * (a.entry - a.first_stop)
    gained = a.side * (a.best - a.entry)
    level, gate = a.side * a.stop, 0
    if r.breakeven_at > 0.0 and gained >= r.breakeven_at * risk:
        wanted = a.side * a.entry + r.breakeven_ticks
        if wanted > level:
            level, gate = wanted, G_BREAKEVEN
    if r.trail_atr > 0.0 and gained >= r.trail_from * risk and not np.isnan(x.volatility_ticks):
        wanted = a.side * a.best - away(r.trail_atr, x.volatility_ticks, r.stop_min, r.stop_max)
        if wanted > level:
            level, gate = wanted, G_TRAILING
    if r.late_share > 0.0 and bar.ts_ns + t.interval_ns >= t.half_ns:
        wanted = a.side * bar.close - max(1, int(r.late_share * risk + DUST))
        if wanted > level:
            level, gate = wanted, G_LATE
    level = min(level, a.side * bar.close - 1)
    if level > a.side * a.stop:
        d.stop = a.side * level
        a.stop_asked = a.side * level
        refuse(d, gate, d.stop, a.stop)
