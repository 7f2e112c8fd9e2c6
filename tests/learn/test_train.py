"""Training: the same bytes each time, nothing from after the window, and what a poor window does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from scalper.errors import BadInput, Refused
from scalper.learn import Calibration, Dataset, Model, Trained
from scalper.learn.dataset import COLUMNS
from scalper.learn.export import PARITY, parity, prove, reference, to_onnx
from scalper.learn.scores import expected_calibration_error, skill
from scalper.settings import ModelSettings

Run = Callable[..., Trained]
Make = Callable[..., Dataset]
SMALL = ModelSettings(rounds=30, early_stopping=8, depth=3, min_child_weight=5.0, threads=1)


def test_it_learns_what_is_there(trained: Trained, make: Make) -> None:
    unseen = make(sessions=12, seed=2)
    prob = Model.load(trained.onnx).probabilities(unseen.x)
    value, bound = skill(prob, unseen.label, np.array(trained.papers.priors), unseen.session, 200, 1)
    assert 0.1 < bound < value
    assert expected_calibration_error(prob, unseen.label) < 0.08
    assert set(trained.curves) == {"tail"}
    assert trained.curves["tail"][-1] < trained.curves["tail"][0]
    assert trained.best_round == trained.booster.num_boosted_rounds() <= 30


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_rows_and_seed_give_the_same_bytes(
    run: Run, trained: Trained, fit_rows: Dataset, later_rows: Dataset, threads: int
) -> None:
    again = run(fit_rows, later_rows, SMALL.model_copy(update={"threads": threads}))
    assert again.onnx == trained.onnx
    assert again.booster.save_raw() == trained.booster.save_raw()


def test_another_seed_is_another_model(run: Run, trained: Trained, fit_rows: Dataset, later_rows: Dataset) -> None:
    assert run(fit_rows, later_rows, SMALL.model_copy(update={"seed": 2})).onnx != trained.onnx


def test_early_stopping_cuts_the_booster_to_its_best_round(run: Run, fit_rows: Dataset, later_rows: Dataset) -> None:
    noise = replace(fit_rows, label=np.random.default_rng(0).integers(0, 3, len(fit_rows)).astype(np.int8))
    found = run(noise, later_rows)
    losses = found.curves["tail"]
    assert found.best_round == int(np.argmin(losses)) + 1 < len(losses)
    assert found.parity < PARITY


@pytest.mark.parametrize("weights", ["none", "uniqueness"])
def test_rows_known_too_late_and_rows_without_label_change_nothing(
    run: Run, fit_rows: Dataset, later_rows: Dataset, weights: str
) -> None:
    """Rows that cross into the calibration window, or have no label, may say and weigh what they like."""
    settings = SMALL.model_copy(update={"weights": weights})
    late, bare = fit_rows.rows(slice(0, 50)), fit_rows.rows(slice(50, 90))
    crossing = replace(late, end_ns=np.full(50, later_rows.ts_ns[0] + 1), label=np.full(50, 2, np.int8), x=late.x * 100)
    heavy, reason = np.full(40, 99, np.float32), np.full(40, 3, np.int8)
    unlabelled = replace(bare, label=np.full(40, -1, np.int8), x=bare.x * 100, weight=heavy, reason=reason)
    last = fit_rows.session[-1]
    parts = [fit_rows, *(replace(one, session=np.full(len(one), last)) for one in (crossing, unlabelled))]
    mixed = replace(fit_rows, **{name: np.concatenate([getattr(one, name) for one in parts]) for name in COLUMNS})
    assert run(mixed, later_rows, settings).onnx == run(fit_rows, later_rows, settings).onnx


def test_weights_teach_and_nothing_else(run: Run, trained: Trained, fit_rows: Dataset, later_rows: Dataset) -> None:
    """Half of the rows say the opposite and weigh little: with weights the other half is believed."""
    lying = np.arange(len(fit_rows)) % 2 == 1
    mixed = replace(
        fit_rows,
        label=np.where(lying, 2 - fit_rows.label, fit_rows.label),
        weight=np.where(lying, 0.01, 1.0).astype(np.float32),
    )
    believing = SMALL.model_copy(update={"weights": "uniqueness"})
    first = run(mixed, later_rows, believing)
    assert first.papers.priors == run(mixed, later_rows).papers.priors
    _, bound = skill(
        Model.load(first.onnx).probabilities(later_rows.x), later_rows.label, np.array(first.papers.priors),
        later_rows.session, 200, 1,
    )  # fmt: skip
    assert bound > 0.1
    assert run(replace(mixed, weight=mixed.weight * 8), later_rows, believing).onnx == first.onnx
    in_tail = np.where(mixed.session >= 8, np.arange(len(mixed)) % 7, mixed.weight).astype(np.float32)
    assert run(replace(mixed, weight=in_tail), later_rows, believing).onnx == first.onnx
    weighed = replace(later_rows, weight=later_rows.weight * np.arange(len(later_rows), dtype=np.float32))
    assert run(mixed, weighed, believing).onnx == first.onnx
    assert run(replace(fit_rows, weight=mixed.weight), later_rows).onnx == trained.onnx
    assert run(replace(fit_rows, weight=mixed.weight), later_rows, believing).onnx != trained.onnx


def test_calibration_rows_known_too_late_change_nothing(run: Run, fit_rows: Dataset, later_rows: Dataset) -> None:
    limit = int(later_rows.ts_ns[later_rows.session == 3][0])
    odd = later_rows.label.copy()
    odd[later_rows.end_ns > limit] = 1
    first = run(fit_rows, later_rows, calibrate_until_ns=limit)
    second = run(fit_rows, replace(later_rows, label=odd), calibrate_until_ns=limit)
    assert first.onnx == second.onnx != run(fit_rows, replace(later_rows, label=odd)).onnx


def test_nothing_after_the_window_is_seen(run: Run, trained: Trained, fit_rows: Dataset, later_rows: Dataset) -> None:
    """What stops the rounds comes from the train window: other calibration rows leave the booster as it is."""
    other = replace(later_rows, label=later_rows.label[::-1].copy())
    assert run(fit_rows, other).booster.save_raw() == trained.booster.save_raw()


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_class_that_never_came_is_trained_without(
    run: Run, fit_rows: Dataset, later_rows: Dataset, missing: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, later = (one.rows(one.label != missing) for one in (fit_rows, later_rows))
    found = run(rows, later)
    assert ("DOWN", "FLAT", "UP")[missing] in capsys.readouterr().err
    prob = Model.load(found.onnx).probabilities(fit_rows.x)
    assert np.isfinite(prob).all()
    assert (prob.argmax(axis=1) != missing).all()
    assert found.papers.class_moves[missing] == 0.0
    assert found.papers.counts[missing] == 0


def test_constant_and_empty_features_are_fine(run: Run, fit_rows: Dataset, later_rows: Dataset) -> None:
    x = fit_rows.x.copy()
    x[:, 3], x[:, 4] = 1.0, np.nan
    assert run(replace(fit_rows, x=x), later_rows).parity < PARITY
    dull = run(replace(fit_rows, x=np.zeros_like(x)), later_rows)
    prob = Model.load(dull.onnx).probabilities(fit_rows.x)
    assert np.ptp(prob, axis=0).max() == 0.0
    assert prob[0] == pytest.approx(np.bincount(later_rows.label, minlength=3) / len(later_rows), abs=0.01)


@pytest.mark.parametrize("sessions", [1, 2, 3])
def test_a_window_of_few_sessions_trains(run: Run, make: Make, later_rows: Dataset, sessions: int) -> None:
    found = run(make(sessions=sessions), later_rows)
    assert set(found.curves) == ({"train"} if sessions == 1 else {"tail"})


def test_every_takes_each_nth_row(run: Run, fit_rows: Dataset, later_rows: Dataset, trained: Trained) -> None:
    thinned = run(fit_rows, later_rows, SMALL.model_copy(update={"every": 3}))
    assert thinned.onnx != trained.onnx
    assert thinned.papers.counts == trained.papers.counts


def test_rows_that_cannot_be_learnt_from_are_refused(run: Run, fit_rows: Dataset, later_rows: Dataset) -> None:
    with pytest.raises(BadInput, match="calibration window"):
        run(fit_rows, later_rows.rows(slice(0, 0)))
    with pytest.raises(BadInput, match="train window"):
        run(replace(fit_rows, label=np.full(len(fit_rows), -1, np.int8)), later_rows)
    x = fit_rows.x.copy()
    x[100, 5] = np.inf
    with pytest.raises(BadInput, match=r"feature_5 is infinite at ts_ns .* of session 2026-01-06"):
        run(replace(fit_rows, x=x), later_rows)
    with pytest.raises(BadInput, match="not those of the dataset"):
        run(fit_rows, later_rows, names=fit_rows.names[::-1])


def test_the_graph_repeats_xgboost(trained: Trained, make: Make) -> None:
    x = make(sessions=20, seed=5).x
    odd = np.array([np.nan, 0.0, -0.0, 3e38, -3e38, 1e-45, 1.0], np.float32)
    x[: 200 * 7, 2] = np.tile(odd, 200)
    assert trained.parity < PARITY
    assert parity(trained.onnx, trained.booster, trained.calibration, x) < PARITY
    sums = reference(trained.booster, trained.calibration, x).sum(axis=1)
    assert np.abs(sums - 1).max() < 1e-6


def test_a_graph_that_differs_does_not_leave(trained: Trained, fit_rows: Dataset) -> None:
    other = to_onnx(trained.booster, Calibration(trained.calibration.scale * 1.001), trained.metadata)
    with pytest.raises(Refused, match="differs from XGBoost"):
        prove(other, trained.booster, trained.calibration, fit_rows.x)


def test_calibrated_extremes_stay_in_parity(trained: Trained, fit_rows: Dataset) -> None:
    for calibration in (Calibration(60.0, (5.0, 0.0, -5.0)), Calibration(0.001, (0.0, 0.0, 0.0))):
        onnx = to_onnx(trained.booster, calibration, trained.metadata)
        assert prove(onnx, trained.booster, calibration, fit_rows.x) < PARITY
