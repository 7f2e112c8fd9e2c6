"""The labels stage: what its files hold, that nothing crosses a session or a roll, and the balance it reports."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from scalper import lane as stages
from scalper.labels import NONE, REASONS
from scalper.lake import Lake, bar_keys
from scalper.market import session
from tests.lane.support import Ran

pytestmark = pytest.mark.xdist_group("lane")
COLUMNS = ["ts_ns", "label", "reason", "move_ticks", "end_ns", "weight", "stop_ticks", "target_ticks"]


def test_a_file_a_session_with_its_balance(ran: Ran) -> None:
    lake, keys = Lake(ran.home.lake), {"lane": ran.lane.name}
    for day in lake.dates("labels", keys):
        where = keys | {"date": day.isoformat()}
        rows, one = lake.read("labels", where), session(ran.lane.symbol, day)
        assert rows.columns == COLUMNS
        assert rows["ts_ns"].equals(lake.read("features", where)["ts_ns"])
        counts = json.loads(lake.metadata("labels", where)["scalper.balance"])
        assert sum(counts.values()) == rows.height > 0
        for name, label in zip(("down", "flat", "up"), (0, 1, 2), strict=True):
            assert counts[name] == rows.filter(pl.col("label") == label).height
        for code, name in enumerate(REASONS[1:], 1):
            assert counts[name] == rows.filter((pl.col("reason") == code) & (pl.col("label") == NONE)).height
        assert one.open_ns < rows["ts_ns"].min() < rows["end_ns"].max() <= one.close_ns  # type: ignore[operator]


def test_prices_of_other_sessions_and_contracts_change_no_label(ran: Ran) -> None:
    """2025-03-17 trades the next contract; the bars of the sessions beside it go wild, labels stay byte for byte."""
    lake, lane = Lake(ran.home.lake), ran.lane
    days = lake.dates("labels", {"lane": lane.name})
    middle = next(index for index, day in enumerate(days) if day.isoformat() == "2025-03-17")
    keys = {"lane": lane.name, "date": days[middle].isoformat()}
    before = lake.read("labels", keys)
    kept: list[tuple[dict[str, str], pl.DataFrame, dict[str, str]]] = []
    try:
        for day in (days[middle - 1], days[middle + 1]):
            where = bar_keys(lane.source_key, lane.symbol, lane.interval, day)
            frame, told = lake.read("bars", where), lake.metadata("bars", where)
            kept.append((where, frame, told))
            shift = 0.25 * np.random.default_rng(1).integers(-40, 41, frame.height)
            wild = frame.with_columns(pl.col(name) + shift for name in ("open", "high", "low", "close"))
            lake.write("bars", where, wild, {key: text for key, text in told.items() if key != "scalper.schema"})
        stages.labels(lane, ran.home, [days[middle]])
        assert lake.read("labels", keys).equals(before)
    finally:
        for where, frame, told in kept:
            lake.write("bars", where, frame, {key: text for key, text in told.items() if key != "scalper.schema"})
        stages.labels(lane, ran.home)


def test_the_balance_of_the_lane_is_reported_though_nothing_is_made(ran: Ran) -> None:
    again = stages.labels(ran.lane, ran.home)
    assert again.done == 0
    total = again.detail["balance"]
    assert total["down"] + total["flat"] + total["up"] > 1000
    assert total["down"] == pytest.approx(total["up"], rel=0.3)
    assert again.picture is not None and "up " in again.picture


def test_files_of_an_older_schema_are_made_again(ran: Ran) -> None:
    lake = Lake(ran.home.lake)
    day = lake.dates("labels", {"lane": ran.lane.name})[0]
    keys = {"lane": ran.lane.name, "date": day.isoformat()}
    rows, told = lake.read("labels", keys), lake.metadata("labels", keys)
    rows.write_parquet(lake.path("labels", keys), metadata=told | {"scalper.schema": "labels/1"})
    report = replace(stages.labels(ran.lane, ran.home), seconds=0.0)
    assert (report.done, report.rows) == (1, rows.height)
    assert lake.read("labels", keys).equals(rows)
