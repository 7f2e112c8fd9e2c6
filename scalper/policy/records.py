"""The records of the compiled core: prediction, rules, account, decision, fill and trade; and the names of their codes.

Prices are ticks, money is whole cents, times are UTC nanoseconds. A *value* is a sum of ticks x contracts over fills:
exact where an average price would not be.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

VERSION = 2
MINUTES = 1440
"""Places of a table of NORM: the minutes of a session, of which none has more than 1,380."""
BANDS, TIERS = 8, 8
"""Most confidence bands and tiers of a lane."""


class Action(IntEnum):
    """What a decision asks of the broker."""

    HOLD = 0
    ENTER = 1
    EXIT = 2
    REVERSE = 3
    FLATTEN = 4  # as EXIT, by a limit, the end of the day or a person: everything off


class Role(IntEnum):
    """What a fill did."""

    ENTRY = 1
    EXIT = 2
    LAPSE = 3  # the order, or what was left of it, is gone without a fill
    AMEND = 4  # the resting stop was moved


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
    SIZE_TIME = 18  # the time of day made the size 0
    LOOK_AHEAD_DAY = 19  # the stop of this entry would reach the limit
    LOOK_AHEAD_DRAWDOWN = 20
    LOOK_AHEAD_ACCOUNT = 21
    LOOK_AHEAD_KILL = 22
    REVERSALS = 23
    WORKING = 24  # an order is under way
    IN_POSITION = 25
    TIME_EXIT = 26
    SIGNAL_EXIT = 27
    FIRM = 28  # the firm's maximum loss was reached
    LOOK_AHEAD_FIRM = 29
    SPREAD = 30
    SIZE_MARKET = 31  # unusual volatility or volume made the size 0
    STOP_DISTANCE = 32  # no swing to put the stop behind, or too far away
    VOLATILITY = 33  # unknown, so no stop can be placed
    BREAKEVEN = 34  # the stop moves: to the entry,
    TRAILING = 35  # behind the best price,
    TOWARDS_CLOSE = 36  # or nearer as the day ends


PREDICTION = np.dtype(
    [("down", "f8"), ("flat", "f8"), ("up", "f8"), ("move_ticks", "f8"), ("volatility_ticks", "f8"), ("valid", "i8")]
)
"""Calibrated class probabilities, signed expected move and volatility in ticks; valid 0: there is none for this bar."""

NORM = np.dtype([("volatility_ticks", "f8"), ("volume", "f8")])
"""What is usual in a minute of the session: medians of the training sessions; NaN: unknown, so nothing is usual there.

A table (MINUTES,) is read at (end of the minute - session's open) / 1 min - 1.
"""

RULES = np.dtype(
    [
        ("tick_cents", "i8"),
        ("commission_cents", "i8"),  # a side, a contract
        ("slippage", "i8"),  # ticks of a market or stop order in a usual market,
        ("slippage_thin", "i8"),  # in a thin one or at unusual volatility,
        ("slippage_most", "i8"),  # at most
        ("high_volatility", "f8"),  # times the norm
        ("thin_volume", "f8"),  # share of the norm
        ("market_times", "f8"),  # size in an unusual market
        ("max_spread", "i8"),
        ("spread_pause_ns", "i8"),
        ("confidence", "f8"),
        ("exit_confidence", "f8"),
        ("reverse_confidence", "f8"),
        ("move_over_cost", "f8"),
        ("stop_kind", "i8"),  # STOP_ATR, STOP_FIXED or STOP_SWING
        ("foreseen", "i8"),  # 1: distances of an entry by ATR are those of the volatility foreseen
        ("stop_fixed", "i8"),
        ("stop_atr", "f8"),
        ("stop_min", "i8"),
        ("stop_max", "i8"),
        ("target_fixed", "i8"),  # ticks; 0: by ATR,
        ("target_atr", "f8"),  # 0: by reward to risk
        ("target_min", "i8"),
        ("target_max", "i8"),
        ("reward_to_risk", "f8"),
        ("breakeven_at", "f8"),  # in stops of the entry; 0: never
        ("breakeven_ticks", "i8"),  # beyond the entry
        ("trail_from", "f8"),  # in stops of the entry
        ("trail_atr", "f8"),  # 0: no trailing
        ("late_share", "f8"),  # of the entry's stop, from the half-size time on; 0: never
        ("partial", "f8"),  # share of the contracts taken at one stop's distance
        ("hold_bars", "i8"),
        ("cooldown_ns", "i8"),
        ("lapse_ns", "i8"),
        ("max_trades", "i8"),
        ("max_reversals", "i8"),
        ("half_times", "f8"),  # size from the half-size time on
        ("n_bands", "i8"),
        ("band_at", "f8", BANDS),
        ("band_times", "f8", BANDS),
        ("n_tiers", "i8"),
        ("tier_to_cents", "i8", TIERS),
        ("tier_contracts", "i8", TIERS),
        ("tier_risk", "f8", TIERS),
        ("per_trade_cents", "i8"),
        ("day_loss_cents", "i8"),
        ("day_drawdown_cents", "i8"),
        ("account_drawdown_cents", "i8"),
        ("kill_cents", "i8"),
        ("floor_cents", "i8"),
        ("capital_cents", "i8"),
        ("firm", "i8"),  # FIRM_NONE, FIRM_DAY_END or FIRM_OPEN_EQUITY
        ("firm_loss_cents", "i8"),
        ("firm_lock_cents", "i8"),  # the level of the firm's loss rises no further
        ("pause_losses", "i8"),
        ("pause_ns", "i8"),
        ("long_pause_losses", "i8"),
        ("long_pause_ns", "i8"),
    ]
)
"""A lane's policy and limits in the core's units; made by rules.rules()."""

USUAL = -1.0
"""No ratio: nothing in the market is unusual."""
STOP_ATR, STOP_FIXED, STOP_SWING = 0, 1, 2
FIRM_NONE, FIRM_DAY_END, FIRM_OPEN_EQUITY = 0, 1, 2

ACCOUNT = np.dtype(
    [
        ("version", "i8"),
        ("cash_cents", "i8"),
        ("deposits_cents", "i8"),  # deposits less withdrawals since the start
        ("forgiven_cents", "i8"),  # lost when a person last reset the kill switch
        ("peak_cents", "i8"),  # equity at bar closes
        ("deepest_cents", "i8"),  # the largest fall of equity below its peak so far
        ("firm_peak_cents", "i8"),  # what the firm's maximum loss trails
        ("kill", "i8"),
        ("review", "i8"),
        ("firm", "i8"),  # 1: the firm's maximum loss was reached
        ("blocked", "i8"),  # Gate of a limit that outlives sessions, when looking ahead it refused the last entry
        ("start_cents", "i8"),  # cash at the session's start; from here the session's own state
        ("session_peak_cents", "i8"),
        ("equity_cents", "i8"),
        ("day_halt", "i8"),  # the Gate that ended the session's trading, 0 if none
        ("losses", "i8"),
        ("pause_until_ns", "i8"),
        ("cooldown_until_ns", "i8"),
        ("spread_until_ns", "i8"),
        ("spread_seen", "i8"),  # the wide one
        ("trades", "i8"),
        ("traded_ns", "i8"),  # end of the last traded bar
        ("minute_end_ns", "i8"),  # of the minute under way, 0: none
        ("minute_high", "i8"),
        ("minute_low", "i8"),
        ("minute_volume", "i8"),
        ("last_minute", "i8"),  # the last completed minute, counted from the session's open; -1: none
        ("last_high", "i8"),
        ("last_low", "i8"),
        ("last_volume", "i8"),
        ("slippage", "i8"),  # ticks expected of a market or stop order now
        ("unusual", "f8"),  # USUAL, or the ratio to the norm that is not (NaN: no norm)
        ("reversals", "i8"),
        ("reversal_high", "i8"),
        ("reversal_low", "i8"),
        ("working", "i8"),  # Action under way
        ("working_contracts", "i8"),  # of an entry, not filled yet
        ("working_confidence", "f8"),
        ("side", "i8"),  # +1 long, -1 short, 0 flat
        ("contracts", "i8"),
        ("filled", "i8"),  # contracts that were entered in all; the open ones and those closed already
        ("entry", "i8"),  # price of the first fill: stop and target are measured from it
        ("entry_ns", "i8"),
        ("entry_value", "i8"),
        ("exit_value", "i8"),
        ("exits", "i8"),
        ("slipped", "i8"),  # ticks x contracts
        ("booked_cents", "i8"),  # of this position's profit, in the cash already
        ("first_stop", "i8"),
        ("stop", "i8"),
        ("out_side", "i8"),  # of contracts that a stop (out_stop 1) or a target closed since the last bar's close
        ("out_stop", "i8"),
        ("out_ns", "i8"),
        ("out_contracts", "i8"),
        ("out_value", "i8"),
        ("stop_asked", "i8"),  # the level that the broker was asked to move the stop to, 0: none under way
        ("target", "i8"),
        ("best", "i8"),
        ("worst", "i8"),
        ("bars_held", "i8"),
        ("confidence", "f8"),
    ]
)
"""The account as the policy knows it: limits, counters and the open position."""

DECISION = np.dtype(
    [
        ("ts_ns", "i8"),  # close of the bar
        ("equity_cents", "i8"),
        ("value", "f8"),
        ("bound", "f8"),
        ("confidence", "f8"),
        ("move_ticks", "f8"),
        ("stop", "i4"),  # new level of the open position's stop, 0: as it is
        ("contracts", "i4"),
        ("partial_contracts", "i4"),  # of these, taken at partial_ticks
        ("stop_ticks", "i4"),
        ("target_ticks", "i4"),
        ("partial_ticks", "i4"),
        ("n_base", "i2"),  # contracts by tier and risk,
        ("n_confidence", "i2"),  # times the confidence multiplier,
        ("n_tier", "i2"),  # cut to the tier,
        ("n_risk", "i2"),  # cut to the risk of a trade,
        ("n_time", "i2"),  # times the time multiplier; then times the market's: `contracts`
        ("slippage", "i2"),  # ticks expected now
        ("action", "i1"),
        ("side", "i1"),
        ("reason", "i1"),
        ("gate", "i1"),
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
    ]
)
"""What the broker did."""

TRADE = np.dtype(
    [
        ("entry_ns", "i8"),
        ("exit_ns", "i8"),
        ("side", "i8"),
        ("contracts", "i8"),
        ("entry_value", "i8"),
        ("exit_value", "i8"),
        ("first_stop", "i8"),
        ("stop", "i8"),  # as it rested at the exit
        ("target", "i8"),
        ("reason", "i8"),  # of the last exit
        ("bars", "i8"),
        ("exits", "i8"),  # fills that closed it
        ("gross_cents", "i8"),  # unslipped
        ("slippage_cents", "i8"),
        ("commission_cents", "i8"),
        ("net_cents", "i8"),
        ("confidence", "f8"),
        ("best", "i8"),  # of the fills and of the bars before the exit's
        ("worst", "i8"),
    ]
)
"""A closed position. net = gross - slippage - commission; its prices are value / contracts."""
