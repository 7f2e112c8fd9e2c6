"""What a report shows: the frames and figures of a simulation, and the verdict on it if there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from scalper.market import costs_of
from scalper.settings import Lane
from scalper.simulate.markup import count
from scalper.simulate.metrics import Metrics
from scalper.simulate.montecarlo import MonteCarlo

MODES = {
    "realistic": "a target fills when the price trades through it by a tick; stops and market orders slip",
    "conservative": "as realistic, with one more tick of slippage",
    "optimistic": "a target fills on touch and nothing slips: an upper bound, not a forecast",
}
NO_BARS = pl.DataFrame(schema={"ts_ns": pl.Int64} | dict.fromkeys(("open", "high", "low", "close"), pl.Float64))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything that a report shows; it computes nothing that decides. Without a verdict it is of one simulation."""

    lane: str
    """Name of the lane, as in config/."""
    title: str
    """What the lane is, in a few words: `Simulated MES, one-minute bars`."""
    simulated: bool
    """True if the market was simulated; the report then says so beside the verdict."""
    source: str
    """Source key of the lake: `sandbox-7-1`, `databento`, `import`."""
    mode: str
    """Fill mode: realistic, conservative or optimistic."""
    metrics: Metrics
    """Of the path that is shown."""
    daily: pl.DataFrame
    """Sessions: session, fold, net, cash, trades."""
    trades: pl.DataFrame
    """Trades, all columns of the simulator."""
    equity: pl.DataFrame
    """Equity along time (ts_ns, equity); where it is empty the sessions' closes are drawn."""
    refusals: pl.DataFrame
    """gate, count: the gate that had the last word on bars without an order."""
    changed: pl.DataFrame
    """factor, count: entries whose size a factor changed."""
    limits: pl.DataFrame
    """Limits that fired: session, gate, limit, value, final, excess (breaches.limits)."""
    verdict: Literal["GO", "NO-GO"] | None = None
    stage: str = ""
    """PAPER or LIVE."""
    reasons: Sequence[str] = ()
    """Plain sentences that decide the verdict, weightiest first; three are shown."""
    checks: Sequence[Mapping[str, Any]] = ()
    """The gate's checks: id, stage, value, threshold, status (PASS, FAIL or CANNOT EVALUATE), detail, protects."""
    sharpe_bound: float | None = None
    """Lower 5 % bound of the Sharpe ratio, if it was bootstrapped."""
    folds: pl.DataFrame = field(default_factory=pl.DataFrame)
    """A row a fold, shown as it is; columns called net, pnl or like these are money."""
    example: pl.DataFrame = field(default_factory=NO_BARS.clear)
    """Bars of one session (ts_ns, open, high, low, close as prices) whose trades are drawn."""
    holdout: Metrics | None = None
    """Of the final hold-out; None while it is unopened."""
    monte_carlo: Sequence[MonteCarlo] = ()
    conditions: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the figures depend on: fill mode, latency, slippage, risk state, hours (`conditions`)."""
    notes: Sequence[str] = ()
    """What a reader should know before believing the figures."""
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    """Name to digest or version: data, features, model, code, configuration, trials."""


def conditions(lane: Lane) -> dict[str, str]:
    """What a simulation of this lane takes for granted, in words."""
    how, risk, market = lane.simulation, lane.risk, lane.policy.market
    fee = float(costs_of(lane.execution.symbol).per_side) * how.cost_multiple
    hours = "regular hours, 09:30 to 16:00 New York" if lane.hours == "regular" else "all hours of the session"
    slips = (
        "none on any order"
        if how.mode == "optimistic"
        else f"{count(how.slippage_ticks, 'tick')} of market and stop orders; {how.slippage_thin} below "
        f"{market.thin_volume:.0%} of the usual volume, at an unknown one or at {market.high_volatility:g} times the "
        f"usual volatility, then more, up to {how.slippage_most}"
        + (", and one on top of each" if how.mode == "conservative" else "")
    )
    loss = risk.firm.maximum_loss
    limits = "an own account" if loss is None else f"{risk.firm.profile}, maximum loss ${loss:,.0f}"
    share = "no limit" if how.volume_share is None else f"at most {how.volume_share:.0%} of a bar's volume"
    return {
        "Fill mode": f"{how.mode}: {MODES[how.mode]}",
        "Latency": f"{count(how.latency_bars, 'bar')} between a decision and its order, on top of the next bar's open",
        "Slippage": slips,
        "Commission": f"${fee:.2f} a side and contract of {lane.execution.symbol}",
        "Volume": f"partial fills: {share}",
        "Session filter": f"{hours}; features see every bar",
        "Risk state": "carried through all folds: one account"
        if how.risk == "carry"
        else "reset: a fresh account for each fold",
        "Account": f"{limits}; ${lane.capital:,.2f} at the start",
    }
