"""PSI and KS against hand-made and known values, correlations against the plain loop, planted drift is found."""

from __future__ import annotations

from itertools import pairwise
from math import erf, log, sqrt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.learn import describe
from scalper.learn.describe import Sample, correlation, design_effect, ks, neighbours, psi, ranked

NAN = float("nan")


def sample(names: tuple[str, ...], x: np.ndarray, sessions: int = 20) -> Sample:
    """Rows dealt out evenly to sessions."""
    return Sample.of(names, x, np.arange(len(x)) * sessions // len(x))


def normal(n: int, mean: float = 0.0, std: float = 1.0, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, std, n).astype(np.float32)


def test_psi_of_two_values_by_hand() -> None:
    """50:50 against 80:20 with half a row added to each of two bins: 50.5/101 and 80.5/101, 20.5/101."""
    reference, sample = np.repeat([0.0, 1.0], 50), np.repeat([0.0, 1.0], [80, 20])
    by_hand = (0.5 - 80.5 / 101) * log(0.5 / (80.5 / 101)) + (0.5 - 20.5 / 101) * log(0.5 / (20.5 / 101))
    assert psi(reference, sample) == pytest.approx(by_hand, rel=1e-12)
    assert by_hand == pytest.approx(0.40629, abs=1e-5)


def test_psi_counts_what_is_missing_and_what_is_new() -> None:
    one = np.repeat([0.0, 1.0], 50)
    assert psi(one, np.append(one, np.full(100, NAN))) > 0.25
    assert psi(np.append(one, np.full(100, NAN)), one) > 0.25
    assert psi(one, np.append(one, np.full(100, 0.5))) > 0.25
    assert psi(one, one) == psi(one[::-1], one) == 0.0
    many = np.arange(1000.0)
    assert psi(many, np.append(many, np.full(500, NAN))) > 0.25


@pytest.mark.parametrize(("shift", "exact"), [(0.25, 0.0625), (0.5, 0.25), (1.0, 1.0)])
def test_psi_of_shifted_normals_is_near_the_square_of_the_shift(shift: float, exact: float) -> None:
    """Of densities it is the symmetric divergence, shift² for unit normals; ten bins see nearly all of a small one."""
    found = psi(normal(200_000), normal(200_000, shift, seed=2))
    assert 0.85 * exact < found < 1.01 * exact


def test_psi_without_rows_or_with_a_constant() -> None:
    assert np.isnan(psi(np.empty(0), normal(10))) and np.isnan(psi(normal(10), np.empty(0)))
    assert psi(np.zeros(10), np.zeros(20)) == 0.0
    assert psi(np.zeros(1000), np.ones(1000)) > 10
    assert psi(np.full(10, NAN), np.full(10, NAN)) == 0.0


@settings(max_examples=100)
@given(
    st.lists(st.one_of(st.integers(-20, 20), st.just(NAN)), min_size=1, max_size=80),
    st.lists(st.one_of(st.integers(-20, 20), st.just(NAN)), min_size=1, max_size=80),
)
def test_psi_and_ks_against_counting(first: list[float], second: list[float]) -> None:
    one, other = np.array(first, np.float64), np.array(second, np.float64)
    known, seen = one[~np.isnan(one)], other[~np.isnan(other)]
    if known.size and seen.size:
        gaps = [abs((known <= at).mean() - (seen <= at).mean()) for at in (*known, *seen)]
        assert ks(one, other) == pytest.approx(max(gaps), abs=1e-12)
    else:
        assert np.isnan(ks(one, other))
    values = sorted(set(known.tolist()))
    if len(values) <= 10:
        bins = [lambda x, v=v: x == v for v in values]
        bins.append(lambda x: ~np.isnan(x) & ~np.isin(x, values))
    else:
        edges = [-np.inf, *sorted(set(np.quantile(known, np.arange(1, 10) / 10).tolist())), np.inf]
        bins = [lambda x, a=a, b=b: (x > a) & (x <= b) for a, b in pairwise(edges)]
    bins.append(np.isnan)
    counts = [(int(inside(one).sum()), int(inside(other).sum())) for inside in bins]
    counts = [pair for pair in counts if sum(pair)]
    shares = [((a + 0.5) / (one.size + len(counts) / 2), (b + 0.5) / (other.size + len(counts) / 2)) for a, b in counts]
    assert psi(one, other) == pytest.approx(sum((p - q) * log(p / q) for p, q in shares), abs=1e-12)
    assert psi(one, other) >= 0


@pytest.mark.parametrize("shift", [0.25, 0.5, 1.0])
def test_ks_of_shifted_normals(shift: float) -> None:
    """2 Φ(shift / 2) - 1."""
    assert ks(normal(200_000), normal(200_000, shift, seed=2)) == pytest.approx(erf(shift / sqrt(8)), abs=0.005)


def test_ks_by_hand() -> None:
    assert ks(np.array([1.0, 2, 3, 4]), np.array([3.0, 4, 5, 6])) == 0.5
    assert ks(np.array([1.0, 1, 2]), np.array([1.0, 2, 2, NAN])) == pytest.approx(1 / 3)
    assert ks(np.array([1.0]), np.array([2.0])) == 1.0


def test_planted_drift_is_found_and_nothing_else() -> None:
    """One feature moves, one widens, one goes missing, one gets a new value; the others stay."""
    names = ("still", "moved", "wider", "gone", "coded", "constant")
    coded = np.random.default_rng(5).integers(-1, 2, 20_000).astype(np.float32)
    columns = [normal(20_000, seed=seed) for seed in range(4)]
    x = np.column_stack([*columns, coded, np.ones(20_000, np.float32)])
    later = np.column_stack([*(normal(20_000, seed=10 + seed) for seed in range(4)), coded, np.ones(20_000)])
    calm = describe.drift(sample(names, x), sample(names, later))
    assert calm["psi"].max() < 0.01 and calm["ks"].max() < 0.03  # type: ignore[operator]
    later[:, 1] += 1.0
    later[:, 2] *= 2.0
    later[:10_000, 3] = np.nan
    later[:5_000, 4] = 2.0
    found = describe.drift(sample(names, x), sample(names, later))
    assert found["feature"].to_list() == list(names)
    large = found.filter(pl.col("psi") > describe.LARGE)["feature"].to_list()
    assert large == ["moved", "wider", "gone", "coded"]
    assert found["ks"].to_list()[1] == pytest.approx(erf(1 / sqrt(8)), abs=0.02)


def test_a_feature_with_one_value_a_session_has_no_more_than_its_sessions_to_show() -> None:
    """Kish: m rows a session, share r of the variance between sessions, 1 + (m - 1) r rows say as much as one."""
    rng = np.random.default_rng(3)
    sessions, m = 40, 300
    place = np.repeat(np.arange(sessions), m)
    own, noise = rng.normal(size=sessions)[place], rng.normal(size=sessions * m)
    x = np.column_stack([own, noise, own + noise, np.ones(sessions * m), np.where(noise > 0, own, NAN)])
    effect = design_effect(x, place)
    assert effect[0] == pytest.approx(m)
    assert 1 <= effect[1] < 2
    assert effect[2] == pytest.approx(1 + (m - 1) * 0.5, rel=0.35)
    assert effect[3] == 1
    assert 1 < effect[4] < m
    assert design_effect(x[:m], place[:m]).tolist() == [1] * 5


@pytest.mark.parametrize("per_session", [True, False])
def test_what_chance_gives_is_what_is_seen_on_average(per_session: bool) -> None:
    """Two samples of one distribution, many times over: the mean PSI is the chance that is told."""
    rng = np.random.default_rng(4)
    place = np.repeat(np.arange(25), 40)
    psis, chances = [], []
    for _ in range(60):
        one, other = (
            Sample.of(("a",), (rng.normal(size=25)[place] if per_session else rng.normal(size=1000))[:, None], place)
            for _ in range(2)
        )
        row = describe.drift(one, other).to_dicts()[0]
        psis.append(row["psi"])
        chances.append(row["chance"])
    assert np.mean(chances) == pytest.approx(9 * (2 / 25 if per_session else 2 / 1000), rel=0.35)
    assert np.mean(psis) == pytest.approx(np.mean(chances), rel=0.9 if per_session else 0.3)


def test_few_values_that_move_a_hair_over_an_edge_have_not_drifted() -> None:
    """Returns of whole ticks are fewer basis points at a higher price: all of a value crosses an edge at once."""
    moves, price = np.random.default_rng(3).integers(-4, 5, 20_000), np.linspace(24_000, 24_200, 20_000)
    before, after = 1e4 * moves / price, 1e4 * moves / (price + 150)
    reference = sample(("a",), before[:, None])
    still, gone = (describe.drift(reference, sample(("a",), other[:, None])) for other in (after, after + 1))
    assert still["psi"].item() > still["chance"].item() + 0.25
    assert still.select(describe.drifted(0.25)).item() is False
    assert gone.select(describe.drifted(0.25)).item() is True


def test_distributions_and_histograms() -> None:
    x = np.array([[0.0, 1.0, NAN], [1.0, 1.0, NAN], [2.0, 1.0, NAN], [7.0, NAN, NAN]], np.float32)
    rows = sample(("a", "b", "c"), x)
    found = describe.distributions(rows)
    first, second, third = found.to_dicts()
    assert (first["n"], first["missing"], first["zero"], first["mean"], first["p50"]) == (4, 0, 1, 2.5, 1.5)
    assert first["std"] == pytest.approx(np.std([0, 1, 2, 7]))
    assert (first["min"], first["max"]) == (0, 7)
    assert first["skew"] == pytest.approx(np.mean(((np.array([0, 1, 2, 7]) - 2.5) / first["std"]) ** 3))
    assert (second["missing"], second["std"]) == (1, 0) and np.isnan(second["skew"])
    assert third["missing"] == 4 and np.isnan(third["mean"])
    edges = describe.histogram_edges(rows)
    counted = describe.histograms(rows, edges).group_by("feature", maintain_order=True).agg(pl.col("count").sum())
    assert counted["count"].to_list() == [4, 3, 0]
    assert [len(one) - 1 for one in edges] == [describe.HISTOGRAM_BINS, 1, 1]
    far = describe.histograms(sample(("a", "b", "c"), x + 1000), edges).filter(pl.col("feature") == "a")
    assert far["count"].to_list() == [0] * (len(far) - 1) + [4]


def test_a_normal_has_no_skew_and_no_kurtosis() -> None:
    row = describe.distributions(sample(("a",), normal(100_000)[:, None])).to_dicts()[0]
    assert abs(row["skew"]) < 0.03 and abs(row["kurtosis"]) < 0.05
    assert row["p05"] == pytest.approx(-1.645, abs=0.02)


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(3, 30), st.floats(0, 0.6))
def test_correlations_are_those_of_each_pair_of_known_rows(seed: int, n: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-3, 4, (n, 3)).astype(np.float64), rng.normal(size=(n, 2)) * 1e6
    x[:, 2] = 345.1
    for one in (x, y):
        one[rng.random(one.shape) < missing] = NAN
    found = correlation(x, y)
    for i in range(3):
        for j in range(2):
            both = ~np.isnan(x[:, i]) & ~np.isnan(y[:, j])
            a, b = x[both, i], y[both, j]
            if both.sum() < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
                assert np.isnan(found[i, j])
            else:
                assert found[i, j] == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-7)


def test_spearman_sees_any_rising_function() -> None:
    x = normal(500)[:, None]
    assert correlation(ranked(x), ranked(np.exp(3 * x)))[0, 0] == pytest.approx(1)
    assert correlation(ranked(x), ranked(-(x**3)))[0, 0] == pytest.approx(-1)
    assert ranked(np.array([[3.0], [1.0], [NAN], [3.0]]))[:, 0].tolist()[:2] == [2.5, 1.0]
    pairs = describe.correlations(("a", "b"), np.column_stack([x, 2 * x]))
    assert pairs["pearson"].to_list() == pytest.approx([1, 1, 1, 1])
    assert list(zip(pairs["a"], pairs["b"], strict=True)) == [("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")]


def test_information_leaves_unlabelled_rows_out() -> None:
    x = normal(3000)
    move = x + normal(3000, seed=2)
    move[::3] = np.nan
    noise = normal(3000, seed=3)
    found = describe.information(("told", "noise"), np.column_stack([x, noise]), move)
    assert found["feature"].to_list() == ["told", "noise"]
    assert found["spearman"].to_list() == [pytest.approx(0.69, abs=0.03), pytest.approx(0, abs=0.06)]


def test_neighbouring_rows_of_a_session() -> None:
    steps = np.cumsum(normal(5000))
    noise = normal(5000, seed=4)
    half = np.convolve(noise, 0.5 ** np.arange(40))[:5000]
    x = np.column_stack([steps, noise, np.ones(5000), np.full(5000, NAN), half])
    products, squares = neighbours(x)
    assert products[0] / squares[0] > 0.99
    assert products[4] / squares[4] == pytest.approx(0.5, abs=0.05)
    assert abs(products[1] / squares[1]) < 0.05
    assert squares[2] == squares[3] == 0
