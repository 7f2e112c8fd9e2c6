# pyright: basic
"""The step that turns one bar into one row of features; batch, stream, replay and live all call it.

A step is `update`, which takes the bar into the state, and `write`, which changes nothing: a row that nobody wants
need not be written. A group that a lane does not choose costs a branch in each.
"""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel
from scalper.features.core import CORE, CORE_PARAMS, push
from scalper.features.groups import (
    ORDER,
    amd,
    confluence,
    higher,
    momentum,
    quotes,
    regime,
    returns,
    sessions,
    structure,
    time,
    trades,
    trend,
    volatility,
    volume,
)
from scalper.features.groups import (
    bar as shape,
)

VERSION = 2
_NAN = float("nan")

STATE = np.dtype([*CORE, *(field for group in ORDER for field in group.FIELDS)])
"""Everything the step remembers; saved and restored at any bar."""

PARAMS = np.dtype([*CORE_PARAMS, *(field for group in ORDER for field in group.PARAMS)])
"""The groups of a lane and their windows, in bars; made by catalogue.params."""

AUX = np.dtype([("volatility_ticks", "f8"), ("swing_high", "i8"), ("swing_low", "i8")])
"""What a decision needs besides the row: the volatility that stops are made of (NaN: not warm), and the last confirmed
swings, in ticks; 0: none, or no structure."""


@kernel
def update(s, p, bar, t):
    """Take one bar into the state.

    s: record of STATE, changed in place; p: record of PARAMS; bar: record of BAR; t: record of TIMETABLE.
    """
    push(s, p, bar, t)
    if p.updates & trend.BIT:
        trend.update(s, p, bar, t)
    if p.updates & volatility.BIT:
        volatility.update(s, p, bar, t)
    if p.updates & momentum.BIT:
        momentum.update(s, p, bar, t)
    if p.updates & shape.BIT:
        shape.update(s, p, bar, t)
    if p.updates & volume.BIT:
        volume.update(s, p, bar, t)
    if p.updates & trades.BIT:
        trades.update(s, p, bar, t)
    if p.updates & quotes.BIT:
        quotes.update(s, p, bar, t)
    if p.updates & structure.BIT:
        structure.update(s, p, bar, t)
    if p.updates & regime.BIT:
        regime.update(s, p, bar, t)
    if p.updates & amd.BIT:
        amd.update(s, p, bar, t)


@kernel
def write(s, p, bar, t, out, aux):
    """Write the row and the AUX of the newest bar, which `update` has taken; the state stays as it is.

    out: row of floats, one place a feature of the catalogue; aux: record of AUX. Before the warm-up has passed, the
    row and the volatility are NaN.
    """
    aux.swing_high, aux.swing_low = 0, 0
    if s.n <= p.warm_up:
        out[: p.width] = _NAN
        aux.volatility_ticks = _NAN
        return
    aux.volatility_ticks = volatility.ticks(s, p)
    if p.updates & structure.BIT:
        aux.swing_high = structure.swing_high(s, p)
        aux.swing_low = structure.swing_low(s, p)
    c = 0
    if p.columns & returns.BIT:
        c = returns.write(s, p, bar, t, out, c)
    if p.columns & trend.BIT:
        c = trend.write(s, p, bar, t, out, c)
    if p.columns & time.BIT:
        c = time.write(s, p, bar, t, out, c)
    if p.columns & volatility.BIT:
        c = volatility.write(s, p, bar, t, out, c)
    if p.columns & momentum.BIT:
        c = momentum.write(s, p, bar, t, out, c)
    if p.columns & shape.BIT:
        c = shape.write(s, p, bar, t, out, c)
    if p.columns & volume.BIT:
        c = volume.write(s, p, bar, t, out, c)
    if p.columns & higher.BIT:
        c = higher.write(s, p, bar, t, out, c)
    if p.columns & trades.BIT:
        c = trades.write(s, p, bar, t, out, c)
    if p.columns & quotes.BIT:
        c = quotes.write(s, p, bar, t, out, c)
    if p.columns & structure.BIT:
        c = structure.write(s, p, bar, t, out, c)
    if p.columns & regime.BIT:
        c = regime.write(s, p, bar, t, out, c)
    if p.columns & sessions.BIT:
        c = sessions.write(s, p, bar, t, out, c)
    if p.columns & amd.BIT:
        c = amd.write(s, p, bar, t, out, c)
    if p.columns & confluence.BIT:
        confluence.write(s, p, bar, t, out, c)


@kernel
def scan(s, p, bars, t, out, aux):
    """Step over `bars` (n BAR) from the state s (1,): out (n, f) float32 or float64 and aux (n,) of AUX are filled."""
    for i in range(bars.size):
        update(s[0], p[0], bars[i], t[0])
        write(s[0], p[0], bars[i], t[0], out[i], aux[i])
