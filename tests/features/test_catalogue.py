"""The catalogue and what `params` refuses; the context between sessions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scalper.errors import BadInput
from scalper.features import VERSION, catalogue, context, fresh, params
from scalper.features.core import KINDS, interval_ns
from scalper.market import BAR
from scalper.settings import REPOSITORY, FeatureSettings, load_lane

MINUTE, SECOND = 60 * 10**9, 10**9
STRUCTURE = {"groups": ("structure",)}
FITS = {"ema": (9, 21, 40), "higher": ("5m",)}
"""Warm within a quarter of a session of one-minute bars: 345."""
PRIOR = ("close", "high", "low", "range", "volatility")


def test_names_are_unique_and_say_what_they_are() -> None:
    rows = catalogue(FeatureSettings(), SECOND)
    assert len({row.name for row in rows}) == len(rows) == 67
    assert all(row.formula and row.unit and row.group for row in rows)
    assert {row.kind for row in rows} == set(KINDS)


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
        (FITS | {"higher": ("5²m",)}, MINUTE, "5²m is no interval"),
        (FITS | {"higher": ("2m", "3m", "4m", "5m")}, MINUTE, "at most 3 intervals"),
        (FITS | {"higher": ("5m", "2m", "5m")}, MINUTE, "features.higher: 5m, 2m, 5m names an interval twice"),
        (FITS | {"higher": ("15m", "015m")}, MINUTE, "features.higher: 15m, 015m names an interval twice"),
        (FITS | {"higher": ("60m", "1h")}, MINUTE, "features.higher: 60m, 1h names an interval twice"),
        (FITS | {"higher": ("1381m",)}, MINUTE, "1381m is no interval; write 1 to 1380 minutes"),
        (FITS | {"higher": ("9" * 5000 + "m",)}, MINUTE, "is no interval; write 1 to 1380 minutes"),
        (STRUCTURE | {"frame": "99999999999999995m"}, MINUTE, "features.frame: 99999999999999995m is no interval"),
        (STRUCTURE | {"frame": "7m"}, 5 * MINUTE, "no multiple of the lane's interval; take one, such as 5m"),
        (STRUCTURE | {"frame": "1h"}, MINUTE, "(345 bars); shorten features.structure.memory or features.frame"),
        (FITS | {"ema": (9, 50)}, MINUTE, "(345 bars); shorten its window, or those of what it is made of"),
        ({"macd": (12, 26, 10**6)}, SECOND, "shorten its window"),
        ({"groups": ("amd",), "amd": {"from": "02:00", "to": "20:00"}}, SECOND, "let `from` come before `to`"),
        (FITS | {"returns": tuple(range(1, 10))}, MINUTE, "features.returns: 9 windows; at most 8"),
        ({"returns": (511,)}, SECOND, "features.returns: 511 bars; at most 510"),
        ({"atr": 64}, SECOND, "features.atr: 64 is above 63; take a shorter one"),
    ],
)
def test_refused_windows(changes: dict[str, Any], bar_ns: int, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        params(FeatureSettings(**changes), bar_ns)
    assert says in str(caught.value)


def test_longest_windows_that_fit() -> None:
    params(FeatureSettings(returns=(510,), atr=63, volatility=(510,)), SECOND)
    params(FeatureSettings(ema=(9, 43), volatility=(344,), higher=("49m",)), MINUTE)


@pytest.mark.parametrize("name", ["demo", "demo_null", "es_5m", "mes_1s"])
def test_lanes_of_the_repository_are_warm_in_time(name: str) -> None:
    lane = load_lane(REPOSITORY / "config" / f"{name}.yaml")
    row = params(lane.features, lane.interval_ns)
    assert 0 < row["warm_up"][0] <= 82_800 * SECOND // lane.interval_ns // 4


def test_intervals() -> None:
    assert (interval_ns("1m"), interval_ns("15m"), interval_ns("1h")) == (MINUTE, 15 * MINUTE, 60 * MINUTE)


def test_context_goes_on_within_a_contract_only() -> None:
    windows = params(FeatureSettings(), SECOND)
    bars = np.zeros(4, BAR)
    bars["ts_ns"] = np.array([0, 59, 60, 121]) * SECOND
    bars["close"], bars["high"], bars["low"] = (5, 6, 7, 7), (9, 12, 8, 7), (4, 2, 7, 7)
    left = context("MESU21", bars[:3], SECOND)
    minutes = (10 + 2) / 2  # true ranges: 12 - 2, and 8 - 6 with the close before
    assert left[0].tolist() == (VERSION, "MESU21", 7, 12, 2, 10, minutes)
    bars["carried"][3] = 1
    assert context("MESU21", bars, SECOND) == left, "a carried second changes nothing"
    seeded = fresh("MESU21", left, windows)
    assert [seeded[f"prior_{name}"][0] for name in PRIOR] == [7, 12, 2, 10, minutes]
    assert (seeded["version"][0], seeded["params"][0]) == (VERSION, windows["digest"][0])
    older = left.copy()
    older["version"] = VERSION - 1
    for empty in (fresh("MESZ21", left, windows), fresh("MESU21", None, windows), fresh("MESU21", older, windows)):
        assert np.isnan([empty[f"prior_{name}"][0] for name in PRIOR]).all()
