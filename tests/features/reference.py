"""The catalogue's formulas written out plainly, for comparison: numpy and polars over the whole session at once."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from scalper.features.core import interval_ns
from scalper.market import Session
from scalper.settings import FeatureSettings

NEW_YORK = ZoneInfo("America/New_York")
Columns = dict[str, np.ndarray]


def windows(values: np.ndarray, k: int) -> np.ndarray:
    """(n, k) windows that end at each row, NaN before the first."""
    padded = np.concatenate([np.full(k - 1, np.nan), values.astype(np.float64)])
    return np.lib.stride_tricks.sliding_window_view(padded, k)


def shifted(values: np.ndarray, k: int) -> np.ndarray:
    """The value k rows before, NaN where there is none."""
    return pl.Series(values.astype(np.float64)).shift(k).fill_null(np.nan).to_numpy()


def divided(a: np.ndarray, b: np.ndarray, otherwise: float | np.ndarray) -> np.ndarray:
    """a / b, `otherwise` where b is 0."""
    zero = b == 0
    return np.where(zero, otherwise, a / np.where(zero, 1, b))


def ema(values: np.ndarray, n: int) -> np.ndarray:
    return pl.Series(values.astype(np.float64)).ewm_mean(span=n, adjust=False).to_numpy()


def true_range(high: np.ndarray, low: np.ndarray, close: np.ndarray) -> np.ndarray:
    before = shifted(close, 1)
    return np.fmax(high, before) - np.fmin(low, before)


def vwap(bars: np.ndarray, regular_open_ns: int, slope: int) -> Columns:
    regular = bars["ts_ns"] >= regular_open_ns
    price, since = np.empty(bars.size), np.empty(bars.size, np.int64)
    for part in (regular, ~regular):
        rows = bars[part]
        typical = (rows["high"] + rows["low"] + rows["close"]) / 3
        total = np.cumsum(rows["volume"])
        price[part] = divided(np.cumsum(typical * rows["volume"]), total, rows["close"].astype(np.float64))
        since[part] = np.arange(rows.size)
    k = np.minimum(slope, since)
    before = price[np.arange(bars.size) - k]
    return {"vwap": bars["close"] - price, "vwap_slope": divided(price - before, k, 0.0)}


def clock(bars: np.ndarray, session: Session, bar_ns: int) -> Columns:
    ends = bars["ts_ns"] + bar_ns
    wall = [datetime.fromtimestamp(int(end) // 10**9, UTC).astimezone(NEW_YORK) for end in ends]
    day = np.array([(at.date() - session.date).days for at in wall])
    minute = day * 1440 + np.array([at.hour * 60 + at.minute + at.second / 60 for at in wall])
    to_close = (session.regular_close_ns - ends) / 6e10
    return {
        "to_close": to_close,
        "day_sin": np.sin(2 * np.pi * minute / 1440),
        "day_cos": np.cos(2 * np.pi * minute / 1440),
        "week_sin": np.full(bars.size, np.sin(2 * np.pi * session.date.weekday() / 5)),
        "week_cos": np.full(bars.size, np.cos(2 * np.pi * session.date.weekday() / 5)),
        "at_open": (minute > 570) & (minute <= 600),
        "at_lunch": (minute > 720) & (minute <= 810),
        "at_close": (to_close >= 0) & (to_close < 30),
    }


def completed(bars: np.ndarray, bar_ns: int, length: int) -> tuple[Columns, np.ndarray]:
    """Bars of `length` and, for each row, how many of them have completed by its end."""
    bucket = bars["ts_ns"] // length
    frame = pl.DataFrame({name: bars[name] for name in ("high", "low", "close")}).with_columns(bucket=bucket)
    grouped = frame.group_by("bucket", maintain_order=True).agg(pl.max("high"), pl.min("low"), pl.last("close"))
    order = np.searchsorted(grouped["bucket"].to_numpy(), bucket)
    ended = (bars["ts_ns"] + bar_ns) % length == 0
    return {name: grouped[name].to_numpy() for name in ("high", "low", "close")}, order + ended


def higher(bars: np.ndarray, bar_ns: int, name: str) -> Columns:
    made, done = completed(bars, bar_ns, interval_ns(name))
    close, ranges = made["close"].astype(np.float64), true_range(made["high"], made["low"], made["close"])
    values = {
        f"trend_{name}": close - windows(close, 5).mean(axis=1),
        f"momentum_{name}": close - shifted(close, 3),
        f"range_{name}": windows(ranges, 5).mean(axis=1),
    }
    return {key: np.concatenate([[np.nan], value])[done] for key, value in values.items()}


def volatility(bars: np.ndarray, bar_ns: int, atr: int) -> np.ndarray:
    """Mean true range of the last completed minutes."""
    made, done = completed(bars, bar_ns, max(bar_ns, 60_000_000_000))
    ranges = windows(true_range(made["high"], made["low"], made["close"]), atr).mean(axis=1)
    return np.concatenate([[np.nan], ranges])[done]


def reference(bars: np.ndarray, session: Session, bar_ns: int, s: FeatureSettings, prior: dict[str, float]) -> Columns:
    """Every column of the catalogue as float64; NaN where its window has not filled."""
    o, h, low, c, v = (bars[name].astype(np.float64) for name in ("open", "high", "low", "close", "volume"))
    change = c - shifted(c, 1)
    out: Columns = {}
    for k in s.returns:
        out[f"return_{k}"] = 1e4 * (c / shifted(c, k) - 1)
        out[f"log_return_{k}"] = 1e4 * np.log(c / shifted(c, k))
    for n in s.ema:
        out[f"ema_{n}"] = c - ema(c, n)
    for a, b in zip(s.ema, s.ema[1:], strict=False):
        out[f"ema_{a}_{b}"] = ema(c, a) - ema(c, b)
    for a, b in zip(s.ema, s.ema[1:], strict=False):
        side = np.sign(out[f"ema_{a}_{b}"])
        before = np.concatenate([[0.0], side[:-1]])
        out[f"cross_{a}_{b}"] = ((side > 0) & (before <= 0)) * 1.0 - ((side < 0) & (before >= 0))
    out |= vwap(bars, session.ny(9, 30), s.vwap_slope)
    out |= clock(bars, session, bar_ns)
    out["atr"] = windows(true_range(h, low, c), s.atr).mean(axis=1)
    out["atr_bp"] = 1e4 * out["atr"] / c
    mean, deviation = windows(c, s.bollinger).mean(axis=1), windows(c, s.bollinger).std(axis=1)
    out["bollinger_width"] = 4 * deviation
    out["bollinger"] = divided(c - mean, 2 * deviation, 0.0)
    for k in s.volatility:
        out[f"volatility_{k}"] = windows(change, k).std(axis=1)
    gains, losses = (
        windows(np.maximum(change, 0), s.rsi).sum(axis=1),
        windows(np.maximum(-change, 0), s.rsi).sum(axis=1),
    )
    out["rsi"] = divided(100 * gains, gains + losses, 50.0)
    fast, slow, signal = s.macd
    out["macd"] = ema(c, fast) - ema(c, slow)
    out["macd_signal"] = ema(out["macd"], signal)
    out["macd_histogram"] = out["macd"] - out["macd_signal"]
    top, bottom = windows(h, s.stochastic).max(axis=1), windows(low, s.stochastic).min(axis=1)
    out["stochastic"] = divided(100 * (c - bottom), top - bottom, 50.0)
    out["stochastic_3"] = windows(out["stochastic"], 3).mean(axis=1)
    out["direction"] = np.sign(c - o)
    out["body"] = divided(np.abs(c - o), h - low, 0.0)
    out["upper_wick"] = divided(h - np.maximum(o, c), h - low, 0.0)
    out["lower_wick"] = divided(np.minimum(o, c) - low, h - low, 0.0)
    out["gap"] = o - shifted(c, 1)
    out["range"] = h - low
    out |= {f"prior_{name}": c - prior[name] for name in ("close", "high", "low")}
    out["opening_gap"] = np.full(bars.size, o[0] - prior["close"])
    out["prior_range"] = (np.maximum.accumulate(h) - np.minimum.accumulate(low)) / prior["range"]
    out["prior_volatility"] = volatility(bars, bar_ns, s.atr) / prior["volatility"]
    for k in s.volume:
        out[f"volume_{k}"] = divided(v, windows(v, k).mean(axis=1), 0.0)
    long = s.volume[-1]
    out["volume_delta"] = divided(np.sign(c - o) * v, windows(v, long).mean(axis=1), 0.0)
    out["obv"] = divided(windows(np.sign(change) * v, s.obv).sum(axis=1), windows(v, s.obv).sum(axis=1), 0.0)
    for name in s.higher:
        out |= higher(bars, bar_ns, name)
    return out
