"""Metrics against hand calculations, an independent transcription, and the laws that must hold for any trades."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from statistics import NormalDist

import empyrical
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalper.errors import ScalperError
from scalper.simulate.metrics import longest_under_water, max_drawdown, sharpe, sharpe_bound, summarise

CAPITAL = 1000.0
DAY = date(2026, 3, 2)
NO_EQUITY = pl.DataFrame(schema={"ts_ns": pl.Int64, "equity": pl.Float64})


def market(rows: list[tuple[int, int, float, float, str]], sessions: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(daily, trades) from (session number, UTC hour, net, confidence, reason); a trade costs 0.84 and a tick."""
    trades = pl.DataFrame(
        {
            "session": [DAY + timedelta(days=day) for day, *_ in rows],
            "entry_ns": [
                int(datetime(DAY.year, DAY.month, DAY.day, hour, 5, tzinfo=UTC).timestamp() + 86_400 * day) * 10**9
                for day, hour, *_ in rows
            ],
            "exit_ns": [
                int(datetime(DAY.year, DAY.month, DAY.day, hour, 6, tzinfo=UTC).timestamp() + 86_400 * day) * 10**9
                for day, hour, *_ in rows
            ],
            "contracts": [1] * len(rows),
            "mae": [min(net, 0.0) - 2.5 for _, _, net, _, _ in rows],
            "mfe": [max(net, 0.0) + 1.25 for _, _, net, _, _ in rows],
            "gross": [net + 0.84 + 1.25 for _, _, net, _, _ in rows],
            "commission": [0.84] * len(rows),
            "slippage": [1.25] * len(rows),
            "net": [net for _, _, net, _, _ in rows],
            "confidence": [confidence for *_, confidence, _ in rows],
            "reason": [reason for *_, reason in rows],
        },
        schema={
            "session": pl.Date,
            "entry_ns": pl.Int64,
            "exit_ns": pl.Int64,
            "contracts": pl.Int64,
            "mae": pl.Float64,
            "mfe": pl.Float64,
            "gross": pl.Float64,
            "commission": pl.Float64,
            "slippage": pl.Float64,
            "net": pl.Float64,
            "confidence": pl.Float64,
            "reason": pl.String,
        },
    )
    nets = [sum(net for day, _, net, _, _ in rows if day == number) for number in range(sessions)]
    daily = pl.DataFrame(
        {
            "session": [DAY + timedelta(days=number) for number in range(sessions)],
            "net": nets,
            "cash": (CAPITAL + np.cumsum(nets)).tolist(),
            "trades": [sum(day == number for day, *_ in rows) for number in range(sessions)],
        },
        schema={"session": pl.Date, "net": pl.Float64, "cash": pl.Float64, "trades": pl.Int64},
    )
    return daily, trades


HAND = [
    (0, 14, 10.0, 0.72, "target"),
    (0, 15, -4.0, 0.70, "stop"),
    (2, 14, -12.0, 0.65, "stop"),
    (3, 19, 20.0, 0.91, "target"),
    (3, 20, -2.0, 0.80, "time"),
]


def test_hand_calculation() -> None:
    """Five sessions of +6, 0, −12, +18, 0 dollars, worked out by hand."""
    found = summarise(*market(HAND, 5), NO_EQUITY, CAPITAL)
    mean = 12 / 5
    deviation = math.sqrt(((6 - mean) ** 2 + mean**2 + (-12 - mean) ** 2 + (18 - mean) ** 2 + mean**2) / 4)
    assert found.net == pytest.approx(12.0)
    assert found.gross == pytest.approx(12.0 + 5 * (0.84 + 1.25))
    assert (found.commission, found.slippage) == (pytest.approx(4.20), pytest.approx(6.25))
    assert found.sharpe == pytest.approx(mean / deviation * math.sqrt(252))
    assert found.sharpe_active == pytest.approx(4 / math.sqrt((2**2 + 16**2 + 14**2) / 2) * math.sqrt(252))
    assert found.sortino == pytest.approx(mean / math.sqrt(144 / 5) * math.sqrt(252))
    assert found.drawdown == pytest.approx(12.0)
    assert found.drawdown_share == pytest.approx(12 / 1006)
    assert found.drawdown_sessions == 1
    assert found.calmar == pytest.approx(mean * 252 / 1000 / (12 / 1006))
    assert found.win_rate == pytest.approx(2 / 5)
    assert found.profit_factor == pytest.approx(30 / 18)
    assert found.expectancy == pytest.approx(12 / 5)
    assert (found.trades, found.sessions, found.active_sessions) == (5, 5, 3)
    assert found.yearly == pytest.approx(mean * 252 / 1000)
    assert found.volatility == pytest.approx(deviation / 1000 * math.sqrt(252))
    assert found.cost_share == pytest.approx((4.20 + 6.25) / (12.0 + 5 * 2.09))
    assert (found.average_win, found.average_loss) == (pytest.approx(15.0), pytest.approx(-6.0))
    assert (found.best_trade, found.worst_trade) == (20.0, -12.0)
    assert found.longest_losses == 2, "the loss of the first session and that of the third"
    assert (found.holding_s, found.turnover) == (60.0, 2.0)
    assert found.exposure == pytest.approx(5 / (5 * 23 * 60))
    assert found.mae == pytest.approx(-(18 + 5 * 2.5) / 5)
    assert found.mae_winners == pytest.approx(-2.5)
    assert found.mfe == pytest.approx((30 + 5 * 1.25) / 5)
    assert (found.best_session, found.worst_session) == (pytest.approx(18.0), pytest.approx(-12.0))
    assert found.consistency == pytest.approx(18 / 12)


def test_groups() -> None:
    """Hours are New York's (winter: UTC − 5), bands are closed below, reasons come most frequent first."""
    found = summarise(*market(HAND, 5), NO_EQUITY, CAPITAL)
    assert [(g.key, g.trades, g.net) for g in found.by_hour] == [
        ("09:00", 2, -2.0),
        ("10:00", 1, -4.0),
        ("14:00", 1, 20.0),
        ("15:00", 1, -2.0),
    ]
    assert [(g.key, g.trades, g.win_rate) for g in found.by_band] == [
        ("0.60–0.70", 1, 0.0),
        ("0.70–0.80", 2, 0.5),
        ("0.80–0.90", 1, 0.0),
        ("0.90–1.00", 1, 1.0),
    ]
    assert [(g.key, g.trades) for g in found.by_reason] == [("stop", 2), ("target", 2), ("time", 1)]


def test_hours_follow_daylight_saving() -> None:
    """14:05 UTC is 09 in New York on 2 March and 10 on 9 March, the day after the change."""
    found = summarise(*market([(0, 14, 1.0, 0.7, "time"), (7, 14, 1.0, 0.7, "time")], 8), NO_EQUITY, CAPITAL)
    assert [g.key for g in found.by_hour] == ["09:00", "10:00"]


def test_no_trades() -> None:
    """A simulation that never traded has figures all the same, and none is a gain."""
    found = summarise(*market([], 20), NO_EQUITY, CAPITAL)
    assert (found.net, found.sharpe, found.sharpe_active, found.sortino, found.calmar) == (0, 0, 0, 0, 0)
    assert (found.drawdown, found.drawdown_sessions, found.profit_factor, found.win_rate, found.expectancy) == (
        0,
        0,
        0,
        0,
        0,
    )
    assert (found.average_win, found.average_loss, found.best_trade, found.worst_trade) == (0, 0, 0, 0)
    assert (found.longest_losses, found.holding_s, found.exposure, found.turnover, found.cost_share) == (0, 0, 0, 0, 0)
    assert (found.mae, found.mfe, found.volatility, found.yearly) == (0, 0, 0, 0)
    assert found.consistency == math.inf
    assert found.by_hour == found.by_band == found.by_reason == ()


def test_no_sessions() -> None:
    """An empty window has figures too."""
    found = summarise(*market([], 0), NO_EQUITY, CAPITAL)
    assert (found.sessions, found.net, found.sharpe, found.best_session, found.drawdown_sessions) == (0, 0, 0, 0, 0)


def test_only_winners() -> None:
    """Nothing lost: the ratios to a loss are infinite, and None in JSON."""
    found = summarise(*market([(0, 15, 5.0, 0.7, "target"), (1, 15, 7.0, 0.7, "target")], 2), NO_EQUITY, CAPITAL)
    assert (found.profit_factor, found.sortino, found.calmar) == (math.inf, math.inf, math.inf)
    document = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert document["profit_factor"] is None
    assert document["by_reason"] == [{"key": "target", "trades": 2, "net": 12.0, "win_rate": 1.0}]


def test_equal_sessions_have_no_sharpe() -> None:
    """A constant gain has no deviation but rounding: the ratio is 0, not 1e16."""
    assert sharpe([0.01] * 100) == 0.0
    assert sharpe([0.01]) == 0.0


def test_drawdown_within_a_session() -> None:
    """The equity a bar shows a fall that no session's close does."""
    daily, trades = market([(0, 15, 5.0, 0.7, "target")], 1)
    equity = pl.DataFrame({"ts_ns": [1, 2, 3, 4], "equity": [1000.0, 1010.0, 969.7, 1005.0]})
    found = summarise(daily, trades, equity, CAPITAL)
    assert found.drawdown == pytest.approx(40.3)
    assert found.drawdown_share == pytest.approx(40.3 / 1010)
    assert found.drawdown_sessions == 0


def test_length_under_water() -> None:
    """Two sessions under, one at the peak again, three under at the end."""
    assert longest_under_water([1010, 1005, 1002, 1010, 1001, 1003, 1009.9], 1000.0) == 3
    assert longest_under_water([999, 998], 1000.0) == 2
    assert longest_under_water([], 1000.0) == 0


def test_books_must_balance() -> None:
    """Trades of another simulation are refused, and so is a cost of the wrong sign."""
    daily, trades = market(HAND, 5)
    with pytest.raises(ScalperError, match="not the sessions'"):
        summarise(daily, trades.head(2), NO_EQUITY, CAPITAL)
    with pytest.raises(ScalperError, match="gross less slippage"):
        summarise(daily, trades.with_columns(commission=-pl.col("commission")), NO_EQUITY, CAPITAL)


def transcription(nets: list[float], capital: float) -> dict[str, float]:
    """The same ratios, written down a second time without vectors."""
    returns = [net / capital for net in nets]
    mean = math.fsum(returns) / len(returns)
    variance = math.fsum((r - mean) ** 2 for r in returns) / (len(returns) - 1)
    semivariance = math.fsum(r * r for r in returns if r < 0) / len(returns)
    equity = peak = capital
    fall = 0.0
    for net in nets:
        equity += net
        peak = max(peak, equity)
        fall = max(fall, (peak - equity) / peak)
    return {
        "sharpe": mean / math.sqrt(variance) * math.sqrt(252),
        "sortino": mean / math.sqrt(semivariance) * math.sqrt(252),
        "calmar": mean * 252 / fall,
        "drawdown_share": fall,
    }


def test_agrees_with_transcription() -> None:
    """A year of random sessions, to nine digits."""
    nets = np.random.default_rng(3).normal(1.0, 8.0, 252).round(2).tolist()
    found = summarise(*market([(i, 15, net, 0.7, "time") for i, net in enumerate(nets)], 252), NO_EQUITY, CAPITAL)
    for name, value in transcription(nets, CAPITAL).items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-9), name


def test_costs_without_a_gross_profit() -> None:
    """What is paid without anything to pay it from has no finite share; nor has it a limit in a streak of losses."""
    found = summarise(*market([(0, 15, -5.0, 0.7, "stop"), (1, 15, -7.0, 0.7, "stop")], 2), NO_EQUITY, CAPITAL)
    assert (found.cost_share, found.longest_losses, found.average_win) == (math.inf, 2, 0.0)


def test_a_trade_of_nothing_ends_a_streak() -> None:
    """−1, −1, 0, −1: two in a row."""
    rows = [
        (0, 14, -1.0, 0.7, "stop"),
        (0, 15, -1.0, 0.7, "stop"),
        (0, 16, 0.0, 0.7, "time"),
        (1, 15, -1.0, 0.7, "stop"),
    ]
    assert summarise(*market(rows, 2), NO_EQUITY, CAPITAL).longest_losses == 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_agrees_with_empyrical(seed: int) -> None:
    """The same daily returns through empyrical: Sharpe, Sortino and volatility are the same to nine digits.

    Its drawdown compounds, ours adds dollars: fed with net over the equity before it, it finds our share exactly, at
    the sessions' closes. Its Calmar takes the compounded yearly return, ours the plain mean of a lane that does not
    reinvest: the two differ by exactly that.
    """
    nets = np.random.default_rng(seed).normal(1.0, 8.0, 252).round(2)
    found = summarise(
        *market([(i, 15, net, 0.7, "time") for i, net in enumerate(nets.tolist())], 252), NO_EQUITY, CAPITAL
    )
    returns, equity = nets / CAPITAL, CAPITAL + np.cumsum(nets)
    reinvested = nets / (equity - nets)
    assert found.sharpe == pytest.approx(empyrical.sharpe_ratio(returns), rel=1e-9)
    assert found.sortino == pytest.approx(empyrical.sortino_ratio(returns), rel=1e-9)
    assert found.volatility == pytest.approx(empyrical.annual_volatility(returns), rel=1e-9)
    assert found.drawdown_share == pytest.approx(-empyrical.max_drawdown(reinvested), rel=1e-9)
    compounded = empyrical.calmar_ratio(reinvested) * found.drawdown_share
    assert compounded == pytest.approx((equity[-1] / CAPITAL) - 1)
    assert found.calmar * found.drawdown_share == pytest.approx(252 * returns.mean())


rows = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.integers(14, 20),
        st.integers(-2_500, 5_000).map(lambda cents: cents / 100),
        st.floats(0.5, 1.0),
        st.sampled_from(["stop", "target", "time", "end_of_day"]),
    ),
    max_size=40,
)


@given(rows)
def test_laws(trades: list[tuple[int, int, float, float, str]]) -> None:
    """Whatever was traded: every table has every trade, and what is counted twice is the same twice."""
    found = summarise(*market(trades, 10), NO_EQUITY, CAPITAL)
    assert found.net == pytest.approx(sum(net for _, _, net, _, _ in trades), abs=1e-6)
    assert found.net == pytest.approx(found.gross - found.commission - found.slippage, abs=1e-6)
    assert found.net == pytest.approx(found.expectancy * found.trades, abs=1e-6)
    for table in (found.by_hour, found.by_band, found.by_reason):
        assert sum(group.trades for group in table) == found.trades == len(trades)
        assert sum(group.net for group in table) == pytest.approx(found.net, abs=1e-6)
    assert found.worst_session <= found.net / found.sessions + 1e-9 <= found.best_session + 2e-9
    assert 0 <= found.drawdown_share <= found.drawdown / found.capital + 1e-12
    assert found.active_sessions == len({day for day, *_ in trades})
    won, lost = (sum(sign * net > 0 for _, _, net, _, _ in trades) for sign in (1, -1))
    assert found.net == pytest.approx(won * found.average_win + lost * found.average_loss, abs=1e-6)
    assert found.worst_trade <= found.expectancy + 1e-9 <= found.best_trade + 2e-9
    assert (lost > 0) <= found.longest_losses <= lost
    assert not any(isinstance(value, float) and math.isnan(value) for value in found.as_dict().values())


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=50), st.floats(0.5, 20))
def test_drawdown_scales(nets: list[float], scale: float) -> None:
    """Ten times the money on ten times the account is the same share, and ten times the dollars."""
    path = CAPITAL + np.cumsum(nets)
    if path.min() <= 0:
        return
    fall, share = max_drawdown(path, CAPITAL)
    assert max_drawdown(path * scale, CAPITAL * scale) == pytest.approx((fall * scale, share))


def test_bound_agrees_with_theory() -> None:
    """For many normal sessions the bound is near the figure − 1.645 standard errors (Lo 2002)."""
    nets = np.random.default_rng(5).normal(1.0, 10.0, 2000)
    found = sharpe_bound(nets, CAPITAL, draws=4000, seed=1)
    daily = sharpe(nets / CAPITAL) / math.sqrt(252)
    error = math.sqrt((1 + daily**2 / 2) / nets.size) * math.sqrt(252)
    assert found == pytest.approx(sharpe(nets / CAPITAL) + NormalDist().inv_cdf(0.05) * error, abs=0.06)
    assert found < sharpe(nets / CAPITAL)


def test_bound_repeats_and_does_not_depend_on_capital() -> None:
    """One seed, one answer; another seed, another; a richer account, the same."""
    nets = np.random.default_rng(6).normal(1.0, 10.0, 100)
    assert sharpe_bound(nets, 1000, 500, seed=1) == sharpe_bound(nets, 1000, 500, seed=1)
    assert sharpe_bound(nets, 1000, 500, seed=1) != sharpe_bound(nets, 1000, 500, seed=2)
    assert sharpe_bound(nets, 1000, 500, seed=1) == pytest.approx(sharpe_bound(nets, 5000, 500, seed=1))
    assert sharpe_bound(nets, 1000, 500, 1, level=0.01) < sharpe_bound(nets, 1000, 500, 1, level=0.5)


def test_bound_of_nothing() -> None:
    """Too few sessions, or none that varies, is no evidence: the bound is 0."""
    assert sharpe_bound([5.0], CAPITAL, 100, seed=1) == 0.0
    assert sharpe_bound([5.0] * 30, CAPITAL, 100, seed=1) == 0.0
    assert sharpe_bound([0.0] * 30, CAPITAL, 100, seed=1) == 0.0
