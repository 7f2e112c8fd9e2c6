"""The figures of a simulation: one `Metrics` from its trades, its sessions and its equity.

Every figure is after costs unless it says gross. A ratio whose denominator is zero has the value that its line below
names, so a figure is never NaN; infinity means that nothing was lost, or that there is no profit to share.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from scalper.errors import ScalperError

SESSIONS_A_YEAR = 252
BANDS = (0.60, 0.70, 0.80, 0.90)
"""Where the confidence bands begin; what lies below the first is a band of its own."""
_CENT = 0.01
_BLOCK = 4_000_000  # resampled sessions held in memory at once (32 MB)


@dataclass(frozen=True, slots=True)
class Group:
    """The trades that share a key: an hour, a confidence band or a reason."""

    key: str
    trades: int
    net: float
    win_rate: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a simulation came to. Amounts in dollars, rates and shares as fractions of 1."""

    capital: float
    net: float
    gross: float
    """Before commission and slippage: net = gross - slippage - commission."""
    commission: float
    slippage: float
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
    """Mean daily net times 252 over capital, divided by `drawdown_share`.

    Infinite for a gain without a drawdown; 0 without either.
    """
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
        """As JSON takes it: groups as lists of mappings, infinity as None."""
        document = asdict(self) | {name: [asdict(one) for one in getattr(self, name)] for name in _GROUPS}
        return {key: None if isinstance(one, float) and math.isinf(one) else one for key, one in document.items()}


_GROUPS = ("by_hour", "by_band", "by_reason")


def summarise(daily: pl.DataFrame, trades: pl.DataFrame, equity: pl.DataFrame, capital: float) -> Metrics:
    """The figures of one simulation.

    daily: `session`, `net`, `trades`, a row for every session, flat ones too, in order. trades: `entry_ns`, `gross`,
    `commission`, `slippage`, `net`, `reason`, `confidence`. equity: `equity` along time, may be empty.
    Raises ScalperError when the trades do not add up to the sessions.
    """
    by_day = _floats(daily, "net")
    nets = _floats(trades, "net")
    _balance(by_day, trades)
    active = by_day[(daily["trades"] > 0).to_numpy()]
    closes = capital + np.cumsum(by_day)
    # the equity may be thinned for the picture: the sessions' closes are always there
    falls, shares = zip(max_drawdown(closes, capital), max_drawdown(_floats(equity, "equity"), capital), strict=True)
    net = float(by_day.sum())
    best = float(by_day.max()) if by_day.size else 0.0
    yearly = float(by_day.mean()) * SESSIONS_A_YEAR / capital if by_day.size else 0.0
    return Metrics(
        capital=capital,
        net=net,
        gross=_total(trades, "gross"),
        commission=_total(trades, "commission"),
        slippage=_total(trades, "slippage"),
        sharpe=sharpe(by_day / capital),
        sharpe_active=sharpe(active / capital),
        sortino=_sortino(by_day / capital),
        calmar=_ratio(yearly, max(shares)),
        drawdown=max(falls),
        drawdown_share=max(shares),
        drawdown_sessions=longest_under_water(closes, capital),
        trades=nets.size,
        win_rate=float((nets > 0).mean()) if nets.size else 0.0,
        profit_factor=_ratio(float(nets[nets > 0].sum()), float(-nets[nets < 0].sum())),
        expectancy=float(nets.mean()) if nets.size else 0.0,
        sessions=by_day.size,
        active_sessions=active.size,
        best_session=best,
        worst_session=float(by_day.min()) if by_day.size else 0.0,
        consistency=best / net if net > 0 else math.inf,
        by_hour=_groups(trades, _hour(trades), order="key"),
        by_band=_groups(trades, _band(trades), order="key"),
        by_reason=_groups(trades, trades["reason"], order="trades"),
    )


def sharpe(returns: ArrayLike) -> float:
    """Yearly Sharpe ratio of daily returns: mean / std (ddof 1) × sqrt(252); 0 for fewer than two or equal ones."""
    values = np.atleast_2d(np.asarray(returns, dtype=np.float64))
    return float(_sharpes(values)[0]) if values.shape[1] > 1 else 0.0


def sharpe_bound(daily_net: ArrayLike, capital: float, draws: int, seed: int, level: float = 0.05) -> float:
    """Lower bound of the Sharpe ratio: its `level` quantile over `draws` resamples of whole sessions, with replacement.

    daily_net in dollars, flat sessions included. 0 for fewer than two sessions. Percentile bootstrap (Efron 1979).
    """
    returns = np.asarray(daily_net, dtype=np.float64) / capital
    if returns.size < 2:
        return 0.0
    random = np.random.default_rng(seed)
    rows = max(1, _BLOCK // returns.size)
    found = [
        _sharpes(returns[random.integers(0, returns.size, (min(rows, draws - done), returns.size))])
        for done in range(0, draws, rows)
    ]
    return float(np.quantile(np.concatenate(found), level))


def max_drawdown(equity: ArrayLike, capital: float) -> tuple[float, float]:
    """Largest fall below the running peak, in dollars and as a share of the peak; the first peak is `capital`."""
    path = np.concatenate([[capital], np.asarray(equity, dtype=np.float64)])
    peak = np.maximum.accumulate(path)
    return float((peak - path).max()), float(((peak - path) / peak).max())


def longest_under_water(closes: ArrayLike, capital: float) -> int:
    """Longest run of sessions that closed below an earlier close or the starting capital."""
    path = np.concatenate([[capital], np.asarray(closes, dtype=np.float64)])
    under = path < np.maximum.accumulate(path) - _CENT / 2
    longest = run = 0
    for below in under.tolist():
        run = run + 1 if below else 0
        longest = max(longest, run)
    return longest


def _sharpes(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sharpe ratio of each row of (n, sessions); 0 where the deviation is no more than rounding."""
    mean, deviation = returns.mean(axis=1), returns.std(axis=1, ddof=1)
    varies = deviation > 1e-12 * np.abs(returns).max(axis=1)
    return np.where(varies, mean / np.where(varies, deviation, 1.0), 0.0) * math.sqrt(SESSIONS_A_YEAR)


def _sortino(returns: NDArray[np.float64]) -> float:
    if not returns.size:
        return 0.0
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return _ratio(float(returns.mean()) * math.sqrt(SESSIONS_A_YEAR), downside)


def _ratio(gain: float, loss: float) -> float:
    """gain / loss; without a loss infinite for a gain, else 0."""
    return gain / loss if loss > 0 else (math.inf if gain > 0 else 0.0)


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


def _groups(trades: pl.DataFrame, key: pl.Series, order: str) -> tuple[Group, ...]:
    table = (
        trades.group_by(key.alias("key"))
        .agg(trades=pl.len(), net=pl.col("net").sum(), win_rate=(pl.col("net") > 0).mean())
        .sort(order, "key", descending=[order == "trades", False])
    )
    return tuple(Group(str(k), int(n), float(net), float(rate)) for k, n, net, rate in table.iter_rows())


def _hour(trades: pl.DataFrame) -> pl.Series:
    stamp = trades["entry_ns"].cast(pl.Datetime("ns", "UTC"))
    return stamp.dt.convert_time_zone("America/New_York").dt.strftime("%H:00")


def _band(trades: pl.DataFrame) -> pl.Series:
    edges = [0.0, *BANDS, 1.0]
    names = np.array([f"{low:.2f}–{high:.2f}" for low, high in pairwise(edges)])
    return pl.Series(names[np.searchsorted(BANDS, _floats(trades, "confidence"), side="right")], dtype=pl.String)


def _floats(frame: pl.DataFrame, column: str) -> NDArray[np.float64]:
    return frame[column].cast(pl.Float64).to_numpy()


def _total(frame: pl.DataFrame, column: str) -> float:
    return float(_floats(frame, column).sum())
