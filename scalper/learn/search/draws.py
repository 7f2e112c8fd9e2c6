"""The points of a study: a function of its settings and of what the points before came to, and of nothing else.

No sampler outlives a draw. Each draw has a fresh one, seeded by (seed, number of the draw), over a study in memory that
holds the draws before and their scores. So a study that was killed is drawn again to the same points, and however many
workers there are, they all draw the same: points come in batches, and a batch knows the batches before it only.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from scalper.learn.search.space import Point, Space, grid_points
from scalper.learn.search.trial import PRUNED, Found
from scalper.settings import SearchSettings

if TYPE_CHECKING:
    from optuna import Trial as Draw
    from optuna.samplers import BaseSampler

Direction = Literal["maximize", "minimize"]
BATCH, GENERATION = 4, 16


def directions(settings: SearchSettings) -> list[Direction]:
    """What is better of each objective, in Optuna's words."""
    return ["maximize" if name == "sharpe" else "minimize" for name in settings.objectives]


def key(point: Point) -> str:
    """A point as text: equal for equal points."""
    return json.dumps(point, sort_keys=True)


class Draws:
    """The different points of a study, batch by batch: ask `batch()`, then `tell()` what they came to."""

    def __init__(self, settings: SearchSettings, space: Space) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.settings, self.space = settings, space
        self.points: list[Point] = []
        self.found: list[Found] = []
        self._known: dict[str, int] = {}
        self._listed = grid_points(space.axes, settings.trials) if settings.sampler == "grid" else None
        self._total = settings.trials if self._listed is None else len(self._listed)
        self._distributions = {axis.name: axis.distribution() for axis in space.axes}
        self._study = optuna.create_study(directions=directions(settings))
        self._drawn = 0
        self._open: list[tuple[Draw, int]] = []

    @property
    def size(self) -> int:
        """Draws of a batch: all of them where none depends on another's score."""
        settings = self.settings
        if settings.sampler in ("grid", "random", "qmc") and not settings.prune:
            return settings.batch or self._total
        return settings.batch or (GENERATION if settings.sampler == "nsga2" else BATCH)

    def batch(self) -> list[tuple[int, Point]]:
        """The next points that were not drawn before, with their numbers; none at the end."""
        assert not self._open, "the last batch was not told"
        first = len(self.points)
        while self._drawn < self._total and len(self.points) == first:
            for _ in range(min(self.size, self._total - self._drawn)):
                self._draw()
            if len(self.points) == first:
                self._close()
        return list(enumerate(self.points))[first:]

    def tell(self, found: Sequence[Found]) -> None:
        """What the points of the last batch came to, in their order."""
        self.found += found
        assert len(self.found) == len(self.points)
        self._close()

    def _draw(self) -> None:
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if self._listed is not None:
                point = self._listed[self._drawn]
            else:
                self._study.sampler = self._sampler()
                draw = self._study.ask(self._distributions)
                point = self.space.point(draw.params)
                self._open.append((draw, self._known.get(key(point), len(self.points))))
        self._drawn += 1
        if key(point) not in self._known:
            self._known[key(point)] = len(self.points)
            self.points.append(point)

    def _close(self) -> None:
        """Tell the study in memory; a point that was drawn again has what it came to the first time."""
        from optuna.trial import TrialState

        for draw, number in self._open:
            found = self.found[number]
            if found.complete:
                self._study.tell(draw, list(found.scores))
                continue
            if found.status == PRUNED and len(self.settings.objectives) == 1:
                for step, value in enumerate(found.steps):
                    draw.report(value, step)
            self._study.tell(draw, state=TrialState.PRUNED if found.status == PRUNED else TrialState.FAIL)
        self._open = []

    def _sampler(self) -> BaseSampler:
        from optuna import samplers

        settings = self.settings
        seed = int(np.random.SeedSequence((settings.seed, self._drawn)).generate_state(1)[0])
        match settings.sampler:
            case "nsga2":
                return samplers.NSGAIISampler(seed=seed, population_size=max(2, self.size))
            case "qmc":  # a sequence: its place is in the study, its seed is the whole study's
                return samplers.QMCSampler(seed=settings.seed, scramble=True)
            case "random" | "grid":
                return samplers.RandomSampler(seed=seed)
            case "tpe":
                return samplers.TPESampler(seed=seed, n_startup_trials=max(4, settings.trials // 3))
