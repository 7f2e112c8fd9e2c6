"""The catalogue: every column of a lane with its formula, and the parameters by which the kernel makes them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from types import ModuleType

import numpy as np

from scalper.errors import BadInput
from scalper.features import kernel
from scalper.features.core import RING, Feature
from scalper.features.groups import ORDER, volatility
from scalper.settings import SESSION_NS, FeatureSettings

WINDOWS = 8  # of a kind


def chosen(settings: FeatureSettings) -> tuple[ModuleType, ...]:
    """The modules of the lane's groups, in the kernel's order."""
    return tuple(group for group in ORDER if group.NAME in settings.groups)


def needed(settings: FeatureSettings) -> tuple[ModuleType, ...]:
    """Those, and the groups whose state they read."""
    names = set(settings.groups)
    for group in reversed(ORDER):
        if group.NAME in names:
            names |= set(group.NEEDS)
    return tuple(group for group in ORDER if group.NAME in names)


def catalogue(settings: FeatureSettings, bar_ns: int) -> tuple[Feature, ...]:
    """Every column of a lane, in the kernel's order. Raises BadInput for an interval it cannot read."""
    return tuple(feature for group in chosen(settings) for feature in group.catalogue(settings, bar_ns))


def params(settings: FeatureSettings, bar_ns: int, *, masked: bool = True) -> np.ndarray:
    """The groups and windows as a one-element array of kernel.PARAMS.

    `masked` False: no row is held back until all columns are warm. Raises BadInput when a window does not fit the
    kernel's ring, when a coarser interval is no multiple of the lane's, or when a column would not be warm within a
    quarter of a session (SPEC 3).
    """
    _fit(settings)
    row = np.zeros(1, kernel.PARAMS)
    columns = catalogue(settings, bar_ns)
    row["columns"] = sum(group.BIT for group in chosen(settings))
    row["updates"] = sum(group.BIT for group in needed(settings))
    row["width"] = len(columns)
    volatility.fill_ticks(row, settings, bar_ns)
    for group in needed(settings):
        group.fill(row, settings, bar_ns)
    stops = Feature("volatility_ticks", "", "", "", volatility.warm_up(settings, bar_ns))
    quarter = SESSION_NS // bar_ns // 4
    for feature in (*columns, stops):
        _check(feature, quarter)
    row["digest"] = _digest(row, bar_ns, [feature.name for feature in columns])
    if masked:
        row["warm_up"] = max(feature.warm_up for feature in (*columns, stops))
    return row


def _fit(settings: FeatureSettings) -> None:
    """Raise BadInput for windows that the parameters or the rings have no room for."""
    for key in ("returns", "ema", "volatility", "volume", "flow"):
        if len(getattr(settings, key)) > WINDOWS:
            raise BadInput(f"features.{key}: {len(getattr(settings, key))} windows; at most {WINDOWS}")
    for key in ("returns", "volatility", "volume", "flow", "bollinger", "rsi", "stochastic", "obv", "vwap_slope"):
        window: int | tuple[int, ...] = getattr(settings, key)
        longest = max(window) if isinstance(window, tuple) else window
        if longest > RING - 2:
            raise BadInput(f"features.{key}: {longest} bars; at most {RING - 2}")


def _digest(row: np.ndarray, bar_ns: int, names: Sequence[str]) -> int:
    """The first 8 bytes of SHA-256 over the parameters that a state depends on, its layout, and the columns."""
    told = repr((kernel.VERSION, kernel.STATE.descr, bar_ns, list(names))).encode()
    return int.from_bytes(hashlib.sha256(row.tobytes() + told).digest()[:8], "little")


def _check(feature: Feature, quarter: int) -> None:
    if feature.warm_up > quarter:
        remedy = "shorten its window, or those of what it is made of"
        if feature.group == "structure":
            remedy = "shorten features.structure.memory or features.frame"
        raise BadInput(
            f"features: {feature.name} needs {feature.warm_up} bars to warm up, more than a quarter of a session "
            f"({quarter} bars); {remedy}"
        )
