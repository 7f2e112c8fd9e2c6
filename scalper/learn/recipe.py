"""A recipe: everything that a decision needs, and its batch of predictions for a session."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalper.learn.model import Model
from scalper.learn.session import Prepared
from scalper.policy import PREDICTION, Choice
from scalper.settings import Lane
from scalper.simulate import SessionInput


@dataclass(frozen=True, slots=True)
class Recipe:
    """A lane's configuration, a model, and what the search chose for it."""

    lane: Lane
    model: Model
    choice: Choice


def predictions(model: Model, ready: Prepared) -> np.ndarray:
    """(n,) of PREDICTION, one a bar of the session; none (valid 0) where the model may not be asked."""
    out = np.zeros(ready.bars.size, PREDICTION)
    rows = ready.rows
    if rows.any():
        out[rows] = model.predict(ready.block.x[rows], ready.block.volatility[rows])
    return out


def session_input(recipe: Recipe, ready: Prepared, fold: int = 0) -> SessionInput:
    """What the simulation of this session reads when the recipe trades it."""
    return SessionInput(
        date=ready.session.date,
        contract=ready.contract,
        bars=ready.bars,
        predictions=predictions(recipe.model, ready),
        timetable=recipe.lane.timetable(ready.session),
        fold=fold,
        choice=recipe.choice,
    )
