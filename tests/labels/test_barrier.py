"""The triple barrier by hand: each way out, and what each distance comes to."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from scalper.labels import DOWN, FLAT, FLAT_TIME, HALT, LABELLED, NONE, SESSION_ENDS, STALE_GAP, UP, label_rows
from scalper.market import BAR
from scalper.settings import LabelSettings
from tests.labels.reference import DAY, MINUTE, table

pytestmark = pytest.mark.kernel


def bars_of(*ranges: tuple[int, int, int], start_ns: int | None = None) -> np.ndarray:
    """Minute bars of (low, high, close) in ticks from 100."""
    bars = np.zeros(len(ranges), BAR)
    bars["ts_ns"] = (DAY.ny(11, 0) if start_ns is None else start_ns) + np.arange(len(ranges)) * MINUTE
    for name, values in zip(("low", "high", "close"), np.array(ranges).T + 100, strict=True):
        bars[name] = values
    bars["open"], bars["volume"] = bars["close"], 1
    return bars


def rules(stop: object = 4, target: object = 6, horizon: int = 3, through: int = 1) -> LabelSettings:
    def way(one: object) -> object:
        return {"ticks": one} if isinstance(one, int) else one

    document = {"kind": "barrier", "horizon": horizon, "through": through, "stop": way(stop), "target": way(target)}
    return LabelSettings.model_validate(document)


def first(bars: np.ndarray, s: LabelSettings, volatility: float = 2.0) -> tuple[int, float, int]:
    """Label and move of the first bar, and how many bars later it is known."""
    row = label_rows(bars, np.array([0]), np.array([volatility]), table("1m"), s, stale_s=60)[0]
    return int(row["label"]), float(row["move_ticks"]), int(row["end_ns"] - bars["ts_ns"][0]) // MINUTE - 1


STILL = (0, 0, 0)


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("the long is paid", [(0, 2, 2), (1, 7, 5), STILL], (UP, 6, 2)),
        ("the short is paid", [(-2, 0, -2), (-7, -1, -5), STILL], (DOWN, -6, 2)),
        ("a touch pays nobody", [(0, 6, 6), (0, 6, 6), (0, 6, 5)], (FLAT, 5, 3)),
        ("stop and target of the long in one bar: stopped", [(-4, 7, 0), STILL, STILL], (FLAT, 0, 1)),
        ("the long is stopped, the short is paid later", [(-4, 0, -3), (-4, -2, -3), (-7, -3, -6)], (DOWN, -6, 3)),
        ("both are stopped: known at the second", [(-4, 0, -3), (-3, 4, 3), (3, 9, 8)], (FLAT, 3, 2)),
        ("only the long is stopped: out of time", [(-4, 0, -3), (-3, 1, 1), (0, 2, 2)], (FLAT, 2, 3)),
        ("the last bar counts", [STILL, STILL, (0, 7, 7)], (UP, 6, 3)),
        ("the bar after the last does not", [STILL, STILL, STILL, (0, 7, 7)], (FLAT, 0, 3)),
        ("its own bar does not", [STILL, STILL, STILL], (FLAT, 0, 3)),
    ],
)
def test_each_way_out(name: str, path: list[tuple[int, int, int]], expected: tuple[int, float, int]) -> None:
    own = (-50, 50, 0)
    assert first(bars_of(own, *path), rules()) == expected, name
    mirrored = [(-high, -low, -close) for low, high, close in path]
    label, move, known = expected
    assert first(bars_of(own, *mirrored), rules()) == (2 - label, -move, known), name


def test_with_the_target_nearer_than_the_stop_the_earlier_side_counts() -> None:
    near = rules(stop=9, target=2)
    assert first(bars_of(STILL, (0, 3, 1), (-3, 0, -1), STILL), near) == (UP, 2, 1)
    assert first(bars_of(STILL, (-3, 0, 1), (0, 3, -1), STILL), near) == (DOWN, -2, 1)
    assert first(bars_of(STILL, (-3, 3, 1), STILL, STILL), near) == (FLAT, 1, 1)


@pytest.mark.parametrize(("high", "through", "label"), [(6, 0, UP), (6, 1, FLAT), (7, 1, UP), (7, 2, FLAT)])
def test_price_trades_through_the_target(high: int, through: int, label: int) -> None:
    assert first(bars_of(STILL, (0, high, 3), (0, 3, 3), (0, 3, 3)), rules(through=through))[0] == label


@pytest.mark.parametrize(
    ("stop", "target", "volatility", "expected"),
    [
        ({"ticks": 5}, {"ticks": 8}, 100.0, (5, 8)),
        ({"atr": 1.5, "min": 4, "max": 16}, {"reward_to_risk": 2}, 2.0, (4, 8)),
        ({"atr": 1.5, "min": 1, "max": 16}, {"reward_to_risk": 2}, 2.0, (3, 6)),
        ({"atr": 1.5, "min": 1, "max": 16}, {"reward_to_risk": 2}, 2.01, (4, 8)),
        ({"atr": 1.5, "min": 4, "max": 16}, {"atr": 3, "max": 40}, 12.0, (16, 36)),
        ({"ticks": 3}, {"reward_to_risk": 0.1}, 1.0, (3, 1)),
        ({"ticks": 5}, {"reward_to_risk": 0.5}, 1.0, (5, 3)),  # halves go up, as in the policy
        ({"ticks": 7}, {"reward_to_risk": 1.5}, 1.0, (7, 11)),
    ],
)
def test_distances(stop: object, target: object, volatility: float, expected: tuple[int, int]) -> None:
    bars = bars_of(*[STILL] * 4)
    for kind in (np.float64, np.float32):
        given = np.array([volatility], kind)
        row = label_rows(bars, np.array([0]), given, table("1m"), rules(stop, target), stale_s=60)[0]
        assert (int(row["stop_ticks"]), int(row["target_ticks"])) == expected


def test_a_volatility_kept_as_float32_gives_the_same_stop() -> None:
    """8/3 times 1.5 is 4; as float32 it is a hair more, and a stop of 5 would not be what is traded."""
    sums = np.arange(1, 300)
    for n in (3, 7, 14, 20):
        for multiple in (1.0, 1.5, 2.25, 3.0):
            rows = [
                label_rows(
                    bars_of(*[STILL] * sums.size), np.arange(sums.size), (sums / n).astype(kind), table("1m"),
                    rules({"atr": multiple, "min": 1, "max": 900}), stale_s=60,
                )["stop_ticks"]
                for kind in (np.float64, np.float32)
            ]  # fmt: skip
            assert rows[0].tolist() == rows[1].tolist() == [-(-int(one * multiple * 4) // (4 * n)) for one in sums]


def test_the_tail_is_unlabelled_even_where_a_barrier_is_met() -> None:
    """Else rows near the end would be labelled only when they moved."""
    jump = (0, 50, 40)
    for start, reason in ((DAY.ny(15, 43), FLAT_TIME), (DAY.ny(11, 0), SESSION_ENDS)):
        rows = label_rows(
            bars_of(STILL, jump, start_ns=start), np.arange(2), np.ones(2), table("1m"), rules(), stale_s=60
        )
        assert rows["reason"].tolist() == [reason, reason]
        assert rows["label"].tolist() == [NONE, NONE]
        assert rows["stop_ticks"].tolist() == [4, 4]
    late = bars_of(STILL, jump, STILL, STILL)
    late["ts_ns"][3:] += 2 * MINUTE
    rows = label_rows(late, np.arange(1), np.ones(1), table("1m"), rules(), stale_s=60)
    assert rows["reason"].tolist() == [STALE_GAP]
    halted = bars_of(STILL, jump, STILL, STILL, start_ns=DAY.ny(16, 12))
    halted["ts_ns"][3:] += 15 * MINUTE
    rows = label_rows(halted, np.arange(1), np.ones(1), table("1m", flat_ns=DAY.close_ns), rules(), stale_s=3600)
    assert rows["reason"].tolist() == [HALT]


def test_quiet_blocks_are_passed_over() -> None:
    """A hit in the fourth block of 16 bars, with a wild bar before the entry in the first."""
    path = [STILL] * 70
    path[0], path[60] = (-90, 90, 0), (0, 7, 0)
    rows = label_rows(bars_of(*path), np.array([2]), np.ones(1), table("1m"), rules(horizon=65), stale_s=60)
    assert rows["reason"][0] == LABELLED
    assert (int(rows["label"][0]), int(rows["end_ns"][0])) == (UP, DAY.ny(11, 0) + 61 * MINUTE)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stop": {}}, "exactly one of ticks, atr"),
        ({"stop": {"ticks": 4, "atr": 1.5}}, "exactly one"),
        ({"target": {"ticks": 4, "reward_to_risk": 2}}, "exactly one of ticks, atr, reward_to_risk"),
        ({"stop": {"atr": 1.0, "min": 9, "max": 4}}, "min is above max"),
        ({"stop": {"reward_to_risk": 2}}, "Extra inputs"),
        ({"stop": {"ticks": 0}}, "greater than 0"),
        ({"kind": "barriers"}, "direction"),
    ],
)
def test_distances_that_contradict_themselves_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        LabelSettings.model_validate({"kind": "barrier"} | changes)
