"""The trials that no other beats in every objective, and the named rules that pick one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from scalper.errors import Refused
from scalper.learn.search.space import Point, Space
from scalper.learn.search.trial import Trial

Rule = Literal["best_sharpe", "one_error", "knee"]


def front(trials: Sequence[Trial]) -> list[Trial]:
    """The complete trials that no other complete one dominates: as good in every objective and better in one.

    The first objective is the better the higher, the second the lower. Equal ones are all there.
    """
    here = [one for one in trials if one.found.complete]
    good = np.array([_good(one) for one in here], np.float64)
    beaten = [bool(((good >= row).all(axis=1) & (good > row).any(axis=1)).any()) for row in good]
    return [one for one, lost in zip(here, beaten, strict=True) if not lost]


def pick(trials: Sequence[Trial], rule: Rule, space: Space) -> Trial:
    """One trial of the front.

    best_sharpe: the highest score. one_error: the smallest drawdown among those within a standard error of the highest
    score. knee: the farthest from the line between the front's two ends, both objectives scaled to 0 to 1. Of equals
    the most careful: highest confidence, then tightest stop, nearest target, least risk. Raises Refused without a
    complete trial.
    """
    found = front(trials)
    if not found:
        raise Refused("no trial is complete, so there is nothing to choose from")
    best = max(found, key=lambda one: (one.score, *careful(one.point)))
    if rule == "one_error":
        least = best.score - float(best.found.told["error"])
        near = [one for one in found if one.score >= least]
        return max(near, key=lambda one: (-one.found.scores[1], one.score, *careful(one.point)))
    if rule == "knee":
        bends = _bends(found)
        return max(zip(bends, found, strict=True), key=lambda one: (one[0], one[1].score, *careful(one[1].point)))[1]
    return best


def careful(point: Point) -> tuple[float, ...]:
    """The greater the more careful, in this order; a number that is not drawn does not count."""
    signs = {"confidence": 1, "stop_atr": -1, "stop_ticks": -1, "reward_to_risk": -1, "target_ticks": -1, "risk": -1}
    return tuple(sign * float(point.get(name, 0.0)) for name, sign in signs.items())


def standard_error(daily: Sequence[float], yearly: float) -> float:
    """Of a Sharpe ratio from this daily net: sqrt((1 + s²/2) / n) of the daily ratio s, in units of the yearly one.

    For returns that are independent and alike (Lo 2002, The Statistics of Sharpe Ratios, equation 9).
    """
    values = np.asarray(daily, np.float64)
    if values.size < 2 or not (spread := float(values.std(ddof=1))):
        return 0.0
    daily_ratio = float(values.mean()) / spread
    return float(np.sqrt((1 + daily_ratio**2 / 2) / values.size * yearly))


def _good(one: Trial) -> list[float]:
    """The objectives, all the better the higher."""
    first, *others = one.found.scores
    return [first, *(-other for other in others)]


def _bends(found: Sequence[Trial]) -> list[float]:
    """How far each lies beyond the line between the ends of the front; the ends themselves 0."""
    good = np.array([_good(one) for one in found], np.float64)
    low, high = good.min(axis=0), good.max(axis=0)
    scaled = (good - low) / np.where(high > low, high - low, 1.0)
    return (scaled.sum(axis=1) - 1).tolist()  # the ends are (1, 0) and (0, 1)
