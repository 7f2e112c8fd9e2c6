"""The groups of features, a module each, all of one shape.

A module holds NAME; BIT, by which a lane's parameters say that it is written or updated; NEEDS, the groups whose state
it reads; FIELDS and PARAMS, its part of the state and of the parameters; `catalogue`, its columns; `fill`, which sets
its parameters; `update`, which takes a bar into the state; `write`, which writes the columns and changes nothing.
Adding a column: a line in `catalogue` and one in `write` of its group. Adding a group: a module, its place in ORDER,
and a line in `update` and in `write` of kernel.py.
"""

from __future__ import annotations

from scalper.features.groups import (
    amd,
    bar,
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

ORDER = (
    returns, trend, time, volatility, momentum, bar, volume, higher,
    trades, quotes, structure, regime, sessions, amd, confluence,
)  # fmt: skip
"""In the order of their columns, and of their updates: a group stands after those that it reads."""

__all__ = ["ORDER"]
