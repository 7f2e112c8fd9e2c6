"""Vector scaling: what it recovers, and that it never makes things worse or turns them round."""

from __future__ import annotations

import numpy as np
import pytest

from scalper.learn.calibration import Vector, softmax
from scalper.learn.calibration.vector import SCALE_MIN
from scalper.learn.scores import expected_calibration_error, log_loss


def draw(rows: int, seed: int = 0, spread: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Margins, and labels that follow their softmax."""
    random = np.random.default_rng(seed)
    margin = random.normal(size=(rows, 3)).astype(np.float32) * np.float32(spread)
    chance = softmax(margin.astype(np.float64)).cumsum(axis=1)
    return margin, (random.random((rows, 1)) > chance[:, :2]).sum(axis=1).astype(np.int8)


def test_it_finds_the_temperature_and_biases_that_were_put_in() -> None:
    margin, label = draw(60_000)
    bent = (margin - np.array([0.4, 0.0, -0.3], np.float32)) / np.float32(0.5)
    found = Vector.fit(bent, label)
    assert found.scale == pytest.approx(0.5, abs=0.02)
    assert found.bias == pytest.approx((0.4, 0.0, -0.3), abs=0.04)
    assert expected_calibration_error(found.apply(bent), label) < 0.01
    assert expected_calibration_error(Vector().apply(bent), label) > 0.05


def test_it_is_the_same_on_margins_and_on_log_probabilities() -> None:
    margin, label = draw(3_000)
    logs = np.log(softmax(margin.astype(np.float64))).astype(np.float32)
    one, other = Vector.fit(margin, label), Vector.fit(logs, label)
    assert one.scale == pytest.approx(other.scale, rel=1e-4)
    assert np.abs(one.apply(margin) - other.apply(logs)).max() < 1e-5


def test_it_never_raises_the_loss_it_is_fitted_on() -> None:
    for seed in range(10):
        margin, label = draw(200, seed)
        margin = margin * 3
        before, after = Vector().apply(margin), Vector.fit(margin, label).apply(margin)
        assert log_loss(after, label).sum() <= log_loss(before, label).sum() + 1e-3


def test_a_model_worse_than_nothing_falls_back_to_the_shares() -> None:
    margin, label = draw(5_000)
    found = Vector.fit(-margin, label)
    assert found.scale == pytest.approx(SCALE_MIN)
    shares = np.bincount(label, minlength=3) / len(label)
    assert np.abs(found.apply(-margin) - shares).max() < 0.01


def test_few_rows_and_missing_classes_stay_finite() -> None:
    margin, label = draw(500)
    only_flat = Vector.fit(margin, np.ones_like(label)).apply(margin)
    assert np.isfinite(only_flat).all()
    assert only_flat[:, 1].mean() > 0.9
    assert (only_flat > 0).all()
    assert Vector.fit(margin[:0], label[:0]) == Vector()
    assert Vector.fit(np.zeros((50, 3), np.float32), label[:50]).scale == pytest.approx(1.0)


def test_the_same_rows_give_the_same_numbers() -> None:
    margin, label = draw(2_000)
    assert Vector.fit(margin, label) == Vector.fit(margin.copy(), label.copy())


def test_probabilities_add_up_for_any_margin() -> None:
    margin = np.array([[0, 0, 0], [300, -300, 0], [-1e30, 1e30, 0]], np.float32)
    found = Vector(1.2, (0.1, 0.0, -0.2)).apply(margin)
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert np.isfinite(found).all()
