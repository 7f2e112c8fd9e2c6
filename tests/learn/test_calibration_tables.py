"""Isotonic and Venn-Abers calibration: held against sklearn and venn-abers, and what their curves may not do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scalper.learn.calibration import Isotonic, Kind, VennAbers, fit, softmax
from scalper.learn.calibration.isotonic import held, isotonic, venn_abers
from scalper.learn.calibration.table import CELLS, LEAST, SHARE, STEEPEST
from scalper.learn.scores import expected_calibration_error, log_loss

KINDS: tuple[Kind, ...] = ("isotonic", "venn_abers")
CORNERS = np.arange(CELLS + 1)


def draw(rows: int, seed: int = 0, spread: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Margins, and labels that follow their softmax."""
    random = np.random.default_rng(seed)
    margin = random.normal(size=(rows, 3)).astype(np.float32) * np.float32(spread)
    chance = softmax(margin.astype(np.float64)).cumsum(axis=1)
    return margin, (random.random((rows, 1)) > chance[:, :2]).sum(axis=1).astype(np.int8)


@st.composite
def counted(make: st.DrawFn, least: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows and hits of some cells."""
    rows = np.array(make(st.lists(st.integers(least, 6), min_size=1, max_size=20)), np.float64)
    hits = np.array([make(st.integers(0, int(one))) for one in rows], np.float64)
    return rows, hits


@settings(max_examples=100)
@given(counted(least=1))
def test_isotonic_is_what_sklearn_says(given_rows: tuple[np.ndarray, np.ndarray]) -> None:
    from sklearn.isotonic import IsotonicRegression

    rows, hits = given_rows
    wanted = IsotonicRegression().fit_transform(np.arange(len(rows)), hits / rows, sample_weight=rows)
    assert isotonic(rows, hits) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning")  # of the package
@settings(max_examples=100)
@given(counted())
def test_venn_abers_is_what_the_package_says(given_rows: tuple[np.ndarray, np.ndarray]) -> None:
    """In cells with rows. Between them the package takes p0 of the cell before and p1 of the one behind; here a row in
    an empty cell has a cell of its own, which is the definition, and nothing is taken at all."""
    from venn_abers import VennAbers as Peer

    rows, hits = given_rows
    assume(0 < hits.sum() < rows.sum())  # the package takes no less than two classes
    score = np.repeat(np.arange(len(rows)), rows.astype(int)) / len(rows)
    label = np.concatenate([np.arange(int(n)) < won for n, won in zip(rows, hits, strict=True)]).astype(int)
    seen = np.flatnonzero(rows)
    peer = Peer()
    peer.fit(np.column_stack([1 - score, score]), label)
    merged, pair = peer.predict_proba(np.column_stack([1 - seen / len(rows), seen / len(rows)]))
    low, high = venn_abers(rows, hits)
    assert low[seen] == pytest.approx(pair[:, 0], abs=1e-9)
    assert high[seen] == pytest.approx(pair[:, 1], abs=1e-9)
    assert VennAbers.curve(rows, hits)[seen] == pytest.approx(merged[:, 1], abs=1e-9)


@settings(max_examples=100)
@given(counted())
def test_venn_abers_is_isotonic_regression_with_one_more_row(given_rows: tuple[np.ndarray, np.ndarray]) -> None:
    """The definition (Vovk et al. 2015), by sklearn, in empty cells as well."""
    from sklearn.isotonic import IsotonicRegression

    rows, hits = given_rows
    for hit, found in enumerate(venn_abers(rows, hits)):
        for cell in range(0, len(rows), 5):
            more = np.arange(len(rows)) == cell
            count, won = rows + more, hits + more * hit
            seen = count > 0
            curve = IsotonicRegression().fit_transform(
                np.flatnonzero(seen), won[seen] / count[seen], sample_weight=count[seen]
            )
            assert found[cell] == pytest.approx(curve[more[seen]][0], abs=1e-12)


@settings(max_examples=100)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=25), st.floats(0.001, 0.5))
def test_a_curve_is_held_below_its_slope_and_stays_as_near_as_it_can(values: list[float], steepest: float) -> None:
    heights = np.sort(np.array(values))
    found = held(heights, steepest)
    rise = np.diff(found)
    assert (rise >= -1e-12).all() and (rise <= steepest + 1e-12).all()
    # two corners that lie too far apart in height have to give way by half of the excess, and no corner by more
    excess = [heights[b] - heights[a] - steepest * (b - a) for a in range(len(heights)) for b in range(a, len(heights))]
    assert np.abs(found - heights).max() == pytest.approx(max(0.0, *excess) / 2, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_become_slopes(kind: Kind) -> None:
    """Rows that are never right below a half and always above it: a step, in any isotonic fit."""
    random = np.random.default_rng(3)
    up = random.normal(size=4000).astype(np.float32)
    margin = np.column_stack([np.zeros_like(up), np.zeros_like(up), up])
    label = np.where(softmax(margin)[:, 2] > 0.4, 2, random.integers(0, 2, len(up))).astype(np.int8)
    found = fit(kind, margin, label)
    assert isinstance(found, Isotonic | VennAbers)
    rise = np.diff(found.heights.astype(np.float64), axis=1)
    assert (rise >= 0).all()
    assert rise.max() * CELLS == pytest.approx(STEEPEST, abs=1e-3)
    assert (found.heights >= SHARE * CORNERS / CELLS - LEAST - 1e-6).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_bent_model_is_straightened_better_than_by_a_temperature(kind: Kind) -> None:
    """Margins whose squares were taken: no line through them is right."""

    def bent(seed: int) -> tuple[np.ndarray, np.ndarray]:
        margin, label = draw(6_000, seed, spread=1.2)
        return np.sign(margin) * margin**2, label

    (margin, label), (later, truth) = bent(0), bent(1)
    before, after = fit("vector", margin, label).apply(later), fit(kind, margin, label).apply(later)
    assert log_loss(after, truth).mean() < log_loss(before, truth).mean() - 0.005
    assert expected_calibration_error(after, truth) < 0.6 * expected_calibration_error(before, truth)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_is_right_is_left_nearly_alone(kind: Kind) -> None:
    margin, label = draw(6_000)
    later, truth = draw(6_000, 1)
    before, after = fit("vector", margin, label).apply(later), fit(kind, margin, label).apply(later)
    assert log_loss(after, truth).mean() < log_loss(before, truth).mean() + 0.003


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_worse_than_nothing_falls_back_to_the_shares(kind: Kind) -> None:
    margin, label = draw(5_000)
    shares = np.bincount(label, minlength=3) / len(label)
    assert np.abs(fit(kind, -margin, label).apply(-margin) - shares).max() < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_few_rows_and_one_class_give_a_probability_to_all(kind: Kind) -> None:
    margin, label = draw(500)
    far = np.array([[0, 0, 0], [20, -20, 0], [-20, 20, 0], [0, -20, 20]], np.float32)
    for rows in (0, 1, 10, 500):
        for given_label in (label[:rows], np.zeros(rows, np.int8), np.full(rows, 2, np.int8)):
            found = fit(kind, margin[:rows], given_label).apply(np.concatenate([margin, far]))
            assert (found > LEAST / 4).all() and (found < 1 - LEAST / 4).all()
    only_flat = fit(kind, margin, np.ones_like(label)).apply(margin)
    assert only_flat[:, 1].mean() > 0.9


def test_where_rows_are_few_isotonic_stays_with_vector_scaling() -> None:
    margin, label = draw(500)
    for rows, near in ((0, 0.002), (1, 0.04), (10, 0.15)):
        found, wanted = (fit(kind, margin[:rows], label[:rows]).apply(margin) for kind in ("isotonic", "vector"))
        assert np.abs(found - wanted).max() < near


def test_the_papers_are_json_and_show_the_curves() -> None:
    import json

    margin, label = draw(800)
    for kind in KINDS:
        papers: dict[str, Any] = fit(kind, margin, label).papers()
        assert json.loads(json.dumps(papers)) == papers
        assert papers["kind"] == kind
        assert np.shape(papers["curves"]) == (3, 9)
        assert (np.diff(papers["curves"]) >= 0).all()
