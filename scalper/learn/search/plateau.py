"""Which axes mattered, and whether the chosen point stands on a plateau or alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalper.learn.search.space import Space
from scalper.learn.search.trial import Trial

LONELY = 0.5
"""A best point whose neighbours have less than this share of its score is called a lonely peak."""
FEWEST = 8
"""Of fewer trials importance would be chance."""


@dataclass(frozen=True, slots=True)
class Plateau:
    """A trial among its neighbours, the tried points nearest to it. around: their mean score, None without any."""

    score: float
    around: float | None
    neighbours: int

    @property
    def lonely(self) -> bool:
        """Whether it stands alone: its neighbours are much worse, or it has none."""
        return self.around is None or (self.score > 0 and self.around < LONELY * self.score)

    def document(self) -> dict[str, Any]:
        """As the record of a search keeps it."""
        return {"lonely": self.lonely, "score": self.score, "around": self.around, "neighbours": self.neighbours}


def plateau(trials: Sequence[Trial], chosen: Trial, space: Space) -> Plateau:
    """The chosen trial among the nearest quarter of the tried points, pruned ones with what they had come to.

    At most two points an axis, as on a grid. Distances are Euclidean with every axis scaled to 0 to 1; points as far
    as the last one count too.
    """
    others = [one for one in trials if one.found.scores and one.number != chosen.number]
    if not others:
        return Plateau(chosen.score, None, 0)
    here = np.array(space.scaled(chosen.point))
    away = np.linalg.norm(np.array([space.scaled(one.point) for one in others]) - here, axis=1)
    count = min(2 * len(space.axes), max(2, len(others) // 4), len(others))
    wide = np.sort(away)[count - 1]
    near = [one.score for one, far in zip(others, away, strict=True) if far <= wide + 1e-12]
    return Plateau(chosen.score, float(np.mean(near)), len(near))


def importance(trials: Sequence[Trial], space: Space) -> dict[str, float]:
    """How much each axis decides whether the first score is among the best, adding up to 1; empty for few trials.

    PED-ANOVA (Watanabe, Bansal and Hutter 2023) by Optuna, over the complete trials; the best are a tenth, and five at
    least.
    """
    import optuna

    here = [one for one in trials if one.found.complete]
    if len(here) < FEWEST or len({one.score for one in here}) < 2:
        return {}
    spread = {axis.name: axis.distribution() for axis in space.axes}
    study = optuna.create_study(direction="maximize")
    for one in here:
        params = dict(one.point)
        study.add_trial(optuna.create_trial(params=params, distributions=spread, value=one.score))
    share = min(0.5, max(0.1, 5 / len(here)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a few trials are few
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=share)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {axis.name: float(found.get(axis.name, 0.0)) for axis in space.axes}
