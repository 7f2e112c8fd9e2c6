"""Isotonic regression of hits on ordered cells, Venn-Abers predictors from it, and curves held below a slope."""

from __future__ import annotations

import numpy as np

from scalper.learn.calibration.base import Array


def isotonic(rows: Array, hits: Array, extra: tuple[float, float] = (0.0, 0.0)) -> Array:
    """Shares of hits that never fall from cell to cell and are nearest to those seen, least squares: (n,).

    What pool-adjacent-violators gives (Zadrozny & Elkan 2002), by the formula of Barlow et al. 1972 for it: the largest
    over all first cells a ≤ i of the smallest over all last cells b ≥ i of the share in a to b. It needs no order of
    pooling, and each value is the ratio of two sums. `extra` (rows, hits) lie in cell i itself, for each i in its turn.
    rows (n,) above 0 unless there are extra ones, hits (n,) at most rows.
    """
    size = len(rows)
    first, last = np.arange(size)[:, None], np.arange(size)
    before = np.zeros((2, size + 1))
    np.cumsum([rows, hits], axis=1, out=before[:, 1:])
    count, won = before[:, None, 1:] - before[:, :-1, None] + np.array(extra)[:, None, None]
    share = np.where(first <= last, won / np.where(first <= last, count, 1.0), np.inf)
    smallest = np.minimum.accumulate(share[:, ::-1], axis=1)[:, ::-1]
    return np.where(first <= last, smallest, -np.inf).max(axis=0)


def venn_abers(rows: Array, hits: Array) -> tuple[Array, Array]:
    """The two probabilities of a hit for a new row in each cell, p0 (n,) and p1 (n,); p0 ≤ p1.

    Inductive Venn-Abers predictors (Vovk, Petej & Fedorova 2015, section 2): isotonic regression once with the new row
    as a miss, once as a hit.
    """
    return isotonic(rows, hits, (1.0, 0.0)), isotonic(rows, hits, (1.0, 1.0))


def held(heights: Array, steepest: float) -> Array:
    """The curve (n,) that rises by at most `steepest` a cell and is nearest to non-falling heights (n,) at the worst.

    The mean of the largest such curve below and of the smallest above; it does not fall either.
    """
    slope = np.arange(len(heights)) * steepest
    below = np.minimum.accumulate(heights - slope) + slope
    above = np.maximum.accumulate((heights - slope)[::-1])[::-1] + slope
    return (below + above) / 2
