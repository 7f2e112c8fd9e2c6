"""A lane's policy and limits in the units of the compiled core."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal

import numpy as np

from scalper.errors import BadInput
from scalper.market import costs_of
from scalper.policy.records import (
    ACCOUNT,
    FIRM_DAY_END,
    FIRM_NONE,
    FIRM_OPEN_EQUITY,
    MINUTES,
    NORM,
    RULES,
    STOP_ATR,
    STOP_FIXED,
    STOP_SWING,
    VERSION,
)
from scalper.settings import Lane

SECOND_NS = 1_000_000_000
NO_END = np.iinfo(np.int64).max
STOPS = {"atr": STOP_ATR, "fixed": STOP_FIXED, "swing": STOP_SWING}
FIRMS = {"own": FIRM_NONE, "topstep": FIRM_DAY_END, "apex": FIRM_OPEN_EQUITY}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the search chooses: entry threshold, stop in ATR multiples, target in multiples of the stop.

    stop_ticks, target_ticks (fixed ones) and risk (most of the capital that a trade may lose, a share) are None where
    they stay the lane's own.
    """

    confidence: float
    stop_atr: float
    reward_to_risk: float
    stop_ticks: int | None = None
    target_ticks: int | None = None
    risk: float | None = None

    def numbers(self) -> dict[str, float]:
        """By name, without those that are the lane's own: what records and bundles keep."""
        return {name: value for name, value in asdict(self).items() if value is not None}


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
    choice = choice or default_choice(lane)
    row = np.zeros(1, RULES)
    _costs(row, lane)
    _signals(row, lane, choice)
    _exits(row, lane, choice)
    _sizes(row, lane)
    _limits(row, lane, choice)
    return row


def _costs(row: np.ndarray, lane: Lane) -> None:
    simulation, market = lane.simulation, lane.policy.market
    row["tick_cents"] = cents(lane.execution.tick_value)
    row["commission_cents"] = round(cents(costs_of(lane.execution.symbol).per_side) * simulation.cost_multiple)
    row["slippage"], row["slippage_thin"] = simulation.slippage_ticks, simulation.slippage_thin
    row["slippage_most"] = simulation.slippage_most
    row["high_volatility"], row["thin_volume"] = market.high_volatility, market.thin_volume
    row["market_times"], row["max_spread"] = market.times, market.max_spread
    row["spread_pause_ns"] = market.spread_pause_s * SECOND_NS


def _signals(row: np.ndarray, lane: Lane, choice: Choice) -> None:
    policy = lane.policy
    row["confidence"], row["exit_confidence"] = choice.confidence, policy.confidence
    row["reverse_confidence"] = policy.reverse_confidence
    row["move_over_cost"] = policy.move_over_cost
    row["hold_bars"] = lane.hold_bars
    row["cooldown_ns"] = policy.cooldown_s * SECOND_NS
    row["lapse_ns"] = max(5 * SECOND_NS, lane.interval_ns) + lane.simulation.latency_bars * lane.interval_ns
    row["max_trades"], row["max_reversals"] = policy.max_trades, policy.max_reversals


def _exits(row: np.ndarray, lane: Lane, choice: Choice) -> None:
    """Stop and target: by the label's barriers, or by policy.stop and reward to risk."""
    stop = lane.policy.stop
    row["stop_min"], row["stop_max"] = stop.min_ticks, stop.max_ticks
    row["breakeven_at"], row["breakeven_ticks"] = stop.breakeven_at or 0, stop.breakeven_ticks
    row["trail_from"], row["trail_atr"] = stop.trail_from, stop.trail_atr or 0
    row["late_share"], row["partial"] = stop.late_share or 0, lane.policy.partial
    if lane.exits_by_label:
        _barriers(row, lane)
        return
    row["stop_kind"] = STOPS[stop.kind or "atr"]
    row["foreseen"] = lane.model.moves == "regressors"
    row["stop_fixed"], row["stop_atr"] = choice.stop_ticks or stop.fixed_ticks, choice.stop_atr
    row["target_fixed"] = choice.target_ticks or lane.policy.target_ticks or 0
    row["reward_to_risk"] = choice.reward_to_risk


def _barriers(row: np.ndarray, lane: Lane) -> None:
    stop, target = lane.labels.stop, lane.labels.target
    row["stop_kind"] = STOP_FIXED if stop.atr is None else STOP_ATR
    row["stop_fixed"], row["stop_atr"] = stop.ticks or 0, stop.atr or 0
    if stop.atr is not None:
        row["stop_min"], row["stop_max"] = stop.min, stop.max
    row["target_fixed"], row["target_atr"] = target.ticks or 0, target.atr or 0
    row["target_min"], row["target_max"] = target.min, target.max
    row["reward_to_risk"] = target.reward_to_risk or 0


def _sizes(row: np.ndarray, lane: Lane) -> None:
    policy, firm = lane.policy, lane.risk.firm
    row["half_times"] = policy.end_of_day.half_times
    row["n_bands"], row["n_tiers"] = len(policy.bands), len(policy.tiers)
    for index, band in enumerate(policy.bands):
        row["band_at"][0, index], row["band_times"][0, index] = band.at, band.times
    allowed = NO_END if firm.contracts is None else _part(lane.risk.share, firm.contracts)
    for index, tier in enumerate(policy.tiers):
        row["tier_to_cents"][0, index] = NO_END if tier.to is None else cents(tier.to)
        row["tier_contracts"][0, index] = min(tier.contracts, allowed)
        row["tier_risk"][0, index] = tier.risk


def _limits(row: np.ndarray, lane: Lane, choice: Choice) -> None:
    risk = lane.risk
    capital = cents(lane.capital)
    row["capital_cents"] = capital
    row["per_trade_cents"] = _part(choice.risk or risk.per_trade, capital)
    for key in ("day_loss", "day_drawdown", "account_drawdown", "kill"):
        row[f"{key}_cents"] = _part(getattr(risk, key), capital)
    row["floor_cents"] = capital - _part(1 - Decimal(str(risk.floor)), capital)
    row["pause_losses"], row["pause_ns"] = risk.pause_losses, risk.pause_min * 60 * SECOND_NS
    row["long_pause_losses"], row["long_pause_ns"] = risk.long_pause_losses, risk.long_pause_min * 60 * SECOND_NS
    row["firm"] = FIRMS[risk.firm.profile]
    row["firm_loss_cents"] = _part(risk.share, round((risk.firm.maximum_loss or 0) * 100))
    # a part of an account trails on: one that stopped could lose what another part had not gained yet
    row["firm_lock_cents"] = NO_END if risk.share < 1 else capital
    if risk.firm.profile == "apex" and risk.share == 1:
        row["firm_lock_cents"] += round(risk.firm.lock * 100)


def _part(share: Decimal | float, amount_cents: int) -> int:
    """A share of an amount, down to whole cents: the parts of an account never add up to more than the account."""
    return int(Decimal(str(share)) * amount_cents)


def open_account(lane: Lane) -> np.ndarray:
    """One-element array of ACCOUNT with the starting capital: the lane's share of the account's."""
    account = np.zeros(1, ACCOUNT)
    account["version"] = VERSION
    for key in ("cash", "peak", "firm_peak", "start", "session_peak", "equity"):
        account[f"{key}_cents"] = cents(lane.capital)
    return account


def unknown_norms() -> np.ndarray:
    """A table (MINUTES,) of NORM that knows nothing: every minute is unusual."""
    table = np.empty(MINUTES, NORM)
    table["volatility_ticks"] = table["volume"] = np.nan
    return table
