"""The windows that score a trial: search windows of a fold and of those before, each predicted by its fold's model."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from scalper.errors import BadInput, NotEnoughMemory, Refused, ScalperError
from scalper.learn import fitting
from scalper.learn.folds import Fold
from scalper.learn.recipe import Recipe, flat_input, session_input
from scalper.learn.search.front import standard_error
from scalper.learn.search.space import Point, Space
from scalper.learn.search.trial import COMPLETE, PRUNED, Found
from scalper.learn.session import Sessions
from scalper.policy import Choice
from scalper.settings import Lane, RiskSettings, StopSettings
from scalper.settings.contradictions import contradictions
from scalper.settings.lane import FIRM_FLAT
from scalper.simulate import SessionInput
from scalper.simulate.grid import evaluate
from scalper.simulate.metrics import SESSIONS_A_YEAR, max_drawdown, sharpe

ENOUGH = 1.6
"""The search wants so many times the trades that the gate asks of a fold: a margin for quieter sessions."""
KEPT_BYTES = 1 << 30
"""Predictions in memory; those used longest ago go first."""


@dataclass(frozen=True, slots=True)
class Window:
    """Sessions that score a trial, predicted by the model of one fold, which lies in a folder."""

    fold: Fold
    folder: Path
    days: tuple[date, ...]


def windows_of(fold: Fold, folder: Path, before: Sequence[tuple[Fold, Path]], count: int) -> list[Window]:
    """The fold's own search window, then those of the `count` - 1 folds before it, newest first.

    The newest is most like what follows and needs no model of another fold, so what is pruned after it was cheap. A
    session is scored once, by the newest fold that searches on it. Raises Refused if a session is not before the
    fold's test.
    """
    found: list[Window] = []
    seen: set[date] = set()
    for one, place in [(fold, folder), *reversed(before)][:count]:
        days = tuple(day for day in one.search if day not in seen)
        seen.update(days)
        if days:
            found.append(Window(one, place, days))
    last = max(seen, default=None)
    if fold.test and last is not None and last >= fold.test[0]:
        raise Refused(f"{fold.name}: a search window reaches {last}, and the fold's test begins on {fold.test[0]}")
    return found


class Scorer:
    """Scores points on the windows of a fold by simulation; see `__call__`."""

    def __init__(self, lane: Lane, sessions: Sessions, windows: Sequence[Window], space: Space) -> None:
        self.lane, self.space, self.windows = lane, space, windows
        self._sessions = sessions
        self._stock: fitting.Stock | None = None
        self._kept: OrderedDict[tuple[str, int], list[SessionInput]] = OrderedDict()
        for number in range(len(windows)):
            self._inputs(number, {})  # what is wrong with the sessions is no trial's fault

    def __call__(self, point: Point, stop: Callable[[int, float], bool]) -> Found:
        """What a point comes to: see Found. A contradiction or a model that cannot be trained makes a failed trial.

        The score is the Sharpe ratio of daily net P&L over the windows' sessions, scaled down where there are too few
        trades for the gate to judge; not trading scores 0. The drawdown is the largest fall of cumulated daily net, as
        a share of the capital.
        """
        choice, model = self.space.choice(point), self.model(point)
        daily: dict[date, float] = {}
        trades, steps = 0, list[float]()
        try:
            _consistent(self.lane, choice)
            for number, window in enumerate(self.windows):
                cents, count = evaluate(self.lane, self._inputs(number, model), choice)
                daily |= dict(zip(window.days, (cents / 100).tolist(), strict=True))
                trades += count
                steps.append(self._score(daily, trades)[0])
                if number + 1 < len(self.windows) and stop(number, steps[-1]):
                    return self._found(PRUNED, daily, trades, steps)
        except NotEnoughMemory:
            raise  # no fault of the point: on another day, or another machine, it fits
        except ScalperError as error:
            return Found.failed(error)
        return self._found(COMPLETE, daily, trades, steps)

    def model(self, point: Point) -> dict[str, Any]:
        """The parameters of the model at a point that are not the lane's own."""
        return changes(self.lane, self.space, point)

    def _found(self, status: str, daily: dict[date, float], trades: int, steps: list[float]) -> Found:
        score, error = self._score(daily, trades)
        net = [daily[day] for day in sorted(daily)]
        told: dict[str, Any] = {"trades": trades, "net": round(sum(net), 2), "error": error, "daily": net}
        told |= {"drawdown": drawdown(self.lane, net), "sessions": [f"{day}" for day in sorted(daily)]}
        scores = (score, told["drawdown"])[: len(self.lane.search.objectives)]
        return Found(status, scores, tuple(steps), told)

    def _score(self, daily: dict[date, float], trades: int) -> tuple[float, float]:
        return scored(self.lane, self.windows[0].fold, [daily[day] for day in sorted(daily)], trades)

    def _inputs(self, number: int, model: dict[str, Any]) -> list[SessionInput]:
        """The sessions of a window with the predictions of its fold's model of these parameters."""
        kept = json.dumps(model, sort_keys=True), number
        found = self._kept.pop(kept, None)
        if found is None:
            found = self._predicted(self.windows[number], model)
        self._kept[kept] = found
        while len(self._kept) > 1 and sum(map(_size, self._kept.values())) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return found

    def _predicted(self, window: Window, model: dict[str, Any]) -> list[SessionInput]:
        lane, folder = fitting.variant(self.lane, window.folder, model)
        if model or window is not self.windows[0]:
            fitting.fit(lane, self._sessions.lake, window.fold, folder, self._shared())
        recipe = Recipe(self.lane, fitting.open_model(lane, folder / fitting.MODEL), self.space.plain)
        found = ((day, self._sessions.find(day)) for day in window.days)
        return [
            flat_input(self.lane, self._sessions.session(day)) if ready is None else session_input(recipe, ready)
            for day, ready in found
        ]

    def _shared(self) -> fitting.Stock:
        if self._stock is None:
            self._stock = fitting.Stock.of(self.lane, self._sessions.lake)
        return self._stock


def scored(lane: Lane, fold: Fold, daily: Sequence[float], trades: int) -> tuple[float, float]:
    """The score of a fold's trial and its standard error, from its net dollars a session."""
    net, tested = np.array(daily), len(fold.test) or len(fold.search)
    needed = ENOUGH * lane.gate.trades_per_fold / tested  # trades a session
    score = sharpe(net / lane.capital) if trades else 0.0
    if not np.isfinite(score):
        return 0.0, 0.0
    scale = min(1.0, trades / (needed * net.size)) if score > 0 else 1.0
    return score * scale, standard_error(net.tolist(), SESSIONS_A_YEAR) * scale


def drawdown(lane: Lane, daily: Sequence[float]) -> float:
    """The largest fall of cumulated net dollars, as a share of the capital."""
    fall = max_drawdown(lane.capital + np.array(list(accumulate(daily))), lane.capital)[0]
    return round(fall / lane.capital, 9)


def changes(lane: Lane, space: Space, point: Point) -> dict[str, Any]:
    """The parameters of the model at a point that are not the lane's own."""
    return {key: value for key, value in space.model(point).items() if value != getattr(lane.model, key)}


def _size(inputs: Sequence[SessionInput]) -> int:
    return sum(one.predictions.nbytes for one in inputs)


def _consistent(lane: Lane, choice: Choice) -> None:
    """Raise BadInput for numbers that contradict each other or the lane's other numbers."""
    policy, stop, risk = {"reward_to_risk": choice.reward_to_risk}, {"atr_multiple": choice.stop_atr}, {}
    if choice.stop_ticks is not None:
        stop["fixed_ticks"] = choice.stop_ticks
    if choice.target_ticks is not None:
        policy["target_ticks"] = choice.target_ticks
    if choice.risk is not None:
        risk["per_trade"] = choice.risk
    try:
        stops = StopSettings.model_validate(lane.policy.stop.model_dump() | stop)
        limits = RiskSettings.model_validate(lane.risk.model_dump() | risk)
    except ValidationError as error:
        raise BadInput(str(error.errors()[0]["msg"])) from None
    policies = lane.policy.model_copy(update=policy | {"stop": stops})
    changed = lane.model_copy(update={"policy": policies, "risk": limits})
    if found := list(contradictions(changed, FIRM_FLAT[limits.firm.profile])):
        raise BadInput("; ".join(found))
