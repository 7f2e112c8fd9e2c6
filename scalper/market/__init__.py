"""The ground floor: what is traded, when, and in which contract.

Here live instruments and their costs, exchange sessions, contracts and their rolls, and the bar with its arithmetic.
Not here: files (lake/), what is computed from bars (features/, labels/), and any wish to trade (policy/).
Everything is pure: calendars come from pandas-market-calendars, nothing reads the clock or the disk.
"""

from __future__ import annotations

from scalper.market.bars import (
    BAR,
    DAY,
    FLOW,
    IMBALANCE,
    INTERVALS,
    QUOTES,
    SIDES,
    TRADES,
    Bars,
    aggregate,
    aggregate_frame,
    carry,
    from_ticks,
    in_steps,
    to_ticks,
)
from scalper.market.contracts import RollRule, expiry, front_contract, parse_contract, roll_date, root_of
from scalper.market.instruments import INSTRUMENTS, Costs, Instrument, costs_of, instrument
from scalper.market.sessions import NEW_YORK, Session, locate, session, sessions

__all__ = [
    "BAR",
    "DAY",
    "FLOW",
    "IMBALANCE",
    "INSTRUMENTS",
    "INTERVALS",
    "NEW_YORK",
    "QUOTES",
    "SIDES",
    "TRADES",
    "Bars",
    "Costs",
    "Instrument",
    "RollRule",
    "Session",
    "aggregate",
    "aggregate_frame",
    "carry",
    "costs_of",
    "expiry",
    "from_ticks",
    "front_contract",
    "in_steps",
    "instrument",
    "locate",
    "parse_contract",
    "roll_date",
    "root_of",
    "session",
    "sessions",
    "to_ticks",
]
