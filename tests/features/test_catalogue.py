"""The catalogue and what `params` refuses; the context between sessions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scalper.errors import BadInput
from scalper.features import VERSION, catalogue, context, fresh, params
from scalper.features.catalogue import interval_ns
from scalper.market import BAR
from scalper.settings import REPOSITORY, FeatureSettings, load_lane

MINUTE, SECOND = 60 * 10**9, 10**9
FITS = {"ema": (9, 21, 40), "higher": ("5m",)}
"""Warm within a quarter of a session of one-minute bars: 345."""


def test_names_are_unique_and_say_what_they_are() -> None:
    rows = catalogue(FeatureSettings(), SECOND)
    assert len({row.name for row in rows}) == len(rows) == 61
    assert all(row.formula and row.unit and row.group for row in rows)
    assert {row.kind for row in rows} == {"finite", "recursive", "anchored"}


def test_warm_up_is_the_longest() -> None:
    assert params(FeatureSettings(), SECOND)["warm_up"][0] == max(8 * 200, 7 * 300)
    assert params(FeatureSettings(**FITS), MINUTE)["warm_up"][0] == 8 * 40


@pytest.mark.parametrize(
    ("changes", "bar_ns", "says"),
    [
        ({"higher": ("5m",)}, MINUTE, "ema_50 needs 400 bars"),
        (
            FITS | {"ema": (9, 50)},
            MINUTE,
            "ema_50 needs 400 bars to warm up, more than a quarter of a session (345 bars)",
        ),
        (FITS | {"higher": ("50m",)}, MINUTE, "trend_50m needs 350"),
        (FITS | {"volatility": (344, 345)}, MINUTE, "volatility_345 needs 346"),
        (FITS | {"higher": ("1m",)}, MINUTE, "1m is no multiple"),
        (FITS | {"higher": ("7m",)}, 5 * MINUTE, "7m is no multiple"),
        (FITS | {"higher": ("5x",)}, MINUTE, "5x is no interval"),
        (FITS | {"higher": ("0m",)}, MINUTE, "0m is no interval"),
        (FITS | {"higher": ("2m", "3m", "4m", "5m")}, MINUTE, "at most 3 intervals"),
        (FITS | {"returns": tuple(range(1, 10))}, MINUTE, "features.returns: 9 windows; at most 8"),
        ({"returns": (511,)}, SECOND, "return_511 looks 511 bars back; at most 510"),
        ({"atr": 65}, SECOND, "features.atr: 65 is above 64"),
    ],
)
def test_refused_windows(changes: dict[str, Any], bar_ns: int, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        params(FeatureSettings(**changes), bar_ns)
    assert says in str(caught.value)


def test_longest_windows_that_fit() -> None:
    params(FeatureSettings(returns=(510,), atr=64, volatility=(509,)), SECOND)
    params(FeatureSettings(ema=(9, 43), volatility=(344,), higher=("49m",)), MINUTE)


@pytest.mark.parametrize("name", ["demo", "demo_null", "es_5m", "mes_1s"])
def test_lanes_of_the_repository_are_warm_in_time(name: str) -> None:
    lane = load_lane(REPOSITORY / "config" / f"{name}.yaml")
    row = params(lane.features, lane.interval_ns)
    assert 0 < row["warm_up"][0] <= 82_800 * SECOND // lane.interval_ns // 4


def test_intervals() -> None:
    assert (interval_ns("1m"), interval_ns("15m"), interval_ns("1h")) == (MINUTE, 15 * MINUTE, 60 * MINUTE)


def test_context_goes_on_within_a_contract_only() -> None:
    bars = np.zeros(3, BAR)
    bars["close"], bars["high"], bars["low"] = (5, 6, 7), (9, 12, 8), (4, 2, 7)
    left = context("MESU21", bars)
    seeded = fresh("MESU21", left)
    assert (seeded["prior_close"][0], seeded["prior_high"][0], seeded["prior_low"][0]) == (7, 12, 2)
    assert seeded["version"][0] == VERSION
    older = left.copy()
    older["version"] = VERSION - 1
    for empty in (fresh("MESZ21", left), fresh("MESU21", None), fresh("MESU21", older)):
        assert np.isnan([empty[f"prior_{name}"][0] for name in ("close", "high", "low")]).all()
