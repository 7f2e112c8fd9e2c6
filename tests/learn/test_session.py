"""A session made ready: the order flow that a lane's features read has to be in the lake."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from scalper.errors import BadInput
from scalper.lake import Lake, bar_keys
from scalper.learn.session import bars_of, context_of, held, prepare
from scalper.market import FLOW, IMBALANCE, QUOTES, SIDES, TRADES, from_ticks, sessions
from scalper.settings import FeatureSettings, Lane
from tests.features.support import walk

BEFORE, DAY = sessions("ES", date(2021, 7, 13), date(2021, 7, 14))
ALL = TRADES | SIDES | QUOTES | IMBALANCE


def lane_of(*groups: str) -> Lane:
    windows = FeatureSettings(ema=(3,), volatility=(5,), volume=(5,), higher=("5m",), flow=(3,), groups=groups)  # type: ignore[arg-type]
    return Lane(name="f", symbol="ES", source="import", interval="1m", start=date(2021, 7, 13), features=windows)


def lake_of(folder: Path, known: int, before: int = 0) -> Lake:
    """Two sessions of minutes; the second tells no more than the bits of `known`, the first than `before`."""
    lake, lane = Lake(folder), lane_of("time")
    for day, bits in ((BEFORE, before), (DAY, known)):
        bars = walk(np.random.default_rng(3), day.ny(9, 30) + np.arange(90) * lane.interval_ns)
        bars["known"] &= bits
        bars = bars[bars["volume"] > 0]
        keys = bar_keys(lane.source_key, lane.symbol, lane.interval, day.date)
        told = [name for name, bit in FLOW.items() if bits & bit]
        frame = from_ticks(bars, lane.instrument.tick, "ESU21", flow=True)
        lake.write("bars", keys, frame.drop(set(FLOW) - set(told)))
    return lake


@pytest.mark.parametrize(
    ("groups", "known", "says"),
    [
        (("time", "trades"), 0, "ask_volume, bid_volume, inferred_volume, largest, trades, which the features trades"),
        (("time", "trades"), TRADES | QUOTES | IMBALANCE, "ask_volume, bid_volume, inferred_volume, which"),
        (("time", "quotes"), TRADES | SIDES | QUOTES, "imbalance, which the features quotes read"),
        (("trades", "quotes"), IMBALANCE, "trades, which the features trades, quotes read"),
    ],
)
def test_a_session_without_the_flow_that_is_read_is_refused(
    tmp_path: Path, groups: tuple[str, ...], known: int, says: str
) -> None:
    with pytest.raises(BadInput, match=r"lane f, session 2021-07-14: its bars of ESU21 tell nothing of") as caught:
        bars_of(lake_of(tmp_path, known), lane_of(*groups), DAY)
    assert says in str(caught.value)


def test_flow_reaches_the_features_and_the_session_before_needs_none(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, ALL)
    ready = prepare(lake, lane_of("time", "trades", "quotes"), DAY, BEFORE)
    assert ready.bars["known"].any() and (ready.bars["bid_size"] > 0).any()
    assert np.isfinite(ready.block.x[ready.block.warm]).all() and (ready.block.volatility[-1] > 0)
    assert context_of(lane_of("trades"), held(lake, lane_of("trades"), BEFORE)) is not None
    bars_of(lake_of(tmp_path / "silent", 0), lane_of("time"), DAY)
