"""The compiled price path of one session: whole ticks, second by second, a martingale plus the planted drift.

The price moves by steps of -1, 0 or +1 tick whose expectation is exactly the planted drift: 0 at edge 0. A minute that
"moves" is no exception: its price wanders fast and evenly until it is `move` ticks away, on either side, then calms
down, so at no second of it does the past tell the direction of the next step. Which seconds trade, and how much, is
drawn without looking at the direction.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scalper.compiled import kernel
from scalper.sandbox.plan import Floats, Ints

STEP_PROBABILITY = 0.6
"""A step moves the price with at most this probability; a larger variance takes more steps."""
FAR = 1 << 40


@kernel
def _trade(
    rng: np.random.Generator, price: int, variance: float, drift: float, least_steps: int, low: int, high: int
) -> tuple[int, int, int, int]:
    """Open, high, low and close of one traded second; the walk ends where it reaches `low` or `high`."""
    steps = max(least_steps, math.ceil(variance / STEP_PROBABILITY))
    mean = drift / steps
    moves = min(max(variance / steps, abs(mean)), 1.0)
    first, top, bottom = price, price, price
    for i in range(steps):
        u = rng.random()
        if u < 0.5 * (moves + mean):
            price += 1
        elif u < moves:
            price -= 1
        if i == 0:
            first, top, bottom = price, price, price
        top, bottom = max(top, price), min(bottom, price)
        if price <= low or price >= high:
            break
    return first, top, bottom, price


@kernel
def walk(
    rng: np.random.Generator,
    price: int,
    floor: int,
    plan: tuple[Floats, Floats, Floats, Ints, Ints, NDArray[np.bool_]],
    footprint: tuple[float, int, float],
    drift_after: Floats,
    rows: NDArray[np.int32],
) -> tuple[int, int]:
    """Fill `rows` (second of the session, open, high, low, close, volume) with the traded seconds.

    `price`: last price before the session, ticks; `plan`: variance, traded, volume, steps, move, aftermath a minute;
    `footprint`: speed, settle_s, calm; `drift_after`: ticks a second that follow an impulse.
    Returns the number of rows and the last price.
    """
    variance, traded, volume, least_steps, move, aftermath = plan
    speed, settle_s, calm = footprint
    drift = np.zeros(60 * (variance.size + 1) + drift_after.size)
    n = 0
    for minute in range(variance.size):
        chance, target, start = traded[minute], move[minute], price
        if chance <= 0.0:
            continue
        undecided = target > 0
        for s in range(60):
            if rng.random() >= chance and not (undecided and s == 59):
                continue
            if price <= floor:
                o = h = low = price
            elif undecided and s >= settle_s:  # decide as a fair walk would have ended
                price = start + (target if 2 * target * rng.random() < target + price - start else -target)
                o = h = low = price
            else:
                var = variance[minute] / chance
                if target > 0:
                    var = max(var, speed * target * target) if undecided else calm * var
                reach = target if undecided else FAR
                mean = drift[60 * minute + s] / chance
                o, h, low, price = _trade(rng, price, var, mean, least_steps[minute], start - reach, start + reach)
            undecided = undecided and abs(price - start) < target
            rows[n, 0], rows[n, 1], rows[n, 2], rows[n, 3], rows[n, 4] = 60 * minute + s, o, h, low, price
            rows[n, 5] = 1 + int(-volume[minute] * math.log(1.0 - rng.random()))
            n += 1
        if aftermath[minute] and price != start:
            begin = 60 * (minute + 1)
            for j in range(drift_after.size):
                drift[begin + j] += drift_after[j] if price > start else -drift_after[j]
    return n, price
