"""A recipe: everything that a decision needs, and its batch of predictions for a session."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalper.features import AUX
from scalper.learn.model import Model
from scalper.learn.session import Prepared
from scalper.market import BAR, Session
from scalper.policy import PREDICTION, Choice, unknown_norms
from scalper.settings import Lane
from scalper.simulate import SessionInput, no_predictions


@dataclass(frozen=True, slots=True)
class Recipe:
    """A lane's configuration, a model, and what the search chose for it."""

    lane: Lane
    model: Model
    choice: Choice

    @property
    def norms(self) -> np.ndarray:
        """What each minute of a session was like where the model learned, (MINUTES,) of NORM."""
        return self.model.norms


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
        aux=ready.block.aux,
        predictions=predictions(recipe.model, ready),
        timetable=recipe.lane.timetable(ready.session),
        norms=recipe.norms,
        fold=fold,
        choice=recipe.choice,
    )


def flat_input(lane: Lane, session: Session, fold: int = 0) -> SessionInput:
    """A session without bars, or one that nothing was learned for: nothing happens in it, and it counts."""
    return SessionInput(
        date=session.date,
        contract="",
        bars=np.empty(0, BAR),
        aux=np.empty(0, AUX),
        predictions=no_predictions(0),
        timetable=lane.timetable(session),
        norms=unknown_norms(),
        fold=fold,
    )
