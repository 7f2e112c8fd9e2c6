"""The figures of a simulation: one `Metrics` from its trades, its sessions and its equity.

Every figure is after costs unless it says gross. A ratio whose denominator is zero has the value that its line below
names, so a figure is never NaN; infinity means that nothing was lost, or that there is no profit to share. Returns are
daily net over the starting capital, which is not compounded: a lane trades whole contracts, not a share of its account.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from scalper.errors import ScalperError
from scalper.simulate.groups import Group, by_band, by_hour, by_reason
from scalper.simulate.resample import blocks

SESSIONS_A_YEAR = 252
SESSION_NS = 82_800_000_000_000  # 18:00 to 17:00
_CENT = 0.01


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a simulation came to. Amounts in dollars, rates and shares as fractions of 1."""

    capital: float
    net: float
    gross: float
    """Before commission and slippage: net = gross - slippage - commission."""
    commission: float
    slippage: float
    cost_share: float
    """Commission and slippage over gross; infinite for costs without a gross profit to pay them from."""
    yearly: float
    """Mean daily net times 252 over capital, not compounded."""
    volatility: float
    """Standard deviation (ddof 1) of daily net over capital, times sqrt(252)."""
    sharpe: float
    """Mean over standard deviation (ddof 1) of daily net over capital, flat sessions included, times sqrt(252).

    0 if nothing varies.
    """
    sharpe_active: float
    """The same over the sessions with a trade."""
    sortino: float
    """Mean daily net over the root mean square of the losing sessions' (the others count as 0), times sqrt(252).

    Infinite for a gain without a losing session; 0 without either.
    """
    calmar: float
    """`yearly` over `drawdown_share`. Infinite for a gain without a drawdown; 0 without either."""
    drawdown: float
    """Largest fall of equity below its peak, the starting capital being the first peak."""
    drawdown_share: float
    """Largest fall as a share of the peak it fell from."""
    drawdown_sessions: int
    """Longest run of sessions that closed below an earlier close (or the starting capital)."""
    trades: int
    win_rate: float
    """Trades with net > 0 over all; 0 without trades."""
    profit_factor: float
    """Sum of the winners' net over that of the losers'; without losers infinite for a gain, else 0."""
    expectancy: float
    """Mean net of a trade; 0 without trades."""
    average_win: float
    """Mean net of the trades with net > 0; 0 without one."""
    average_loss: float
    """Mean net of the trades with net < 0, itself negative; 0 without one."""
    best_trade: float
    worst_trade: float
    longest_losses: int
    """Most trades in a row with net < 0, across sessions."""
    holding_s: float
    """Mean seconds from a trade's first fill to its last; a fill within a bar counts from the bar's open to its end."""
    exposure: float
    """Time in a position over the time of all sessions, 23 hours each whatever hours the lane trades."""
    turnover: float
    """Contracts bought and sold a session, flat sessions included: a round trip of one contract is 2."""
    mae: float
    """Mean over the trades of their worst open P&L, at a bar's extreme and before costs: negative or 0."""
    mae_winners: float
    """The same over the trades with net > 0: how far against them the winners went."""
    mfe: float
    """Mean over the trades of their best open P&L."""
    sessions: int
    active_sessions: int
    best_session: float
    worst_session: float
    consistency: float
    """Best session's share of net; infinite when there is no profit to have a share of."""
    by_hour: tuple[Group, ...]
    """By the hour of entry, New York."""
    by_band: tuple[Group, ...]
    """By confidence at entry."""
    by_reason: tuple[Group, ...]
    """By the reason of the exit, most frequent first."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it: groups as mappings, infinity as None."""
        found = asdict(self)
        return {key: None if isinstance(one, float) and math.isinf(one) else one for key, one in found.items()}


def summarise(daily: pl.DataFrame, trades: pl.DataFrame, equity: pl.DataFrame, capital: float) -> Metrics:
    """The figures of one simulation.

    daily: `session`, `net`, `trades`, a row for every session, flat ones too, in order. trades: in order of their
    exits, `entry_ns`, `exit_ns`, `contracts`, `gross`, `commission`, `slippage`, `net`, `reason`, `confidence`, `mae`,
    `mfe`. equity: `equity` along time, may be empty. Raises ScalperError when the trades do not add up to the sessions.
    """
    by_day = _floats(daily, "net")
    _balance(by_day, trades)
    held = float((trades["exit_ns"] - trades["entry_ns"]).sum())
    return Metrics(
        capital=capital,
        **_of_sessions(by_day, (daily["trades"] > 0).to_numpy(), _floats(equity, "equity"), capital),
        **_of_trades(trades),
        holding_s=held / 1e9 / trades.height if trades.height else 0.0,
        exposure=held / (SESSION_NS * daily.height) if daily.height else 0.0,
        turnover=2 * _total(trades, "contracts") / daily.height if daily.height else 0.0,
        by_hour=by_hour(trades),
        by_band=by_band(trades),
        by_reason=by_reason(trades),
    )


def _of_sessions(
    by_day: NDArray[np.float64], traded: NDArray[np.bool], equity: NDArray[np.float64], capital: float
) -> dict[str, Any]:
    """What follows from the sessions' net (n,) and the equity along time."""
    returns = by_day / capital
    closes = capital + np.cumsum(by_day)
    # the equity may be thinned for the picture: the sessions' closes are always there
    falls, shares = zip(max_drawdown(closes, capital), max_drawdown(equity, capital), strict=True)
    net = float(by_day.sum())
    best = float(by_day.max()) if by_day.size else 0.0
    yearly = float(returns.mean()) * SESSIONS_A_YEAR if by_day.size else 0.0
    return {
        "net": net,
        "yearly": yearly,
        "volatility": float(returns.std(ddof=1)) * math.sqrt(SESSIONS_A_YEAR) if by_day.size > 1 else 0.0,
        "sharpe": sharpe(returns),
        "sharpe_active": sharpe(returns[traded]),
        "sortino": _sortino(returns),
        "calmar": _ratio(yearly, max(shares)),
        "drawdown": max(falls),
        "drawdown_share": max(shares),
        "drawdown_sessions": longest_under_water(closes, capital),
        "sessions": by_day.size,
        "active_sessions": int(traded.sum()),
        "best_session": best,
        "worst_session": float(by_day.min()) if by_day.size else 0.0,
        "consistency": best / net if net > 0 else math.inf,
    }


def _of_trades(trades: pl.DataFrame) -> dict[str, Any]:
    """What follows from the trades alone."""
    nets, mae = _floats(trades, "net"), _floats(trades, "mae")
    won, lost = nets > 0, nets < 0
    gross, commission, slippage = (_total(trades, name) for name in ("gross", "commission", "slippage"))
    return {
        "gross": gross,
        "commission": commission,
        "slippage": slippage,
        "cost_share": _ratio(commission + slippage, gross),
        "trades": nets.size,
        "win_rate": _mean(won.astype(np.float64)),
        "profit_factor": _ratio(float(nets[won].sum()), float(-nets[lost].sum())),
        "expectancy": _mean(nets),
        "average_win": _mean(nets[won]),
        "average_loss": _mean(nets[lost]),
        "best_trade": float(nets.max()) if nets.size else 0.0,
        "worst_trade": float(nets.min()) if nets.size else 0.0,
        "longest_losses": _longest(lost),
        "mae": _mean(mae),
        "mae_winners": _mean(mae[won]),
        "mfe": _mean(_floats(trades, "mfe")),
    }


def sharpe(returns: ArrayLike) -> float:
    """Yearly Sharpe ratio of daily returns: mean / std (ddof 1) × sqrt(252); 0 for fewer than two or equal ones."""
    values = np.atleast_2d(np.asarray(returns, dtype=np.float64))
    return float(sharpes(values)[0]) if values.shape[1] > 1 else 0.0


def sharpes(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sharpe ratio of each row of (n, sessions); 0 where the deviation is no more than rounding."""
    mean, deviation = returns.mean(axis=1), returns.std(axis=1, ddof=1)
    varies = deviation > 1e-12 * np.abs(returns).max(axis=1)
    return np.where(varies, mean / np.where(varies, deviation, 1.0), 0.0) * math.sqrt(SESSIONS_A_YEAR)


def sharpe_bound(daily_net: ArrayLike, capital: float, draws: int, seed: int, level: float = 0.05) -> float:
    """Lower bound of the Sharpe ratio: its `level` quantile over `draws` resamples of whole sessions, with replacement.

    daily_net in dollars, flat sessions included. 0 for fewer than two sessions. Percentile bootstrap (Efron 1979).
    """
    returns = np.asarray(daily_net, dtype=np.float64) / capital
    if returns.size < 2:
        return 0.0
    found = [sharpes(returns[rows]) for rows in blocks(returns.size, draws, seed)]
    return float(np.quantile(np.concatenate(found), level))


def max_drawdown(equity: ArrayLike, capital: float) -> tuple[float, float]:
    """Largest fall below the running peak, in dollars and as a share of the peak; the first peak is `capital`."""
    path = np.concatenate([[capital], np.asarray(equity, dtype=np.float64)])
    peak = np.maximum.accumulate(path)
    return float((peak - path).max()), float(((peak - path) / peak).max())


def longest_under_water(closes: ArrayLike, capital: float) -> int:
    """Longest run of sessions that closed below an earlier close or the starting capital."""
    path = np.concatenate([[capital], np.asarray(closes, dtype=np.float64)])
    return _longest(path < np.maximum.accumulate(path) - _CENT / 2)


def _longest(flags: NDArray[np.bool]) -> int:
    """Longest run of true ones."""
    longest = run = 0
    for flag in flags.tolist():
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest


def _sortino(returns: NDArray[np.float64]) -> float:
    if not returns.size:
        return 0.0
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return _ratio(float(returns.mean()) * math.sqrt(SESSIONS_A_YEAR), downside)


def _ratio(gain: float, loss: float) -> float:
    """gain / loss; without a loss infinite for a gain, else 0."""
    return gain / loss if loss > 0 else (math.inf if gain > 0 else 0.0)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else 0.0


def _balance(by_day: NDArray[np.float64], trades: pl.DataFrame) -> None:
    """The books must balance to the cent: trades against sessions, net against gross less its costs."""
    net = _total(trades, "net")
    costs = _total(trades, "slippage") + _total(trades, "commission")
    if abs(net - float(by_day.sum())) > _CENT:
        raise ScalperError(
            f"trades: their net of {net:.2f} is not the sessions' {by_day.sum():.2f}; "
            "give summarise the trades and the sessions of one and the same simulation"
        )
    if abs(_total(trades, "gross") - costs - net) > _CENT:
        raise ScalperError(
            f"trades: gross less slippage and commission is not the net of {net:.2f}; each must be a cost >= 0"
        )


def _floats(frame: pl.DataFrame, column: str) -> NDArray[np.float64]:
    return frame[column].cast(pl.Float64).to_numpy()


def _total(frame: pl.DataFrame, column: str) -> float:
    return float(_floats(frame, column).sum())
