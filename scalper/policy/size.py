# pyright: basic
"""How many contracts an entry has (SPEC 5): tier and risk, confidence, risk of a trade, time of day, market."""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel
from scalper.policy.records import USUAL, Gate

G_CONFIDENCE, G_RISK = int(Gate.SIZE_CONFIDENCE), int(Gate.SIZE_RISK)
G_TIME, G_MARKET = int(Gate.SIZE_TIME), int(Gate.SIZE_MARKET)
DUST = 1e-9
"""Added before a floor: 0.29 x 100 is 28.999999999999996."""


@kernel
def refuse(d, gate, value, bound):
    """Name the gate that had the last word; returns 0."""
    d.gate, d.value, d.bound = gate, value, bound
    return 0


@kernel
def _time_times(r, t, close_ns):
    """The smallest of the multipliers that hold at this close."""
    times = r.half_times if close_ns >= t.half_ns else 1.0
    for i in range(t.part_from.size):
        if t.part_from[i] <= close_ns < t.part_to[i]:
            times = min(times, t.part_times[i])
    return times


@kernel
def contracts(a, r, t, d, cash, confidence, close_ns):
    """Size of an entry whose stop is in d, or 0 with the factor that made it 0; each factor's result is in d."""
    tier = 0
    while tier < r.n_tiers - 1 and cash > r.tier_to_cents[tier]:
        tier += 1
    most = r.tier_contracts[tier]
    stop_cents = d.stop_ticks * r.tick_cents
    base = min(most, max(1, int(cash * r.tier_risk[tier] / stop_cents + DUST)))
    times, at = 0.0, r.band_at[0]
    for i in range(r.n_bands):
        if confidence >= r.band_at[i]:
            times, at = r.band_times[i], r.band_at[i]
    d.n_base = base
    d.n_confidence = int(base * times + DUST)
    n = min(d.n_confidence, most)
    d.n_tier = n
    if n == 0:
        return refuse(d, G_CONFIDENCE, base * times, at)
    worst = stop_cents + a.slippage * r.tick_cents + 2 * r.commission_cents
    n = min(n, r.per_trade_cents // worst)
    d.n_risk = n
    if n == 0:
        return refuse(d, G_RISK, worst / 100, r.per_trade_cents / 100)
    times = _time_times(r, t, close_ns)
    d.n_time = int(n * times + DUST)
    if d.n_time == 0:
        return refuse(d, G_TIME, n * times, 1.0)
    if a.unusual == USUAL:
        return int(d.n_time)
    n = int(n * times * r.market_times + DUST)
    if n == 0:
        thin = not np.isnan(a.unusual) and a.unusual < r.thin_volume
        return refuse(d, G_MARKET, a.unusual, r.thin_volume if thin else r.high_volatility)
    return n
