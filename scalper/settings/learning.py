"""Sections of the learning: description, folds, model and search."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from scalper.settings.base import MOST, Fraction, NotNegative, Positive, Section, Seed


class DescribeSettings(Section):
    """What the description of a lane's rows compares them with."""

    reference: tuple[date, date] | None = None
    """First and last session of the reference window; None: the train window of the first fold."""
    drift: float = Field(default=0.25, gt=0)
    """PSI of the newest month beyond chance from which the drift check warns, if KS has moved too: a convention."""
    rows: int = Field(default=100_000, ge=100, le=1000 * MOST)
    """Rows looked at a month, evenly spread."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.reference is not None and self.reference[0] > self.reference[1]:
            raise ValueError("reference: the first session is after the last")
        return self


class FoldSettings(Section):
    """Walk-forward folds; splits fall between sessions."""

    unit: Literal["sessions", "weeks", "months"] = "months"
    train: Positive = 6
    validate_: Positive = Field(default=1, alias="validate")
    test: Positive = 1
    step: Positive = 1
    embargo_sessions: Positive = 1
    holdout_sessions: NotNegative = 60


class ModelSettings(Section):
    """XGBoost `multi:softprob`."""

    rounds: Positive = 200
    early_stopping: Positive = 20
    depth: Positive = 4
    learning_rate: Fraction = 0.08
    min_child_weight: float = Field(default=20.0, ge=0)
    subsample: float = Field(default=0.8, gt=0, le=1)
    colsample: float = Field(default=0.6, gt=0, le=1)
    early_stopping_share: Fraction = 0.15
    """The tail of the train window that early stopping looks at."""
    every: Positive = 1
    """Use each n-th training row; labels of neighbouring rows overlap."""
    weights: Literal["none", "uniqueness"] = "none"
    """Weigh training rows by their labels' average uniqueness (mean 1 over the window); calibration undoes what that
    does to the priors."""
    threads: Positive = 2
    """Folds that are trained side by side, each on one thread."""
    seed: Seed = 1


class Range(Section):
    """A range that the search draws from."""

    low: float = Field(ge=0)
    high: float = Field(le=1000)
    step: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class SearchSettings(Section):
    """Optuna's search of threshold, stop and target on the validation window of a fold."""

    sampler: Literal["tpe", "random", "qmc"] = "tpe"
    trials: Positive = 24
    seed: Seed = 1
    confidence: Range = Range(low=0.60, high=0.80, step=0.02)
    stop_atr: Range = Range(low=1.0, high=3.0, step=0.25)
    reward_to_risk: Range = Range(low=1.0, high=3.0, step=0.25)
