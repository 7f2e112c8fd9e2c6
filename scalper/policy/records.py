"""The records of the compiled core: prediction, rules, account, decision, fill and trade; and the names of their codes.

Prices are ticks, money is whole cents, times are UTC nanoseconds.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

VERSION = 1


class Action(IntEnum):
    """What a decision asks of the broker."""

    HOLD = 0
    ENTER = 1
    EXIT = 2
    REVERSE = 3


class Role(IntEnum):
    """What a fill did."""

    ENTRY = 1
    EXIT = 2
    LAPSE = 3  # the order is gone without a fill


class Reason(IntEnum):
    """Why a position was closed, or an order sent."""

    NONE = 0
    SIGNAL = 1
    TIME = 2
    STOP = 3
    TARGET = 4
    REVERSAL = 5
    END_OF_DAY = 6
    LIMIT = 7
    SESSION_END = 8  # still open at the last bar: the end-of-day rule failed


class Gate(IntEnum):
    """The rule that had the last word on a bar."""

    PASSED = 0
    PREDICTION = 1  # none, or not a number
    STALE = 2  # a carried bar: no trade in it
    HOURS = 3
    END_OF_DAY = 4
    KILL = 5
    REVIEW = 6
    DAY_LOSS = 7
    DAY_DRAWDOWN = 8
    FLOOR = 9
    PAUSE = 10
    COOLDOWN = 11
    MAX_TRADES = 12
    FLAT = 13  # the predicted class
    CONFIDENCE = 14
    EXPECTED_MOVE = 15
    SIZE_CONFIDENCE = 16  # the confidence multiplier made the size 0
    SIZE_RISK = 17  # the risk of a trade allows no contract
    SIZE_TIME = 18  # half size of a single contract
    LOOK_AHEAD_DAY = 19  # the stop of this entry would reach the limit
    LOOK_AHEAD_DRAWDOWN = 20
    LOOK_AHEAD_ACCOUNT = 21
    LOOK_AHEAD_KILL = 22
    REVERSALS = 23
    WORKING = 24  # an order is under way
    IN_POSITION = 25
    TIME_EXIT = 26
    SIGNAL_EXIT = 27


PREDICTION = np.dtype(
    [("down", "f8"), ("flat", "f8"), ("up", "f8"), ("move_ticks", "f8"), ("volatility_ticks", "f8"), ("valid", "i8")]
)
"""Calibrated class probabilities, signed expected move and volatility in ticks; valid 0: there is none for this bar."""

RULES = np.dtype(
    [
        ("tick_cents", "i8"),
        ("commission_cents", "i8"),  # a side, a contract
        ("slippage_ticks", "i8"),
        ("confidence", "f8"),
        ("exit_confidence", "f8"),
        ("reverse_confidence", "f8"),
        ("move_over_cost", "f8"),
        ("stop_fixed", "i8"),  # 0: by volatility
        ("stop_atr", "f8"),
        ("stop_min", "i8"),
        ("stop_max", "i8"),
        ("reward_to_risk", "f8"),
        ("hold_bars", "i8"),
        ("cooldown_ns", "i8"),
        ("lapse_ns", "i8"),
        ("max_trades", "i8"),
        ("max_reversals", "i8"),
        ("n_bands", "i8"),
        ("band_at", "f8", 8),
        ("band_times", "f8", 8),
        ("n_tiers", "i8"),
        ("tier_to_cents", "i8", 8),
        ("tier_contracts", "i8", 8),
        ("tier_risk", "f8", 8),
        ("per_trade_cents", "i8"),
        ("day_loss_cents", "i8"),
        ("day_drawdown_cents", "i8"),
        ("account_drawdown_cents", "i8"),
        ("kill_cents", "i8"),
        ("floor_cents", "i8"),
        ("capital_cents", "i8"),
        ("pause_losses", "i8"),
        ("pause_ns", "i8"),
        ("long_pause_losses", "i8"),
        ("long_pause_ns", "i8"),
    ]
)
"""A lane's policy and limits in the core's units; made by rules.rules()."""

ACCOUNT = np.dtype(
    [
        ("version", "i8"),
        ("cash_cents", "i8"),
        ("deposits_cents", "i8"),  # deposits less withdrawals since the start
        ("peak_cents", "i8"),  # equity at bar closes
        ("kill", "i8"),
        ("review", "i8"),
        ("start_cents", "i8"),  # cash at the session's start; from here the session's own state
        ("session_peak_cents", "i8"),
        ("equity_cents", "i8"),
        ("day_halt", "i8"),  # the Gate that ended the session's trading, 0 if none
        ("losses", "i8"),
        ("pause_until_ns", "i8"),
        ("cooldown_until_ns", "i8"),
        ("trades", "i8"),
        ("traded_ns", "i8"),  # end of the last traded bar
        ("minute", "i8"),
        ("minute_high", "i8"),
        ("minute_low", "i8"),
        ("last_high", "i8"),  # range of the last completed minute
        ("last_low", "i8"),
        ("reversals", "i8"),
        ("reversal_high", "i8"),
        ("reversal_low", "i8"),
        ("working", "i8"),  # Action under way
        ("working_confidence", "f8"),
        ("side", "i8"),  # +1 long, -1 short, 0 flat
        ("contracts", "i8"),
        ("entry", "i8"),
        ("entry_ns", "i8"),
        ("entry_slippage", "i8"),
        ("stop", "i8"),
        ("target", "i8"),
        ("bars_held", "i8"),
        ("confidence", "f8"),
    ]
)
"""The account as the policy knows it: limits, counters and the open position."""

DECISION = np.dtype(
    [
        ("ts_ns", "i8"),  # close of the bar
        ("action", "i8"),
        ("side", "i8"),
        ("contracts", "i8"),
        ("stop_ticks", "i8"),
        ("target_ticks", "i8"),
        ("reason", "i8"),
        ("gate", "i8"),
        ("value", "f8"),
        ("bound", "f8"),
        ("confidence", "f8"),
        ("move_ticks", "f8"),
        ("equity_cents", "i8"),
    ]
)
"""What the policy wants at the close of a bar, and the gate with value and bound that had the last word."""

FILL = np.dtype(
    [
        ("ts_ns", "i8"),
        ("role", "i8"),
        ("reason", "i8"),
        ("side", "i8"),  # of the position: +1 long
        ("contracts", "i8"),
        ("price", "i8"),
        ("slippage", "i8"),  # ticks a contract, inside the price
        ("stop", "i8"),
        ("target", "i8"),
        ("best", "i8"),  # of the position so far
        ("worst", "i8"),
    ]
)
"""What the broker did."""

TRADE = np.dtype(
    [
        ("entry_ns", "i8"),
        ("exit_ns", "i8"),
        ("side", "i8"),
        ("contracts", "i8"),
        ("entry", "i8"),
        ("exit", "i8"),
        ("stop", "i8"),
        ("target", "i8"),
        ("reason", "i8"),
        ("bars", "i8"),
        ("gross_cents", "i8"),  # unslipped
        ("slippage_cents", "i8"),
        ("commission_cents", "i8"),
        ("net_cents", "i8"),
        ("confidence", "f8"),
        ("best", "i8"),
        ("worst", "i8"),
    ]
)
"""A closed trade. net = gross - slippage - commission."""
