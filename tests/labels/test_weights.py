"""Average uniqueness: the book's example, and the plain mean over each life."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.labels import label_rows
from scalper.labels.weights import uniqueness
from scalper.market import BAR
from scalper.settings import LabelSettings
from tests.labels.reference import DAY, SECOND, table

pytestmark = pytest.mark.kernel


def weights(lives: list[tuple[int, int]], size: int) -> np.ndarray:
    found = np.full(len(lives), np.nan, np.float32)
    begin, end = np.array(lives, np.int64).reshape(-1, 2).T.copy()
    uniqueness(begin, end, size, found)
    return found


def test_the_example_of_the_book() -> None:
    """López de Prado 2018, 4.5.3: returns over bars 1 to 3, 3 to 4, 5 to 6: 5/6, 3/4 and 1."""
    assert weights([(0, 3), (2, 4), (4, 6)], 7) == pytest.approx([5 / 6, 3 / 4, 1])


def test_labels_that_end_where_the_next_begins_share_nothing() -> None:
    assert weights([(0, 2), (2, 4)], 5).tolist() == [1, 1]
    assert weights([(0, 2), (0, 2), (0, 2), (0, 2)], 5).tolist() == [0.25] * 4
    assert weights([(0, 4), (3, 3)], 5).tolist() == [1, 0]
    assert weights([], 5).size == 0


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20)), max_size=40))
def test_the_mean_of_one_over_the_labels_alive(made: list[tuple[int, int]]) -> None:
    lives = [(begin, begin + length) for begin, length in made]
    alive = np.zeros(61)
    for begin, end in lives:
        alive[begin + 1 : end + 1] += 1
    expected = [np.mean(1 / alive[begin + 1 : end + 1]) if end > begin else 0.0 for begin, end in lives]
    found = weights(lives, 61)
    assert found == pytest.approx(expected, abs=1e-7)
    assert (found <= 1).all()


def test_only_the_rows_that_are_kept_share_time() -> None:
    """Rows outside the lane's hours are no training rows, so they take nothing from those that are; seconds count."""
    bars = np.zeros(9, BAR)
    bars["ts_ns"] = DAY.ny(11, 0) + np.array([0, 1, 3, 4, 6, 7, 8, 9, 12]) * SECOND
    bars["close"] = bars["high"] = bars["low"] = 100
    settings = LabelSettings(horizon=4)
    thin, full = (
        label_rows(bars, index, np.ones(index.size), table("1s"), settings, stale_s=60)["weight"]
        for index in (np.array([0, 3]), np.array([0, 1, 3]))
    )
    assert thin.tolist() == [1, 1]
    assert full == pytest.approx([(1 + 3 / 2) / 4, (3 / 2 + 1 / 2) / 4, (1 / 2 + 3) / 4])
