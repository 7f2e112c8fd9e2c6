"""The search of a policy's numbers on a fold's search window, by Optuna."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from scalper.policy import Choice
from scalper.settings import Lane, Range, SearchSettings

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.samplers import BaseSampler

RANGES = ("confidence", "stop_atr", "reward_to_risk")


def drawn(lane: Lane) -> tuple[str, ...]:
    """The numbers of a choice that this lane's trades depend on: the label's exits leave only the threshold."""
    if lane.exits_by_label:
        return RANGES[:1]
    return RANGES if lane.policy.stop.kind in (None, "atr") else ("confidence", "reward_to_risk")


@dataclass(frozen=True, slots=True)
class Study:
    """What a search found. `value` is -inf if no trial gave a number.

    trials: one dict a different choice, in the order tried: number, the three numbers, value (None if not finite).
    """

    best: Choice
    value: float
    trials: list[dict[str, Any]]


def run_study(
    settings: SearchSettings,
    objective: Callable[[Choice], float],
    plain: Choice | None = None,
    names: Sequence[str] = RANGES,
) -> Study:
    """Maximise the objective over `settings.trials` draws; the same settings and objective give the same study.

    The numbers of `names` are drawn, the others are those of `plain`.

    A choice that the sampler draws again is answered from the record and is no further trial. Of equal values the most
    careful choice wins: highest confidence, then tightest stop, then nearest target.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    known: dict[Choice, float] = {}

    def evaluate(trial: Trial) -> float:
        found = {name: _draw(trial, name, getattr(settings, name)) for name in names}
        choice = Choice(**found) if plain is None else replace(plain, **found)
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
