"""Sections of the learning: description, folds, model and search."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

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

    kind: Literal["rolling", "expanding"] = "rolling"
    """rolling: each fold trains on as much; expanding: on everything since the first usable session."""
    unit: Literal["sessions", "weeks", "months"] = "months"
    train: Positive = 6
    """Units that a fold trains on; where the window expands, at least."""
    validate_: Positive = Field(default=1, alias="validate")
    test: Positive = 1
    step: Positive = 1
    embargo_sessions: Positive = 1
    """Between any two windows; the context that a session takes from the one before is one session, so never 0."""
    holdout_sessions: NotNegative = 60


class NetworkSettings(Section):
    """The networks of the optional extra `networks`: feedforward and lstm."""

    hidden: Positive = 32
    layers: Positive = 1
    span: Positive = 16
    """Rows in a row that an lstm reads; a feedforward network reads one."""
    epochs: Positive = 20
    """At most; early stopping looks at model.early_stopping in epochs."""
    batch: Positive = 1024
    learning_rate: Fraction = 0.003
    dropout: float = Field(default=0.1, ge=0, lt=1)


class ModelSettings(Section):
    """What learns from a fold's train window: XGBoost `multi:softprob` unless another estimator is named."""

    estimator: str = Field(default="xgboost", pattern=r"^(xgboost|feedforward|lstm|[\w.]+:\w+)$")
    """xgboost, feedforward or lstm (extra `networks`), or `package.module:Class` of your own (learn.estimators)."""
    rounds: int = Field(default=200, ge=1, le=100_000)
    early_stopping: Positive = 20
    depth: int = Field(default=4, ge=1, le=20)
    learning_rate: Fraction = 0.08
    min_child_weight: float = Field(default=20.0, ge=0, le=1e9)
    subsample: float = Field(default=0.8, ge=0.01, le=1)
    colsample: float = Field(default=0.6, ge=0.01, le=1)
    early_stopping_share: Fraction = 0.15
    """The tail of the train window that early stopping looks at."""
    least_rows: Positive = 200
    """A fold with fewer labelled rows to learn from gets no model."""
    least_calibration_rows: Positive = 100
    """Nor does one with fewer labelled rows to calibrate on."""
    every: Positive = 1
    """Use each n-th training row of a session; labels of neighbouring rows overlap."""
    weights: Literal["none", "uniqueness"] = "none"
    """Weigh training rows by their labels' average uniqueness (mean 1 over the window); calibration undoes what that
    does to the priors."""
    classes: Literal["none", "balanced"] = "none"
    """Give each class the same weight in training; the priors are corrected afterwards, in the model's graph."""
    seeds: Positive = 1
    """Members of the ensemble a horizon: the same rows with seed, seed + 1 and so on."""
    horizons: tuple[Positive, ...] = ()
    """Further label horizons whose members join the ensemble; the lane's own always does."""
    horizon_weights: tuple[Fraction, ...] = ()
    """Weights of the lane's own horizon and of `horizons`, in this order; normalised. Empty: all the same."""
    calibration: Literal["vector", "isotonic", "venn_abers"] = "vector"
    moves: Literal["classes", "regressors"] = "classes"
    """Expected move and volatility: from class probabilities and the present volatility, or by regressors of their
    own."""
    memory: Literal["ram", "disk"] = "ram"
    """Where the binned rows lie while they are learned from: disk is slower and needs little memory."""
    memory_mib: Positive | None = None
    """A training that would need more is refused; None: what the machine has free."""
    checkpoint_rounds: Positive = 50
    """Rounds after which a training is saved, so that a killed one goes on from there. Part of what the bytes depend
    on."""
    threads: Positive = 2
    """Folds that are trained side by side."""
    fold_threads: Positive = 1
    """Threads of one fold's training."""
    seed: Seed = 1
    network: NetworkSettings = NetworkSettings()

    @property
    def learning(self) -> Self:
        """The same without what changes no byte of a model: how many folds side by side, and how much memory."""
        plain = type(self).model_fields
        return self.model_copy(update={key: plain[key].default for key in ("threads", "memory_mib")})

    @model_validator(mode="after")
    def _ensemble(self) -> Self:
        if self.horizon_weights and len(self.horizon_weights) != 1 + len(self.horizons):
            raise ValueError(
                f"horizon_weights: {len(self.horizon_weights)} numbers for {1 + len(self.horizons)} horizons (the "
                "lane's own first)"
            )
        if len(set(self.horizons)) != len(self.horizons):
            raise ValueError("horizons: one is there twice")
        return self


class Range(Section):
    """A range that the search draws from; without a step all of it, which a grid cannot."""

    low: float = Field(ge=0)
    high: float = Field(le=1000)
    step: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


FITTED = (
    *("estimator", "rounds", "early_stopping", "depth", "learning_rate", "min_child_weight", "subsample", "colsample"),
    *("early_stopping_share", "every", "weights", "classes", "seeds", "calibration", "moves"),
)
"""Keys of `model` that search.model may draw: not those that say where and how fast a model is trained, and not the
seed, which would only draw lots."""


class SearchSettings(Section):
    """Optuna's search of model and policy on the search windows that end before a fold's test."""

    sampler: Literal["tpe", "random", "qmc", "grid", "nsga2"] = "tpe"
    trials: Positive = 24
    """Draws; a point that is drawn again is not tried again. A grid tries all of its points, at most so many."""
    seed: Seed = 1
    batch: Positive | None = None
    """Trials that are drawn before any of them is scored, whatever the number of workers: the generation of nsga2.
    None: 4, and 16 of nsga2."""
    objectives: tuple[Literal["sharpe", "drawdown"], ...] = ("sharpe",)
    rule: Literal["best_sharpe", "one_error", "knee"] = "best_sharpe"
    """What picks from the trials that no other beats in every objective."""
    windows: Positive = 1
    """Search windows that score a trial: the fold's own, then those of the folds before."""
    prune: bool = False
    """Stop a trial that lies below the median of those before it after a window."""
    storage: str = Field(default="journal", exclude=True, repr=False)
    """journal, memory, or a database's URL for several machines. No part of what is found: in no digest or bundle."""
    confidence: Range = Range(low=0.60, high=0.80, step=0.02)
    stop_atr: Range = Range(low=1.0, high=3.0, step=0.25)
    reward_to_risk: Range = Range(low=1.0, high=3.0, step=0.25)
    stop_ticks: Range = Range(low=4, high=16, step=1)
    target_ticks: Range = Range(low=4, high=32, step=2)
    risk: Range | None = None
    """Most that a trade may risk, a share of the capital (0.01 to 0.03); None: the lane's own."""
    model: dict[str, tuple[int | float | str, ...]] = Field(default_factory=dict[str, tuple[int | float | str, ...]])
    """Keys of `model` and their values."""

    @field_validator("model")
    @classmethod
    def _fitted(cls, model: dict[str, tuple[int | float | str, ...]]) -> dict[str, tuple[int | float | str, ...]]:
        for key, values in model.items():
            if key not in FITTED:
                raise ValueError(f"model.{key}: not a key that the search may draw; these are {', '.join(FITTED)}")
            if not values or len(set(values)) != len(values):
                raise ValueError(f"model.{key}: give at least one value, each once")
            for value in values:
                try:
                    ModelSettings.model_validate({key: value})
                except ValidationError as error:
                    raise ValueError(f"model.{key}: {value!r}: {error.errors()[0]['msg']}") from None
        return model

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.objectives not in (("sharpe",), ("sharpe", "drawdown")):
            raise ValueError("objectives: write [sharpe] or [sharpe, drawdown]")
        if self.rule != "best_sharpe" and "drawdown" not in self.objectives:
            raise ValueError(f"rule: {self.rule} weighs sharpe against drawdown; add drawdown to objectives")
        for name in ("stop_ticks", "target_ticks"):
            span: Range = getattr(self, name)
            if any(value != int(value) for value in (span.low, span.high, span.step or 1)):
                raise ValueError(f"{name}: whole ticks only")
        if self.prune and self.windows == 1:
            raise ValueError("prune: with one window there is nothing to stop; set windows to 2 or more")
        if self.risk is not None and not 0 < self.risk.low <= self.risk.high < 1:
            raise ValueError("risk: a share of the capital, such as low: 0.01, high: 0.03")
        if self.storage not in ("journal", "memory") and "://" not in self.storage:
            raise ValueError("storage: write journal, memory or a database's URL, such as postgresql://host/name")
        return self
