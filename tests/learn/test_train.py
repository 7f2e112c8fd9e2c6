"""Training: the same bytes each time, nothing from after the window, and what a poor window does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from scalper.errors import BadInput, Refused
from scalper.learn import Dataset, Feed, Model, Trained, train
from scalper.learn.calibration import Vector, softmax
from scalper.learn.dataset import COLUMNS
from scalper.learn.estimators import Checkpoint
from scalper.learn.estimators.xgboost import Trees
from scalper.learn.export import PARITY, parity, prove, reference, to_onnx
from scalper.learn.scores import expected_calibration_error, skill
from scalper.settings import ModelSettings

Run = Callable[..., Trained]
Make = Callable[..., Dataset]
SMALL = ModelSettings(
    rounds=30, early_stopping=8, depth=3, min_child_weight=5.0, threads=1, least_rows=1, least_calibration_rows=1
)

if TYPE_CHECKING:
    import xgboost


def trees(trained: Trained) -> xgboost.Booster:
    fitted = trained.ensemble.members[0].fitted
    assert isinstance(fitted, Trees)
    return fitted.booster


def test_it_learns_what_is_there(trained: Trained, make: Make) -> None:
    unseen = make(sessions=12, seed=2)
    prob = Model.load(trained.onnx).probabilities(unseen.x)
    value, bound = skill(prob, unseen.label, np.array(trained.papers.priors), unseen.session, 200, 1)
    assert 0.1 < bound < value
    assert expected_calibration_error(prob, unseen.label) < 0.08
    assert set(trained.curves) == {"tail"}
    assert trained.curves["tail"][-1] < trained.curves["tail"][0]
    assert trained.best_round == trees(trained).num_boosted_rounds() <= 30


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_rows_and_seed_give_the_same_bytes(
    run: Run, trained: Trained, fit_rows: Dataset, later_rows: Dataset, threads: int
) -> None:
    again = run(fit_rows, later_rows, SMALL.model_copy(update={"fold_threads": threads}))
    assert again.onnx == trained.onnx
    assert trees(again).save_raw() == trees(trained).save_raw()


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
    assert trees(run(fit_rows, other)).save_raw() == trees(trained).save_raw()


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


def test_a_class_that_was_never_learned_is_not_lifted_by_its_calibration(
    run: Run, fit_rows: Dataset, later_rows: Dataset
) -> None:
    found = run(fit_rows.rows(fit_rows.label != 2), later_rows)
    prob = Model.load(found.onnx).probabilities(later_rows.x)
    assert (later_rows.label == 2).mean() > 0.2
    assert (prob.argmax(axis=1) != 2).all()
    assert prob[:, 2].max() < 0.2


def test_what_the_library_cannot_is_refused_in_its_words(run: Run, fit_rows: Dataset, later_rows: Dataset) -> None:
    heavy = SMALL.model_copy(update={"subsample": 2.0})  # no lane's file may say so
    with pytest.raises(
        Refused, match=r"train window: xgboost could not learn \(XGBoostError.*change the keys of model"
    ):
        run(fit_rows, later_rows, heavy)


@pytest.mark.parametrize("sessions", [2, 3, 10])
def test_a_tail_leaves_something_to_learn_from(run: Run, make: Make, later_rows: Dataset, sessions: int) -> None:
    assert run(make(sessions), later_rows, SMALL.model_copy(update={"early_stopping_share": 0.99})).parity < PARITY


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
    with pytest.raises(BadInput, match="2026-01-20 are not those of the lane"):
        train(
            Feed.of(fit_rows),
            replace(Feed.of(later_rows), names=fit_rows.names[::-1]),
            SMALL,
            lane="toy",
            window=(fit_rows.dates[0], fit_rows.dates[-1]),
            data_digest="d",
            kernel_version=1,
        )


def test_the_graph_repeats_xgboost(trained: Trained, make: Make) -> None:
    x = make(sessions=20, seed=5).x
    odd = np.array([np.nan, 0.0, -0.0, 3e38, -3e38, 1e-45, 1.0], np.float32)
    x[: 200 * 7, 2] = np.tile(odd, 200)
    assert trained.parity < PARITY
    assert parity(trained.onnx, trained.ensemble, trained.calibration, None, x) < PARITY
    sums = reference(trained.ensemble, trained.calibration, x).sum(axis=1)
    assert np.abs(sums - 1).max() < 1e-6


def test_a_graph_that_differs_does_not_leave(trained: Trained, fit_rows: Dataset) -> None:
    assert isinstance(trained.calibration, Vector)
    warmer = Vector(trained.calibration.scale * 1.001)
    other = to_onnx(trained.ensemble, warmer, None, trained.metadata, len(fit_rows.names))
    with pytest.raises(Refused, match="differs from what was learned"):
        prove(other, trained.ensemble, trained.calibration, None, fit_rows.x)


def test_calibrated_extremes_stay_in_parity(trained: Trained, fit_rows: Dataset) -> None:
    for calibration in (Vector(60.0, (5.0, 0.0, -5.0)), Vector(0.001, (0.0, 0.0, 0.0))):
        onnx = to_onnx(trained.ensemble, calibration, None, trained.metadata, len(fit_rows.names))
        assert prove(onnx, trained.ensemble, calibration, None, fit_rows.x) < PARITY


def test_balanced_classes_teach_and_the_priors_are_those_of_the_rows(
    run: Run, fit_rows: Dataset, later_rows: Dataset
) -> None:
    """Where the features tell nothing, a balanced training calls the classes equal; its correction says how often each
    is met."""
    rare = np.where(np.abs(fit_rows.move_ticks) < 3.5, 1, fit_rows.label).astype(np.int8)
    blind = replace(fit_rows, x=np.zeros_like(fit_rows.x), label=rare)
    settings = SMALL.model_copy(update={"classes": "balanced", "rounds": 120, "min_child_weight": 1.0})
    found = run(blind, later_rows, settings)
    head = rare[fit_rows.session < 7]  # the rest stops the training
    (member,) = found.ensemble.members
    assert softmax(member.fitted.raw(blind.x[:1]))[0] == pytest.approx(np.full(3, 1 / 3), abs=0.07)
    assert softmax(found.ensemble.raw(blind.x[:1]))[0] == pytest.approx(np.bincount(head) / len(head), abs=0.03)
    assert found.parity < PARITY


def test_members_are_pooled_by_normalised_weights(run: Run, fit_rows: Dataset, later_rows: Dataset) -> None:
    far = replace(fit_rows, end_ns=fit_rows.end_ns + 600, label=np.roll(fit_rows.label, 1))
    settings = SMALL.model_copy(update={"seeds": 2, "horizons": (12,), "horizon_weights": (0.6, 0.2)})
    found = run(fit_rows, later_rows, settings, horizon=6, others={12: Feed.of(far)})
    told = [(one["horizon"], one["seed"], one["weight"]) for one in found.papers.members]
    assert told == [(6, 1, 0.375), (6, 2, 0.375), (12, 1, 0.125), (12, 2, 0.125)]
    margins = [one.fitted.raw(later_rows.x).astype(np.float64) for one in found.ensemble.members]
    pooled = sum(weight * one for (*_, weight), one in zip(told, margins, strict=True))
    assert found.ensemble.raw(later_rows.x) == pytest.approx(pooled, abs=1e-5)
    assert found.parity < PARITY
    assert {"tail", "tail_h6s2", "tail_h12s1", "tail_h12s2"} == set(found.curves)
    again = run(fit_rows, later_rows, settings, horizon=6, others={12: Feed.of(far)})
    assert again.onnx == found.onnx


def test_regressors_foresee_move_and_volatility(run: Run, make: Make) -> None:
    rows, later, unseen = make(sessions=12), make(4, seed=1, first=date(2026, 1, 20)), make(sessions=8, seed=9)
    found = run(rows, later, SMALL.model_copy(update={"moves": "regressors"}))
    assert found.moves is not None
    assert found.parity < PARITY
    model = Model.load(found.onnx)
    told = model.predict(unseen.x, unseen.volatility_ticks)
    assert np.corrcoef(told["move_ticks"], unseen.move_ticks)[0, 1] > 0.5
    assert np.corrcoef(told["volatility_ticks"], np.abs(unseen.move_ticks))[0, 1] > 0.2
    assert told["volatility_ticks"].mean() == pytest.approx(4.0, rel=0.1), "on average as it is now"
    for i in (0, 5, 77):
        assert model.predict(unseen.x[i : i + 1], unseen.volatility_ticks[i : i + 1]).tobytes() == told[i].tobytes()
    plain = run(rows, later)
    assert Model.load(plain.onnx).probabilities(unseen.x).tobytes() == model.probabilities(unseen.x).tobytes()


def test_a_training_that_was_stopped_goes_on_and_gives_the_same_bytes(
    run: Run, fit_rows: Dataset, later_rows: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SMALL.model_copy(
        update={"checkpoint_rounds": 4, "seeds": 2, "subsample": 0.5, "colsample": 0.5, "moves": "regressors"}
    )
    saves, stops, save = [0], set[int](), Checkpoint.save

    def stopped(self: Checkpoint, state: bytes, told: Mapping[str, Any]) -> None:
        save(self, state, told)
        saves[0] += 1
        if saves[0] in stops:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", stopped)
    whole = run(fit_rows, later_rows, settings, checkpoint=Checkpoint(tmp_path / "other", "this input")).onnx
    total, saves[0], kept = saves[0], 0, Checkpoint(tmp_path / "checkpoint", "this input")
    stops |= {2, 5, 9, 14}
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            run(fit_rows, later_rows, settings, checkpoint=kept)
    assert run(fit_rows, later_rows, settings, checkpoint=kept).onnx == whole
    assert saves[0] == total, "what was saved is not learned again"
    other = Checkpoint(kept.path, "another input")
    assert run(fit_rows, later_rows, settings, checkpoint=other).onnx == whole


def test_the_most_important_features_are_those_that_tell(trained: Trained) -> None:
    for measure in ("gain", "shap"):
        found = trained.importance[measure]
        assert sorted(found, key=found.__getitem__)[-2:] == ["feature_1", "feature_0"]
        assert sum(found.values()) == pytest.approx(1.0)
