"""At edge 0 nothing visible tells what comes next; at edge 1 the footprint does. Seeded, so never flaky."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from scalper.sandbox import SimulatedMarket

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
NAMES = ["return", "return before", "footprint", "move without volume", "volume", "shape", "range"]


def samples(market: SimulatedMarket, horizon: int, step_ns: int = MINUTE) -> tuple[np.ndarray, np.ndarray]:
    """What a bar shows (columns NAMES, signs kept) and the change of the next `horizon` bars; no window overlaps."""
    rows, ahead = [], []
    for bars in regular_bars(market, step_ns):
        close, volume = bars["close"].astype(float), bars["volume"].astype(float)
        change = np.diff(close, prepend=bars["open"][0])
        usual = np.convolve(volume, np.ones(30) / 30)[: len(volume)]
        usual[:30] = np.inf
        heavy = volume > 2.5 * usual
        direction = np.where(np.abs(change) >= 5, np.sign(change), 0.0)
        shape = 2 * close - bars["high"] - bars["low"]
        features = np.stack(
            [
                change,
                np.roll(change, 1),
                direction * heavy,
                direction * ~heavy,
                np.log(volume / usual.clip(1, 1e9)),
                shape,
                (bars["high"] - bars["low"]) * np.sign(change),
            ],
            axis=1,
        )
        at = np.arange(31, len(close) - horizon, horizon)
        rows.append(features[at])
        ahead.append(close[at + horizon] - close[at])
    return np.concatenate(rows), np.concatenate(ahead)


@cache
def regular_bars(market: SimulatedMarket, step_ns: int) -> list[np.ndarray]:
    """The regular hours of every full session; of seconds the first 80 are plenty."""
    full = [s for s in market.sessions if not s.early]
    every = (
        (s, market.bars(market.front(s, "monday"), s, step_ns)) for s in (full if step_ns == MINUTE else full[:80])
    )
    return [b[(b["ts_ns"] >= s.regular_open_ns) & (b["ts_ns"] < s.regular_close_ns)] for s, b in every]


def t_statistics(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of a least-squares fit with a constant (first), robust to unequal variances (White's HC0)."""
    x = np.column_stack([np.ones(len(x)), (x - x.mean(0)) / x.std(0)])
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ y
    residual = y - x @ beta
    covariance = inverse @ (x.T * residual**2) @ x @ inverse
    return beta / np.sqrt(np.diag(covariance))


@pytest.mark.parametrize("horizon", [1, 5, 10])
def test_without_an_edge_no_minute_tells_the_next(null_market: SimulatedMarket, horizon: int) -> None:
    x, y = samples(null_market, horizon)
    assert np.abs(t_statistics(x, y)).max() < 4
    alone = [t_statistics(x[:, [i]], y)[1] for i in range(x.shape[1])]
    assert np.abs(alone).max() < 4


@pytest.mark.parametrize("horizon", [1, 10])
def test_without_an_edge_no_second_tells_the_next(null_market: SimulatedMarket, horizon: int) -> None:
    """Inside the footprint's minute too: half of it does not tell the other half."""
    x, y = samples(null_market, horizon, SECOND)
    assert len(y) > 100_000
    assert np.abs(t_statistics(x, y)).max() < 4


def test_a_footprint_half_made_tells_nothing(null_market: SimulatedMarket) -> None:
    """The first 10 seconds of heavy minutes against the other 50."""
    first, rest = [], []
    for bars in regular_bars(null_market, SECOND):
        minute = (bars["ts_ns"] - bars["ts_ns"][0] // MINUTE * MINUTE) // MINUTE
        early = (bars["ts_ns"] // SECOND) % 60 < 10
        price = np.full((int(minute[-1]) + 1, 2), bars["open"][0], dtype=float)
        price[minute[early], 0] = bars["close"][early]  # the last of repeated indices stays
        price[minute, 1] = bars["close"]
        before = np.roll(price[:, 1], 1)
        busy = np.bincount(minute[early], bars["volume"][early], len(price))
        chosen = (busy > 2 * np.median(busy)) & (np.arange(len(price)) > 0)
        first.append((price[:, 0] - before)[chosen])
        rest.append((price[:, 1] - price[:, 0])[chosen])
    x, y = np.concatenate(first), np.concatenate(rest)
    assert len(x) > 1_500
    assert abs(t_statistics(x[:, None], y)[1]) < 4


def test_with_the_edge_the_footprint_goes_on(edge_market: SimulatedMarket) -> None:
    x, y = samples(edge_market, 10)
    t = dict(zip(["constant", *NAMES], t_statistics(x, y), strict=True))
    assert t["footprint"] > 6  # beside the other columns, which say half of the same
    assert t_statistics(x[:, [NAMES.index("footprint")]], y)[1] > 12
    assert abs(t["constant"]) < 4
    assert abs(t["move without volume"]) < 4
    after = (y * x[:, NAMES.index("footprint")])[x[:, NAMES.index("footprint")] != 0]
    assert 7 < after.mean() < 16


def test_both_look_alike(null_market: SimulatedMarket, edge_market: SimulatedMarket) -> None:
    """Same plan, same seed: as many footprints and as much volume with the edge as without."""
    x, _ = samples(null_market, 1)
    z, _ = samples(edge_market, 1)
    found = [np.abs(a[:, NAMES.index("footprint")]).sum() / len(null_market.sessions) for a in (x, z)]
    assert 15 < found[0] < 35
    assert abs(found[1] / found[0] - 1) < 0.1
    totals = [
        sum(int(m.bars(m.front(s, "monday"), s)["volume"].sum()) for s in m.sessions[:10])
        for m in (null_market, edge_market)
    ]
    assert abs(totals[1] / totals[0] - 1) < 0.01
