"""The same kind of features as a practitioner writes them with pandas and polars, under the catalogue's names.

Both do returns, exponential averages, ATR, Bollinger, rolling volatility, RSI, MACD, stochastic, shape of the bar,
volume ratios, volume delta, OBV and the label. They leave out what takes a Python loop or a join: VWAP, the clock,
the session before, completed higher bars.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl

from scalper.settings import FeatureSettings, Lane


def COLUMNS(s: FeatureSettings) -> list[str]:  # noqa: N802
    return []
