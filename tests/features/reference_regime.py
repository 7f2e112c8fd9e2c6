"""The formulas of regime, sessions and amd written out plainly: window by window, whole sessions at once, no state."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from scalper.market import Session
from scalper.settings import FeatureSettings
from tests.features.reference import NEW_YORK, Columns, higher

LAGS = (1, 2, 4, 8, 16)


def variance_ratio(x: np.ndarray, q: int) -> float:
    """Lo & MacKinlay 1988, equations 12 and 13: x holds the closes of the window, one more than its changes."""
    n = len(x) - 1
    mean = (x[n] - x[0]) / n
    one = 0.0
    for k in range(1, n + 1):
        one += (x[k] - x[k - 1] - mean) ** 2
    many = 0.0
    for k in range(q, n + 1):
        many += (x[k] - x[k - q] - q * mean) ** 2
    one /= n - 1
    many /= q * (n - q + 1) * (1 - q / n)
    return many / one if one > 1e-12 else 1.0


def hurst(x: np.ndarray) -> float:
    """Half the slope of the mean squared change over its lag, both in logarithms."""
    squares = [float(np.mean((x[q:] - x[:-q]) ** 2)) for q in LAGS]
    if min(squares) == 0:
        return 0.5
    slope = np.polyfit(np.log(LAGS), np.log(squares), 1)[0]
    return float(np.clip(slope / 2, 0, 1))


def share(words: list[tuple[int, ...]], states: int) -> float:
    """Shannon's entropy of the words, as a share of the most that so many states can have."""
    shares = [count / len(words) for count in Counter(words).values()]
    return -sum(p * math.log(p) for p in shares) / math.log(states)


def entropy(x: np.ndarray) -> float:
    """Permutation entropy of order 3; a stable sort lets the earlier of equal closes come first."""
    return share([tuple(np.argsort(x[i : i + 3], kind="stable")) for i in range(len(x) - 2)], 6)


def entropy_sign(x: np.ndarray) -> float:
    signs = np.sign(np.diff(x)).astype(int).tolist()
    return share(list(pairwise(signs)), 9)


def efficiency(x: np.ndarray) -> float:
    path = float(np.abs(np.diff(x)).sum())
    return abs(float(x[-1] - x[0])) / path if path else 0.0


def regime(bars: np.ndarray, bar_ns: int, s: FeatureSettings, every: int = 1) -> Columns:
    """Every column of the group as float64 on each n-th row from the last, NaN elsewhere and before its window."""
    n, close = s.regime.window, bars["close"].astype(np.float64)
    names = ("variance_ratio_2", "variance_ratio_4", "variance_ratio_8", "hurst", "entropy", "entropy_sign")
    out = {name: np.full(bars.size, np.nan) for name in (*names, "efficiency", "volatility_ratio", "agreement")}
    trends = [higher(bars, bar_ns, name)[f"trend_{name}"] for name in s.higher]
    short, long = s.volatility[0], s.volatility[-1]
    for row in range(bars.size - 1, n - 1, -every):
        x = close[row - n : row + 1]
        for q in (2, 4, 8):
            out[f"variance_ratio_{q}"][row] = variance_ratio(x, q)
        out["hurst"][row] = hurst(x)
        out["entropy"][row] = entropy(x)
        out["entropy_sign"][row] = entropy_sign(x)
        out["efficiency"][row] = efficiency(x)
        votes = [np.sign(x[-1] * n - x[1:].sum()), *(np.sign(trend[row]) for trend in trends)]
        out["agreement"][row] = np.mean(votes)
    change = np.diff(close)
    for row in range(bars.size - 1, long - 1, -every):
        small, large = change[row - short : row].std(), change[row - long : row].std()
        out["volatility_ratio"][row] = small / large if large > 1e-12 else 1.0
    return out


def sessions(bars: np.ndarray, session: Session, bar_ns: int) -> Columns:
    """Which part of the world's day the bar ends in, by the wall clock."""
    wall = [datetime.fromtimestamp(int(end) // 10**9, UTC).astimezone(NEW_YORK) for end in bars["ts_ns"] + bar_ns]
    day = np.array([(at.date() - session.date).days for at in wall])
    minute = day * 1440 + np.array([at.hour * 60 + at.minute + at.second / 60 for at in wall])
    edges = {"in_asia": (-360, 120), "in_london": (120, 510), "in_new_york": (510, 960)}
    return {name: ((minute > a) & (minute <= b)).astype(np.float64) for name, (a, b) in edges.items()}


def amd(bars: np.ndarray, inside: np.ndarray, after: np.ndarray) -> Columns:
    """Phase, side and position of every bar; `inside` and `after` the window of the range are masks (n,)."""
    n = bars.size
    phase, side, position = np.zeros(n), np.zeros(n), np.full(n, 0.5)
    if not inside.any():
        return {"amd_phase": phase, "amd_side": side, "amd_position": position}
    first, high, low = int(inside.argmax()), int(bars["high"][inside].max()), int(bars["low"][inside].min())
    top = np.where(inside | ~after, np.maximum.accumulate(np.where(inside, bars["high"], bars["high"][first])), high)
    bottom = np.where(inside | ~after, np.minimum.accumulate(np.where(inside, bars["low"], bars["low"][first])), low)
    where = (bars["close"] - bottom) / np.maximum(top - bottom, 1)
    known = np.arange(n) >= first
    position[known] = np.clip(where, -3, 4)[known]
    phase[known] = 1
    middle = (high + low) / 2
    above, below = (bars["high"] > high) & after, (bars["low"] < low) & after
    which = np.where(above & below, np.sign(bars["close"] - middle), above.astype(int) - below.astype(int))
    if not which.any():
        return {"amd_phase": phase, "amd_side": side, "amd_position": position}
    broken = int((which != 0).argmax())
    up = which[broken] > 0
    phase[broken:], side[broken:] = 2, -0.5 if up else 0.5
    height = max(high - low, 1)
    back = bars["close"] < middle if up else bars["close"] > middle
    on = bars["close"] >= high + height if up else bars["close"] <= low - height
    decided = (back | on) & (np.arange(n) >= broken)
    if decided.any():
        at = int(decided.argmax())
        phase[at:], side[at:] = 3, (-1 if back[at] else 1) * (1 if up else -1)
    return {"amd_phase": phase, "amd_side": side, "amd_position": position}


def mirrored(bars: np.ndarray) -> np.ndarray:
    """Up is down, around 16,000 ticks; what was sold was bought."""
    out = bars.copy()
    for name, source in (("open", "open"), ("close", "close"), ("high", "low"), ("low", "high")):
        out[name] = 32_000 - bars[source]
    for name, source in (("bid_volume", "ask_volume"), ("bid_size", "ask_size")):
        out[name], out[source] = bars[source], bars[name]
    out["imbalance"] = -bars["imbalance"]
    return out
