"""The same kind of features as people write them with pandas and polars, under the catalogue's names, and the label.

Both leave out what takes a Python loop or a join: VWAP, the clock, the session before, completed higher bars. Frames
hold open, high, low, close and volume as float64, in ticks; NaN (0 / 0) becomes the catalogue's value for flat bars.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
import polars as pl

from scalper.settings import Lane


def with_pandas(bars: pd.DataFrame, lane: Lane) -> pd.DataFrame:
    """Features (float32) and `label` of one session, row by row as `bars`."""
    s, out = lane.features, dict[str, Any]()
    opened, high, low, close, volume = (cast(Any, bars[name]) for name in ("open", "high", "low", "close", "volume"))
    change, spread = close.diff().fillna(0.0), high - low
    for k in s.returns:
        ratio = close / close.shift(k)
        out[f"return_{k}"], out[f"log_return_{k}"] = 1e4 * (ratio - 1), 1e4 * np.log(ratio)
    ema = {n: close.ewm(span=n, adjust=False).mean() for n in s.ema}
    out |= {f"ema_{n}": close - average for n, average in ema.items()}
    out |= {f"ema_{a}_{b}": ema[a] - ema[b] for a, b in zip(s.ema, s.ema[1:], strict=False)}
    last = close.shift(1).fillna(close)
    atr = (np.maximum(high, last) - np.minimum(low, last)).rolling(s.atr).mean()
    out |= {"atr": atr, "atr_bp": 1e4 * atr / close}
    window = close.rolling(s.bollinger)
    deviation = window.std(ddof=0)
    out["bollinger_width"] = 4 * deviation
    out["bollinger"] = ((close - window.mean()) / (2 * deviation)).fillna(0.0)
    out |= {f"volatility_{k}": change.rolling(k).std(ddof=0) for k in s.volatility}
    gain, loss = change.clip(lower=0).rolling(s.rsi).sum(), (-change).clip(lower=0).rolling(s.rsi).sum()
    out["rsi"] = (100 * gain / (gain + loss)).fillna(50.0)
    fast, slow, signal = s.macd
    macd = close.ewm(span=fast, adjust=False).mean() - close.ewm(span=slow, adjust=False).mean()
    smooth = macd.ewm(span=signal, adjust=False).mean()
    out |= {"macd": macd, "macd_signal": smooth, "macd_histogram": macd - smooth}
    bottom, top = low.rolling(s.stochastic).min(), high.rolling(s.stochastic).max()
    out["stochastic"] = (100 * (close - bottom) / (top - bottom)).fillna(50.0)
    out["stochastic_3"] = out["stochastic"].rolling(3).mean()
    side = np.sign(close - opened)
    out |= {"direction": side, "body": ((close - opened).abs() / spread).fillna(0.0)}
    out["upper_wick"] = ((high - np.maximum(opened, close)) / spread).fillna(0.0)
    out["lower_wick"] = ((np.minimum(opened, close) - low) / spread).fillna(0.0)
    out |= {"gap": opened - close.shift(1), "range": spread}
    means = {k: volume.rolling(k).mean() for k in s.volume}
    out |= {f"volume_{k}": (volume / mean).fillna(0.0) for k, mean in means.items()}
    out["volume_delta"] = (side * volume / means[s.volume[-1]]).fillna(0.0)
    flow = (np.sign(change) * volume).rolling(s.obv).sum()
    out["obv"] = (flow / volume.rolling(s.obv).sum()).fillna(0.0)
    features = pd.DataFrame(out).astype(np.float32)
    move = close.shift(-lane.labels.horizon) - close
    threshold = lane.labels.threshold_ticks
    features["label"] = np.where(move > threshold, 2, np.where(move < -threshold, 0, 1)).astype(np.int8)
    return features


def with_polars(bars: pl.DataFrame, lane: Lane) -> pl.DataFrame:
    """As with_pandas, by lazy expressions: polars plans them together and uses its threads."""
    s, out = lane.features, dict[str, pl.Expr]()
    opened, high, low, close, volume = (pl.col(name) for name in ("open", "high", "low", "close", "volume"))
    change, last, spread, atr, deviation = (pl.col(name) for name in ("change", "last", "spread", "_atr", "_deviation"))
    base = bars.lazy().with_columns(
        change=close.diff().fill_null(0.0), last=close.shift(1).fill_null(close), spread=high - low
    )
    for k in s.returns:
        ratio = close / close.shift(k)
        out[f"return_{k}"], out[f"log_return_{k}"] = 1e4 * (ratio - 1), 1e4 * ratio.log()
    ema = {n: pl.col(f"_ema_{n}") for n in s.ema}
    base = base.with_columns(
        *(close.ewm_mean(span=n, adjust=False).alias(f"_ema_{n}") for n in s.ema),
        _atr=(pl.max_horizontal(high, last) - pl.min_horizontal(low, last)).rolling_mean(s.atr),
        _deviation=close.rolling_std(s.bollinger, ddof=0),
        _macd=close.ewm_mean(span=s.macd[0], adjust=False) - close.ewm_mean(span=s.macd[1], adjust=False),
        _gain=change.clip(lower_bound=0).rolling_sum(s.rsi),
        _loss=(-change).clip(lower_bound=0).rolling_sum(s.rsi),
        _bottom=low.rolling_min(s.stochastic),
        _top=high.rolling_max(s.stochastic),
        _side=(close - opened).sign(),
    ).with_columns(
        _signal=pl.col("_macd").ewm_mean(span=s.macd[2], adjust=False),
        stochastic=(100 * (close - pl.col("_bottom")) / (pl.col("_top") - pl.col("_bottom"))).fill_nan(50.0),
    )
    out |= {f"ema_{n}": close - average for n, average in ema.items()}
    out |= {f"ema_{a}_{b}": ema[a] - ema[b] for a, b in zip(s.ema, s.ema[1:], strict=False)}
    out |= {"atr": atr, "atr_bp": 1e4 * atr / close, "bollinger_width": 4 * deviation}
    out["bollinger"] = ((close - close.rolling_mean(s.bollinger)) / (2 * deviation)).fill_nan(0.0)
    out |= {f"volatility_{k}": change.rolling_std(k, ddof=0) for k in s.volatility}
    out["rsi"] = (100 * pl.col("_gain") / (pl.col("_gain") + pl.col("_loss"))).fill_nan(50.0)
    out |= {"macd": pl.col("_macd"), "macd_signal": pl.col("_signal")}
    out["macd_histogram"] = pl.col("_macd") - pl.col("_signal")
    out |= {"stochastic": pl.col("stochastic"), "stochastic_3": pl.col("stochastic").rolling_mean(3)}
    out |= {"direction": pl.col("_side"), "body": ((close - opened).abs() / spread).fill_nan(0.0)}
    out["upper_wick"] = ((high - pl.max_horizontal(opened, close)) / spread).fill_nan(0.0)
    out["lower_wick"] = ((pl.min_horizontal(opened, close) - low) / spread).fill_nan(0.0)
    out |= {"gap": opened - close.shift(1), "range": spread}
    means = {k: volume.rolling_mean(k) for k in s.volume}
    out |= {f"volume_{k}": (volume / mean).fill_nan(0.0) for k, mean in means.items()}
    out["volume_delta"] = (pl.col("_side") * volume / means[s.volume[-1]]).fill_nan(0.0)
    flow = (change.sign() * volume).rolling_sum(s.obv)
    out["obv"] = (flow / volume.rolling_sum(s.obv)).fill_nan(0.0)
    move, threshold = close.shift(-lane.labels.horizon) - close, lane.labels.threshold_ticks
    label = pl.when(move > threshold).then(2).when(move < -threshold).then(0).otherwise(1).cast(pl.Int8)
    return base.select(*(column.cast(pl.Float32).alias(name) for name, column in out.items()), label=label).collect()
