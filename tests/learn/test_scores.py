"""Scores against hand calculations, and bounds that behave."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalper.learn.scores import (
    direction_calibration_error,
    directional_accuracy,
    expected_calibration_error,
    log_loss,
    reliability,
    skill,
)

PRIOR = np.array([0.3, 0.4, 0.3])


def test_log_loss_by_hand() -> None:
    prob = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
    assert log_loss(prob, np.array([0, 1])) == pytest.approx([math.log(2), 0.0])
    assert log_loss(PRIOR, np.array([1])) == pytest.approx([-math.log(0.4)])
    assert np.isfinite(log_loss(prob, np.array([0, 0]))).all()


def test_calibration_error_by_hand() -> None:
    prob = np.array([[0.65, 0.2, 0.15]] * 4 + [[0.1, 0.05, 0.85]] * 2)
    label = np.array([0, 0, 1, 1, 2, 2])  # confident 0.65, right half the time; confident 0.85, always right
    assert expected_calibration_error(prob, label) == pytest.approx((4 * 0.15 + 2 * 0.15) / 6)
    assert direction_calibration_error(prob, label, 0) == pytest.approx(0.15)
    assert direction_calibration_error(prob, label, 2) == pytest.approx(0.15)
    assert [row["rows"] for row in reliability(prob, label)] == [4, 2]
    assert math.isnan(expected_calibration_error(prob[:0], label[:0]))
    assert expected_calibration_error(np.array([[0.0, 0.0, 1.0]]), np.array([2])) == 0.0


def sample(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    prob = draw.dirichlet((2, 2, 2), rows)
    label = (draw.random((rows, 1)) > prob.cumsum(axis=1)[:, :2]).sum(axis=1)
    return prob, label, np.sort(draw.integers(0, 25, rows))


def test_skill_sees_knowledge_and_its_absence() -> None:
    prob, label, session = sample(4_000, 1)
    prior = np.bincount(label, minlength=3) / len(label)
    value, bound = skill(prob, label, prior, session, draws=500, seed=3)
    assert 0 < bound < value < 1
    assert skill(np.tile(prior, (len(label), 1)), label, prior, session, 200, 3) == (0.0, 0.0)
    value, bound = skill(prob[::-1], label, prior, session, 500, 3)
    assert bound < value < 0
    rows = np.tile(prior, (len(label), 1))
    assert skill(prob, label, rows, session, 500, 3) == skill(prob, label, prior, session, 500, 3)


def test_accuracy_by_hand() -> None:
    prob = np.array(
        [[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.1, 0.2, 0.7], [0.1, 0.8, 0.1], [0.5, 0.2, 0.3], [0.1, 0.2, 0.7]]
    )
    label = np.array([0, 0, 2, 2, 2, 1])  # right, wrong, right, not acted, below the threshold, FLAT
    value, bound, rows = directional_accuracy(prob, label, np.zeros(6, int), 0.6, draws=100, seed=1)
    assert (value, rows) == (pytest.approx(2 / 3), 3)
    assert bound == pytest.approx(2 / 3)  # one session: no spread to speak of
    assert directional_accuracy(prob, label, np.zeros(6, int), 0.95)[2] == 0
    assert math.isnan(directional_accuracy(prob[:0], label[:0], np.zeros(0, int), 0.6)[0])


@given(st.integers(0, 10_000), st.integers(1, 400))
def test_bounds_repeat_and_stay_below_what_is_possible(seed: int, rows: int) -> None:
    prob, label, session = sample(rows, seed)
    once, again = (directional_accuracy(prob, label, session, 0.5, draws=50, seed=seed) for _ in range(2))
    assert repr(once) == repr(again)
    assert once[2] == 0 or (0 <= once[0] <= 1 and 0 <= once[1] <= 1)
    first, second = (skill(prob, label, PRIOR, session, draws=50, seed=seed) for _ in range(2))
    assert first == second


def test_the_bound_has_the_size_it_claims() -> None:
    """The 5 % bound of a fair coin lies above one half in about one sample of twenty."""
    draw = np.random.default_rng(0)
    above = 0
    for _ in range(200):
        label = draw.choice([0, 2], 600)
        prob = np.eye(3)[draw.choice([0, 2], 600)]
        above += directional_accuracy(prob, label, np.repeat(np.arange(30), 20), 0.6, draws=200, seed=1)[1] > 0.5
    assert above / 200 < 0.10
