"""The search of a policy's numbers on a fold's search window, by Optuna."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from scalper.policy import Choice
from scalper.settings import Range, SearchSettings

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.samplers import BaseSampler

RANGES = ("confidence", "stop_atr", "reward_to_risk")


@dataclass(frozen=True, slots=True)
class Study:
    """What a search found. `value` is -inf if no trial gave a number.

    trials: one dict a different choice, in the order tried: number, the three numbers, value (None if not finite).
    """

    best: Choice
    value: float
    trials: list[dict[str, Any]]


def run_study(settings: SearchSettings, objective: Callable[[Choice], float]) -> Study:
    """Maximise the objective over `settings.trials` draws; the same settings and objective give the same study.

    A choice that the sampler draws again is answered from the record and is no further trial. Of equal values the most
    careful choice wins: highest confidence, then tightest stop, then nearest target.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    known: dict[Choice, float] = {}

    def evaluate(trial: Trial) -> float:
        choice = Choice(**{name: _draw(trial, name, getattr(settings, name)) for name in RANGES})
        if choice not in known:
            known[choice] = float(objective(choice))
        value = known[choice]
        return value if math.isfinite(value) else -1e300  # the sampler has to learn from it too

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(direction="maximize", sampler=_sampler(settings))
        study.optimize(evaluate, n_trials=settings.trials)
    scored = [(value if math.isfinite(value) else -math.inf, choice) for choice, value in known.items()]
    value, best = max(scored, key=lambda one: (one[0], one[1].confidence, -one[1].stop_atr, -one[1].reward_to_risk))
    trials = [
        {"number": number, **asdict(choice), "value": value if math.isfinite(value) else None}
        for number, (choice, value) in enumerate(known.items())
    ]
    return Study(best, value, trials)


def _draw(trial: Trial, name: str, span: Range) -> float:
    """A number of the range, without the dust of binary fractions."""
    return round(trial.suggest_float(name, span.low, span.high, step=span.step), 10)


def _sampler(settings: SearchSettings) -> BaseSampler:
    from optuna import samplers

    match settings.sampler:
        case "tpe":
            return samplers.TPESampler(seed=settings.seed, n_startup_trials=max(4, settings.trials // 3))
        case "random":
            return samplers.RandomSampler(seed=settings.seed)
        case "qmc":
            return samplers.QMCSampler(seed=settings.seed, scramble=True)
