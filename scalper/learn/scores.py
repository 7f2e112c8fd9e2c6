"""Scores of probabilities: calibration error, skill over the class priors, accuracy of the acted direction.

Bounds come from a bootstrap of whole sessions: rows of one session are not independent. Bound5 is the 5th percentile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scalper.learn.calibration import FLAT

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[Any]
SMALLEST = 1e-15
"""Probabilities are clipped here before a logarithm."""


def log_loss(prob: Numbers, label: Numbers) -> Array:
    """Log-loss of each row: -ln p of the label's class. prob (n, 3) or (3,), label (n,) in 0..2."""
    wide = np.broadcast_to(np.asarray(prob, np.float64), (len(label), 3))
    return -np.log(np.maximum(wide[np.arange(len(label)), label], SMALLEST))


def expected_calibration_error(prob: Numbers, label: Numbers, bins: int = 10) -> float:
    """Mean gap between confidence and hit rate of the predicted class, over bins of equal width; NaN without rows.

    Guo et al. 2017, equation 3. prob (n, 3), label (n,).
    """
    prob = np.asarray(prob, np.float64)
    top = prob.argmax(axis=1)
    return _gap(prob.max(axis=1), top == label, bins)


def direction_calibration_error(prob: Numbers, label: Numbers, direction: int, bins: int = 10) -> float:
    """The same gap over the rows that predict `direction` (0 DOWN, 2 UP), the ones that are acted on."""
    prob = np.asarray(prob, np.float64)
    acted = prob.argmax(axis=1) == direction
    return _gap(prob[acted, direction], label[acted] == direction, bins)


def _gap(confidence: Array, hit: npt.NDArray[np.bool_], bins: int) -> float:
    if len(confidence) == 0:
        return float("nan")
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    off = np.bincount(place, weights=hit - confidence, minlength=bins)
    return float(np.abs(off).sum() / len(confidence))


def reliability(prob: Numbers, label: Numbers, bins: int = 10) -> list[dict[str, float]]:
    """The rows of a reliability diagram: for each bin that has any, its rows, mean confidence and hit rate."""
    prob = np.asarray(prob, np.float64)
    confidence, hit = prob.max(axis=1), prob.argmax(axis=1) == label
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    return [
        {"rows": int(one.sum()), "confidence": float(confidence[one].mean()), "hits": float(hit[one].mean())}
        for one in (place == index for index in range(bins))
        if one.any()
    ]


def skill(
    prob: Numbers, label: Numbers, prior: Numbers, session: Numbers, draws: int = 2000, seed: int = 1
) -> tuple[float, float]:
    """Log-loss skill over class priors, 1 - loss / loss of the priors, and its bound5; NaN without rows.

    prob (n, 3), label (n,) in 0..2, prior (3,) or (n, 3) as each row's fold knew it, session (n,) any integers.
    """
    if len(label) == 0:
        return float("nan"), float("nan")
    lost, before = _by_session(session, log_loss(prob, label), log_loss(prior, label))
    times = _resamples(len(lost), draws, seed)
    return 1 - float(lost.sum() / before.sum()), _bound5(1 - (times @ lost) / (times @ before))


def directional_accuracy(
    prob: Numbers, label: Numbers, session: Numbers, threshold: float | Numbers, draws: int = 2000, seed: int = 1
) -> tuple[float, float, int]:
    """Share of right signs among acted rows whose label is not FLAT, its bound5, and the number of those rows.

    Acted: the predicted class is not FLAT and its probability is at least `threshold`. NaN without such rows.
    """
    prob = np.asarray(prob, np.float64)
    top = prob.argmax(axis=1) if len(prob) else np.zeros(0, np.int64)
    acted = (top != FLAT) & (prob.max(axis=1, initial=0.0) >= threshold) & (label != FLAT)
    rows = int(acted.sum())
    if rows == 0:
        return float("nan"), float("nan"), 0
    # sessions without an acted row are drawn as well: how many there are is part of the luck
    hits, tries = _by_session(session, (acted & (top == label)).astype(np.float64), acted.astype(np.float64))
    times = _resamples(len(hits), draws, seed)
    drawn = times @ tries
    return float(hits.sum() / rows), _bound5((times @ hits)[drawn > 0] / drawn[drawn > 0]), rows


def _by_session(session: Numbers, *columns: Array) -> tuple[Array, ...]:
    """Sums of each column a session."""
    _, place = np.unique(session, return_inverse=True)
    return tuple(np.bincount(place, weights=column) for column in columns)


def _resamples(sessions: int, draws: int, seed: int) -> Array:
    """How often each session is in each draw: (draws, sessions)."""
    shares = np.full(sessions, 1 / sessions)
    return np.random.default_rng(seed).multinomial(sessions, shares, size=draws).astype(np.float64)


def _bound5(values: Array) -> float:
    return float(np.quantile(values, 0.05)) if len(values) else float("nan")
