"""A lane's policy and limits in the units of the compiled core."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from scalper.errors import BadInput
from scalper.market import costs_of
from scalper.policy.records import ACCOUNT, RULES, VERSION
from scalper.settings import Lane

SECOND_NS = 1_000_000_000
NO_END = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Choice:
    """What the search chooses: entry threshold, stop in ATR multiples, target in multiples of the stop."""

    confidence: float
    stop_atr: float
    reward_to_risk: float


def cents(amount: Decimal | float) -> int:
    """Dollars to whole cents. Raises BadInput for a fraction of a cent, which no broker books."""
    exact = Decimal(str(amount)) * 100
    if exact != exact.to_integral_value():
        raise BadInput(f"{amount} is not a whole number of cents")
    return int(exact)


def default_choice(lane: Lane) -> Choice:
    """The lane's own numbers, before any search."""
    return Choice(lane.policy.confidence, lane.policy.stop.atr_multiple, lane.policy.reward_to_risk)


def rules(lane: Lane, choice: Choice | None = None) -> np.ndarray:
    """One-element array of RULES for the lane; `choice` overrides what the search may set.

    Raises BadInput when the traded product has no cost table.
    """
    policy, risk, simulation = lane.policy, lane.risk, lane.simulation
    choice = choice or default_choice(lane)
    costs = costs_of(lane.execution.symbol)
    capital = cents(risk.capital)
    row = np.zeros(1, RULES)
    row["tick_cents"] = cents(lane.execution.tick_value)
    row["commission_cents"] = round(cents(costs.per_side) * simulation.cost_multiple)
    row["slippage_ticks"] = simulation.slippage_ticks
    row["confidence"], row["stop_atr"] = choice.confidence, choice.stop_atr
    row["reward_to_risk"] = choice.reward_to_risk
    row["exit_confidence"], row["reverse_confidence"] = policy.confidence, policy.reverse_confidence
    row["move_over_cost"] = policy.move_over_cost
    row["stop_fixed"] = policy.stop.fixed_ticks if policy.stop.kind == "fixed" else 0
    row["stop_min"], row["stop_max"] = policy.stop.min_ticks, policy.stop.max_ticks
    row["hold_bars"] = lane.hold_bars
    row["cooldown_ns"] = policy.cooldown_s * SECOND_NS
    row["lapse_ns"] = max(5 * SECOND_NS, lane.interval_ns)
    row["max_trades"], row["max_reversals"] = policy.max_trades, policy.max_reversals
    row["n_bands"], row["n_tiers"] = len(policy.bands), len(policy.tiers)
    for index, band in enumerate(policy.bands):
        row["band_at"][0, index], row["band_times"][0, index] = band.at, band.times
    for index, tier in enumerate(policy.tiers):
        row["tier_to_cents"][0, index] = NO_END if tier.to is None else cents(tier.to)
        row["tier_contracts"][0, index], row["tier_risk"][0, index] = tier.contracts, tier.risk
    row["capital_cents"] = capital
    for key in ("per_trade", "day_loss", "day_drawdown", "account_drawdown", "kill", "floor"):
        row[f"{key}_cents"] = round(getattr(risk, key) * capital)
    row["pause_losses"], row["pause_ns"] = risk.pause_losses, risk.pause_min * 60 * SECOND_NS
    row["long_pause_losses"], row["long_pause_ns"] = risk.long_pause_losses, risk.long_pause_min * 60 * SECOND_NS
    return row


def open_account(lane: Lane) -> np.ndarray:
    """One-element array of ACCOUNT with the starting capital."""
    account = np.zeros(1, ACCOUNT)
    account["version"] = VERSION
    for key in ("cash", "peak", "start", "session_peak", "equity"):
        account[f"{key}_cents"] = cents(lane.risk.capital)
    return account
