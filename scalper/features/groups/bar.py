# pyright: basic
"""The shape of the bar itself, and where the session stands beside the one before it."""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel
from scalper.features.core import Feature, back, ratio, sign
from scalper.features.groups import volatility
from scalper.settings import FeatureSettings

NAME = "bar"
BIT = 1 << 5
NEEDS: tuple[str, ...] = ()
FIELDS = [("session_open", "i8")]
PARAMS: list[tuple] = []
_ROLL = "no session before, or after a roll"
_SHAPE = ("open", "high", "low", "close")


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns, in the order in which `write` writes them."""

    def shape(name: str, formula: str, unit: str, warm: int = 0) -> Feature:
        return Feature(name, NAME, formula, unit, warm, inputs=_SHAPE)

    def prior(name: str, formula: str, unit: str, inputs: tuple[str, ...], source: str = "", warm: int = 0) -> Feature:
        return Feature(name, NAME, formula, unit, warm, "context", inputs, source, _ROLL)

    width = "(session high - session low so far) / range of the session before, 1 if that was 0"
    speed = "volatility_ticks / mean true range of the minutes with trades of the session before, 1 if that was 0"
    return [
        shape("direction", "sign(close - open)", "-1/0/1"),
        shape("body", "|close - open| / (high - low), 0 if flat", "1"),
        shape("upper_wick", "(high - max(open, close)) / (high - low), 0 if flat", "1"),
        shape("lower_wick", "(min(open, close) - low) / (high - low), 0 if flat", "1"),
        shape("gap", "open - close of the bar before", "ticks", 1),
        shape("range", "high - low", "ticks"),
        prior("prior_close", "close - close of the session before", "ticks", ("close",)),
        prior("prior_high", "close - high of the session before", "ticks", ("close",)),
        prior("prior_low", "close - low of the session before", "ticks", ("close",)),
        prior("opening_gap", "first open of the session - close of the session before", "ticks", ("open",)),
        prior("prior_range", width, "1", ("high", "low"), "Crabel, range expansion"),
        prior("prior_volatility", speed, "1", ("high", "low", "close"), warm=volatility.warm_up(s, bar_ns)),
    ]


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """Nothing to choose."""


@kernel
def update(s, p, bar, t):
    """Remember the session's first open."""
    if s.n == 1:
        s.session_open = bar.open


@kernel
def write(s, p, bar, t, out, c):
    """Write the columns from c on; returns the next."""
    height = bar.high - bar.low
    out[c] = sign(bar.close - bar.open)
    out[c + 1] = ratio(abs(bar.close - bar.open), height, 0.0)
    out[c + 2] = ratio(bar.high - max(bar.open, bar.close), height, 0.0)
    out[c + 3] = ratio(min(bar.open, bar.close) - bar.low, height, 0.0)
    out[c + 4] = bar.open - back(s.close, s.n, 1) if s.n > 1 else 0
    out[c + 5] = height
    out[c + 6] = bar.close - s.prior_close
    out[c + 7] = bar.close - s.prior_high
    out[c + 8] = bar.close - s.prior_low
    out[c + 9] = s.session_open - s.prior_close
    out[c + 10] = ratio(s.session_high - s.session_low, s.prior_range, 1.0)
    out[c + 11] = ratio(volatility.ticks(s, p), s.prior_volatility, 1.0)
    return c + 12
