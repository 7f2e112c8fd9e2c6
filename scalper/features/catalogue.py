"""The catalogue: name, group, formula, unit and warm-up of every column, in the kernel's order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalper.errors import BadInput
from scalper.features import kernel
from scalper.market import INTERVALS
from scalper.settings import FeatureSettings

MINUTE_NS = 60_000_000_000
RECURSIVE = 8
"""An exponential average over n bars forgets its seed to 1e-7 after 8 n bars."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column. `warm_up` counts the bars that must have passed; `kind` says how far back the column remembers.

    finite: only the last `warm_up` + 1 bars. recursive: everything, fading. anchored: everything since a fixed time of
    the session, or the session before.
    """

    name: str
    group: str
    formula: str
    unit: str
    warm_up: int
    kind: str = "finite"


def interval_ns(name: str) -> int:
    """Length of an interval such as `5m` in nanoseconds. Raises BadInput for a name it cannot read."""
    if name in INTERVALS:
        return INTERVALS[name]
    if name.endswith("m") and name[:-1].isdigit() and int(name[:-1]) > 0:
        return int(name[:-1]) * MINUTE_NS
    raise BadInput(f"features.higher: {name} is no interval; write minutes, such as 5m or 15m")


def _returns(s: FeatureSettings) -> list[Feature]:
    rows: list[Feature] = []
    for k in s.returns:
        rows.append(Feature(f"return_{k}", "returns", f"close / close[-{k}] - 1", "bp", k))
        rows.append(Feature(f"log_return_{k}", "returns", f"ln(close / close[-{k}])", "bp", k))
    return rows


def _trend(s: FeatureSettings) -> list[Feature]:
    rows = [Feature(f"ema_{n}", "trend", f"close - EMA({n})", "ticks", RECURSIVE * n, "recursive") for n in s.ema]
    for a, b in zip(s.ema, s.ema[1:], strict=False):
        rows.append(Feature(f"ema_{a}_{b}", "trend", f"EMA({a}) - EMA({b})", "ticks", RECURSIVE * b, "recursive"))
    rows.append(Feature("vwap", "trend", "close - VWAP since 09:30 New York", "ticks", 0, "anchored"))
    slope = f"(VWAP - VWAP[-{s.vwap_slope}]) / {s.vwap_slope}, over fewer bars just after the anchor"
    rows.append(Feature("vwap_slope", "trend", slope, "ticks/bar", s.vwap_slope, "anchored"))
    return rows


def _time() -> list[Feature]:
    return [
        Feature("to_close", "time", "regular close - end of the bar", "minutes", 0),
        Feature("day_sin", "time", "sin(2 pi New York minute / 1440)", "1", 0),
        Feature("day_cos", "time", "cos(2 pi New York minute / 1440)", "1", 0),
        Feature("week_sin", "time", "sin(2 pi weekday / 5)", "1", 0),
        Feature("week_cos", "time", "cos(2 pi weekday / 5)", "1", 0),
        Feature("at_open", "time", "bar ends in (09:30, 10:00] New York", "0/1", 0),
        Feature("at_lunch", "time", "bar ends in (12:00, 13:30] New York", "0/1", 0),
        Feature("at_close", "time", "bar ends in the last 30 minutes of regular hours", "0/1", 0),
    ]


def _volatility(s: FeatureSettings) -> list[Feature]:
    rows = [
        Feature("atr", "volatility", f"mean true range of {s.atr} bars", "ticks", s.atr),
        Feature("atr_bp", "volatility", "atr / close", "bp", s.atr),
        Feature("bollinger_width", "volatility", f"4 x deviation of {s.bollinger} closes", "ticks", s.bollinger),
        Feature("bollinger", "volatility", "(close - mean) / (2 x deviation), 0 if flat", "1", s.bollinger),
    ]
    text = "deviation of one-bar changes over"
    return rows + [Feature(f"volatility_{k}", "volatility", f"{text} {k}", "ticks", k + 1) for k in s.volatility]


def _momentum(s: FeatureSettings) -> list[Feature]:
    fast, slow, signal = s.macd
    warm = RECURSIVE * (slow + signal)
    return [
        Feature(
            "rsi", "momentum", f"100 gains / (gains + losses) over {s.rsi} changes (Cutler), 50 if none", "%", s.rsi + 1
        ),
        Feature("macd", "momentum", f"EMA({fast}) - EMA({slow})", "ticks", RECURSIVE * slow, "recursive"),
        Feature("macd_signal", "momentum", f"EMA({signal}) of macd", "ticks", warm, "recursive"),
        Feature("macd_histogram", "momentum", "macd - macd_signal", "ticks", warm, "recursive"),
        Feature(
            "stochastic",
            "momentum",
            f"100 (close - low) / (high - low) over {s.stochastic}, 50 if flat",
            "%",
            s.stochastic,
        ),
        Feature("stochastic_3", "momentum", "mean of the last 3 stochastic", "%", s.stochastic + 3),
    ]


def _bar() -> list[Feature]:
    return [
        Feature("direction", "bar", "sign(close - open)", "-1/0/1", 0),
        Feature("body", "bar", "|close - open| / (high - low), 0 if flat", "1", 0),
        Feature("upper_wick", "bar", "(high - max(open, close)) / (high - low), 0 if flat", "1", 0),
        Feature("lower_wick", "bar", "(min(open, close) - low) / (high - low), 0 if flat", "1", 0),
        Feature("gap", "bar", "open - close of the bar before", "ticks", 1),
        Feature("range", "bar", "high - low", "ticks", 0),
        Feature("prior_close", "bar", "close - close of the session before, NaN after a roll", "ticks", 0, "anchored"),
        Feature("prior_high", "bar", "close - high of the session before, NaN after a roll", "ticks", 0, "anchored"),
        Feature("prior_low", "bar", "close - low of the session before, NaN after a roll", "ticks", 0, "anchored"),
    ]


def _volume(s: FeatureSettings) -> list[Feature]:
    rows = [Feature(f"volume_{k}", "volume", f"volume / mean of {k}, 0 if none", "1", k) for k in s.volume]
    long = s.volume[-1]
    delta = f"sign(close - open) x volume / mean volume of {long}, 0 if none"
    obv = f"sum of sign(change) x volume over {s.obv}, over the sum of volume; 0 if none"
    return [*rows, Feature("volume_delta", "volume", delta, "1", long), Feature("obv", "volume", obv, "1", s.obv + 1)]


def _higher(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    rows: list[Feature] = []
    for name in s.higher:
        warm = (kernel.TREND + 2) * (interval_ns(name) // bar_ns)
        text = f"of the last completed {name} bars"
        rows += [
            Feature(f"trend_{name}", "higher", f"newest close - mean of {kernel.TREND} closes {text}", "ticks", warm),
            Feature(
                f"momentum_{name}", "higher", f"newest close - close {kernel.MOMENTUM} before, {text}", "ticks", warm
            ),
            Feature(f"range_{name}", "higher", f"mean true range of {kernel.TREND} {text}", "ticks", warm),
        ]
    return rows


def catalogue(settings: FeatureSettings, bar_ns: int) -> tuple[Feature, ...]:
    """Every column of a lane, in the kernel's order."""
    groups = (
        _returns(settings),
        _trend(settings),
        _time(),
        _volatility(settings),
        _momentum(settings),
        _bar(),
        _volume(settings),
        _higher(settings, bar_ns),
    )
    return tuple(feature for group in groups for feature in group)


def params(settings: FeatureSettings, bar_ns: int, session_ns: int = 82_800_000_000_000) -> np.ndarray:
    """The windows as a one-element array of kernel.PARAMS.

    Raises BadInput when a window does not fit the kernel's ring, when a higher interval is no multiple of the lane's,
    or when a column would not be warm within a quarter of a session (SPEC 3).
    """
    row = np.zeros(1, kernel.PARAMS)
    for key in ("returns", "ema", "volatility", "volume"):
        windows = getattr(settings, key)
        if len(windows) > 8:
            raise BadInput(f"features.{key}: {len(windows)} windows; at most 8")
        row[f"n_{key}"] = len(windows)
        row[key][0, : len(windows)] = windows
    for key in ("atr", "bollinger", "rsi", "stochastic", "macd", "obv", "vwap_slope"):
        row[key] = getattr(settings, key)
    if settings.atr > kernel.HISTORY:
        raise BadInput(f"features.atr: {settings.atr} is above {kernel.HISTORY}")
    if len(settings.higher) >= kernel.SLOTS:
        raise BadInput(f"features.higher: at most {kernel.SLOTS - 1} intervals")
    row["n_higher"] = len(settings.higher)
    row["higher_ns"][0, 0] = max(bar_ns, MINUTE_NS)
    for slot, name in enumerate(settings.higher, 1):
        length = interval_ns(name)
        if length % bar_ns or length <= bar_ns:
            raise BadInput(f"features.higher: {name} is no multiple of the lane's interval")
        row["higher_ns"][0, slot] = length
    volatility = Feature("volatility_ticks", "", "", "", (settings.atr + 2) * max(MINUTE_NS // bar_ns, 1))
    columns = (*catalogue(settings, bar_ns), volatility)
    quarter = session_ns // bar_ns // 4
    for feature in columns:
        in_ring = feature.kind == "finite" and feature.group != "higher" and feature is not volatility
        if in_ring and feature.warm_up > kernel.RING - 2:
            raise BadInput(f"features: {feature.name} looks {feature.warm_up} bars back; at most {kernel.RING - 2}")
        if feature.warm_up > quarter:
            raise BadInput(
                f"features: {feature.name} needs {feature.warm_up} bars to warm up, more than a quarter of a session "
                f"({quarter} bars); shorten its window"
            )
    row["warm_up"] = max(feature.warm_up for feature in columns)
    return row
