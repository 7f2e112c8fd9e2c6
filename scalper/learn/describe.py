"""What the rows of a lane are like: how each feature is spread, how it drifts, what goes with what. Numbers only.

Rows are compared by month. They are not independent of their neighbours, so nothing here is a test with a p-value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[Any]

MODERATE, LARGE = 0.10, 0.25
"""PSI from which a shift is called moderate, and large: conventions of credit scoring, not significance levels."""
SHIFT = 0.1
"""KS beyond chance from which a column has moved: a tenth of its rows lie elsewhere. A convention too."""
DRIFT = ("psi", "chance", "ks", "ks_chance")
QUANTILES = {"p01": 0.01, "p05": 0.05, "p25": 0.25, "p50": 0.50, "p75": 0.75, "p95": 0.95, "p99": 0.99}
HISTOGRAM_BINS = 24
TAIL = 0.005
"""Share of the reference beyond either end of a histogram; what lies there is counted in the end bins."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of features, column by column: the known values in rising order, and how many rows say as much as one."""

    names: tuple[str, ...]
    rows: int
    known: tuple[Array, ...]
    effect: Array

    @classmethod
    def of(cls, names: Sequence[str], x: Numbers, session: Numbers) -> Sample:
        """The sample of a matrix (n, f) and the session (n,) of each row."""
        columns = tuple(_known(x[:, column]) for column in range(x.shape[1]))
        return cls(tuple(names), len(x), columns, design_effect(x, session))


def design_effect(x: Numbers, session: Numbers) -> Array:
    """How many rows of each column (n, f) say as much as one independent one: Kish's 1 + (m - 1) · r.

    m rows a session (n,), r the share of the variance that lies between sessions (one-way analysis of variance). It
    is 1 for what changes from row to row, and m for what has one value a session. Rows with NaN count as the mean.
    """
    _, place = np.unique(session, return_inverse=True)
    sizes = np.bincount(place)
    if len(sizes) < 2 or len(place) == len(sizes):
        return np.ones(x.shape[1])
    centred, _ = _centred(x)
    sums = np.zeros((len(sizes), x.shape[1]))
    np.add.at(sums, place, centred)
    between = (sums**2 / sizes[:, None]).sum(axis=0)
    within = ((centred**2).sum(axis=0) - between) / (len(place) - len(sizes))
    between, m = between / (len(sizes) - 1), len(place) / len(sizes)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.clip((between - within) / (between + (m - 1) * within), 0, 1)
    return 1 + (m - 1) * np.nan_to_num(r)


def _known(values: Numbers) -> Array:
    """The values that are numbers, in rising order."""
    return np.sort(values[~np.isnan(values)]).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Bins:
    """How a reference is cut: between `edges` (each bin is open to the left), or, with few values, a bin a value."""

    edges: Array
    values: Array | None = None

    def counts(self, known: Array, missing: int) -> Array:
        """Numbers in each bin; the last two are those that equal no value, and NaN."""
        if self.values is None:
            inside = np.bincount(np.searchsorted(self.edges, known), minlength=len(self.edges) + 1)
            return np.append(inside, (0, missing)).astype(np.float64)
        place = np.minimum(np.searchsorted(self.values, known), len(self.values) - 1)
        equal = self.values[place] == known
        inside = np.bincount(place[equal], minlength=len(self.values))
        return np.append(inside, (len(known) - int(equal.sum()), missing)).astype(np.float64)


def bins_of(known: Array, bins: int = 10) -> Bins:
    """Cut at the quantiles, equal ones merged; up to `bins` different values are a bin each. `known` rises."""
    values = np.unique(known)
    if 0 < len(values) <= bins:
        return Bins(np.empty(0), values)
    return Bins(np.unique(np.quantile(known, np.arange(1, bins) / bins)) if len(known) else np.empty(0))


def _psi(reference: Array, sample: Array) -> float:
    there = (reference > 0) | (sample > 0)
    if reference.sum() == 0 or sample.sum() == 0:
        return float("nan")
    p, q = ((one[there] + 0.5) / (one.sum() + 0.5 * there.sum()) for one in (reference, sample))
    return float(((p - q) * np.log(p / q)).sum())


def psi(reference: Numbers, sample: Numbers, bins: int = 10) -> float:
    """Population stability index of a sample (m,) against a reference (n,); NaN if either is empty.

    Sum over bins of (p - q) ln(p / q), p = (count + 1/2) / (all + bins / 2) q too: an empty bin is not infinite.
    Bins are the deciles of the reference; NaN is a bin of its own, and so is a value new to a reference of few values.
    """
    one, other = _known(np.asarray(reference)), _known(np.asarray(sample))
    cut = bins_of(one, bins)
    return _psi(cut.counts(one, len(reference) - len(one)), cut.counts(other, len(sample) - len(other)))


def ks(reference: Numbers, sample: Numbers) -> float:
    """Kolmogorov-Smirnov distance: the largest gap between the two distribution functions, NaN left out."""
    return _ks(_known(np.asarray(reference)), _known(np.asarray(sample)))


def _ks(one: Array, other: Array) -> float:
    if len(one) == 0 or len(other) == 0:
        return float("nan")
    gaps = [
        np.searchsorted(one, at, "right") / len(one) - np.searchsorted(other, at, "right") / len(other)
        for at in (one, other)
    ]
    return float(max(np.abs(gap).max() for gap in gaps))


def drift(reference: Sample, sample: Sample, bins: int = 10) -> pl.DataFrame:
    """A row a feature: feature, psi, chance, ks and ks_chance of the sample against the reference.

    chance: the PSI to expect of samples of this size from one distribution, (bins - 1) · (e / N + e' / M) with e the
    design effects: a feature with one value a session has no more than its sessions to show. ks_chance: what KS stays
    below in 19 of 20 such samples, 1.36 · sqrt(e / N + e' / M).
    """
    rows: list[dict[str, object]] = []
    for column, name in enumerate(reference.names):
        one, other = reference.known[column], sample.known[column]
        cut = bins_of(one, bins)
        before, now = cut.counts(one, reference.rows - len(one)), cut.counts(other, sample.rows - len(other))
        spread = reference.effect[column] / max(reference.rows, 1) + sample.effect[column] / max(sample.rows, 1)
        chance = (int(((before > 0) | (now > 0)).sum()) - 1) * float(spread)
        told = {"psi": _psi(before, now), "chance": chance, "ks": _ks(one, other), "ks_chance": 1.36 * spread**0.5}
        rows.append({"feature": name, **told})
    return pl.DataFrame(rows, schema={"feature": pl.String} | dict.fromkeys(DRIFT, pl.Float64))


def drifted(large: float) -> pl.Expr:
    """Whether a row of `drift` has moved: PSI beyond chance by more than `large`, and KS beyond chance by SHIFT.

    PSI alone calls it drift when the few values of a column, such as returns of whole ticks, move a hair over the edge
    of a bin; KS sees that they have not gone far.
    """
    beyond = (pl.col("psi") - pl.col("chance") > large) & (pl.col("ks") - pl.col("ks_chance") > SHIFT)
    return beyond.fill_null(value=False)


def distributions(sample: Sample) -> pl.DataFrame:
    """A row a feature: n, missing, zero, mean, std, min, quantiles, max, skew and kurtosis (0 for a normal one)."""
    return pl.DataFrame(
        [_moments(name, sample.rows, one) for name, one in zip(sample.names, sample.known, strict=True)]
    )


def _moments(name: str, rows: int, known: Array) -> dict[str, object]:
    found: dict[str, object] = {"feature": name, "n": rows, "missing": rows - len(known)}
    found["zero"] = int((known == 0).sum())
    if len(known) == 0:
        names = ("mean", "std", "min", *QUANTILES, "max", "skew", "kurtosis")
        return found | dict.fromkeys(names, float("nan"))
    mean, std = float(known.mean()), float(known.std())
    z = (known - mean) / std if std > 0 else np.zeros(1)
    shape = (float((z**3).mean()), float((z**4).mean()) - 3.0) if std > 0 else (float("nan"), float("nan"))
    cuts = np.quantile(known, list(QUANTILES.values())).tolist()
    found |= {"mean": mean, "std": std, "min": float(known[0]), **dict(zip(QUANTILES, cuts, strict=True))}
    return found | {"max": float(known[-1]), "skew": shape[0], "kurtosis": shape[1]}


def histogram_edges(reference: Sample) -> list[Array]:
    """Equal bins of each feature between the outer quantiles of the reference; one bin for a constant."""
    found: list[Array] = []
    for known in reference.known:
        low, high = np.quantile(known, [TAIL, 1 - TAIL]).tolist() if len(known) else (0.0, 0.0)
        if low == high and len(known):
            low, high = float(known[0]), float(known[-1])
        found.append(np.linspace(low, high, HISTOGRAM_BINS + 1) if low < high else np.array([low - 0.5, low + 0.5]))
    return found


def histograms(sample: Sample, edges: Sequence[Array]) -> pl.DataFrame:
    """A row a feature and bin: feature, low, high, count; the end bins count what lies beyond them too."""
    parts: list[pl.DataFrame] = []
    for name, known, cut in zip(sample.names, sample.known, edges, strict=True):
        until = np.searchsorted(known, cut[1:-1])
        count = np.diff(np.concatenate([[0], until, [len(known)]]))
        parts.append(pl.DataFrame({"feature": name, "low": cut[:-1], "high": cut[1:], "count": count}))
    return pl.concat(parts)


def ranked(x: Numbers) -> Array:
    """Ranks of each column of (n, f), equal values share the mean of theirs; NaN stays."""
    frame = pl.DataFrame(x, schema=[str(column) for column in range(x.shape[1])])
    ranks = frame.select(pl.all().fill_nan(None).rank("average").cast(pl.Float64).fill_null(float("nan")))
    return ranks.to_numpy()


def correlation(x: Numbers, y: Numbers) -> Array:
    """Pearson correlation (f, g) of the columns of x (n, f) and y (n, g), each pair over the rows that know both.

    NaN where one of the two does not vary over these rows. Of `ranked` columns it is Spearman's.
    """
    gaps_x, gaps_y = np.isnan(x).any(axis=0), np.isnan(y).any(axis=0)
    found = np.empty((x.shape[1], y.shape[1]))
    found[np.ix_(~gaps_x, ~gaps_y)] = _pairwise(x[:, ~gaps_x], y[:, ~gaps_y], whole=True)
    found[gaps_x] = _pairwise(x[:, gaps_x], y, whole=False)
    found[:, gaps_y] = _pairwise(x, y[:, gaps_y], whole=False)
    return np.clip(found, -1.0, 1.0)


def _pairwise(x: Numbers, y: Numbers, *, whole: bool) -> Array:
    """`correlation`; of `whole` columns every pair has the same rows, which spares five products of six."""
    one, here = _centred(x)
    other, there = _centred(y)
    with np.errstate(divide="ignore", invalid="ignore"):
        if whole:
            n, mean_x, mean_y = len(x), 0.0, 0.0
            var_x, var_y = (one * one).mean(axis=0)[:, None], (other * other).mean(axis=0)[None, :]
        else:
            n = here.T @ there
            mean_x, mean_y = (one.T @ there) / n, (here.T @ other) / n
            var_x = ((one * one).T @ there) / n - mean_x**2
            var_y = (here.T @ (other * other)) / n - mean_y**2
        found = ((one.T @ other) / n - mean_x * mean_y) / np.sqrt(var_x * var_y)
    return np.where((var_x <= _dust(x, one)[:, None]) | (var_y <= _dust(y, other)[None, :]), np.nan, found)


def _centred(x: Numbers) -> tuple[Array, Array]:
    """Columns less their means with 0 for NaN, and 1 where a value is known."""
    wide = np.asarray(x, np.float64)
    known = ~np.isnan(wide)
    filled = np.where(known, wide, 0.0)
    mean = filled.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, filled - mean, 0.0), known.astype(np.float64)


def _dust(x: Numbers, centred: Array) -> Array:
    """The variance that rounding leaves of a constant, for each column."""
    largest = np.abs(np.nan_to_num(np.asarray(x, np.float64))).max(axis=0, initial=0.0)
    return np.maximum((1e-12 * largest) ** 2, 1e-12 * (centred * centred).mean(axis=0))


def correlations(names: Sequence[str], x: Numbers) -> pl.DataFrame:
    """A row a pair of features, both ways: a, b, pearson, spearman."""
    first, second = np.repeat(np.array(names), len(names)), np.tile(np.array(names), len(names))
    ranks = ranked(x)
    columns = {"pearson": correlation(x, x).ravel(), "spearman": correlation(ranks, ranks).ravel()}
    return pl.DataFrame({"a": first, "b": second, **columns})


def information(names: Sequence[str], x: Numbers, move: Numbers) -> pl.DataFrame:
    """A row a feature: Spearman's correlation with the move (n,) that follows, over labelled rows (NaN: unlabelled)."""
    known = ~np.isnan(move)
    found = correlation(ranked(x[known]), ranked(move[known][:, None]))[:, 0]
    return pl.DataFrame({"feature": list(names), "spearman": found})


def neighbours(x: Numbers) -> tuple[Array, Array]:
    """Sums for the autocorrelation of neighbouring rows of one session: products (f,) and squares (f,).

    Autocorrelation over several sessions is the quotient of the sums; each session is centred on its own mean.
    """
    centred, _ = _centred(x)
    return (centred[1:] * centred[:-1]).sum(axis=0), (centred * centred).sum(axis=0)
