"""Train one fold: XGBoost with early stopping, calibration on later sessions, and the ONNX model that leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scalper import log
from scalper.clock import monotonic
from scalper.errors import BadInput
from scalper.learn import calibrate as calibration_of
from scalper.learn.calibrate import CLASSES, Calibration
from scalper.learn.dataset import Dataset
from scalper.learn.export import margins, prove, to_onnx
from scalper.learn.folds import purge
from scalper.learn.model import SCHEMA, Papers
from scalper.policy import unknown_norms
from scalper.settings import ModelSettings

if TYPE_CHECKING:
    import xgboost

BINS = 64
"""Histogram bins a feature: half the time of XGBoost's 256, and noise has no finer structure."""
PROOF_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Trained:
    """A fold's model. `onnx` is what decides anywhere; the booster is here for parity and explanation only.

    curves: log-loss a round on the `tail` that stops it (on `train` if there is no tail); parity: see export.parity.
    """

    booster: xgboost.Booster
    calibration: Calibration
    onnx: bytes
    metadata: dict[str, str]
    papers: Papers
    curves: dict[str, list[float]]
    parity: float
    seconds: float

    @property
    def best_round(self) -> int:
        """Rounds of the booster, which was cut to the best one."""
        return self.papers.rounds


def train(
    fit: Dataset,
    calibrate: Dataset,
    settings: ModelSettings,
    *,
    names: Sequence[str],
    lane: str,
    window: tuple[date, date],
    data_digest: str,
    kernel_version: str | int,
    calibrate_until_ns: int | None = None,
    norms: np.ndarray | None = None,
) -> Trained:
    """Train on `fit`, calibrate on the later sessions of `calibrate`, export and prove the model.

    Rows without a label are left out, and so are rows whose label is known only after the next window's first bar:
    that of `calibrate` for `fit`, `calibrate_until_ns` for `calibrate`. The same arguments give the same bytes, for any
    number of threads. A class that a window lacks keeps a small probability. `norms` (MINUTES,) of NORM travel with the
    model, None: unknown. Raises BadInput for no rows, infinite values, or names other than the dataset's.
    """
    started = monotonic()
    if tuple(names) != fit.names:
        raise BadInput(f"lane {lane}: the features to train on are not those of the dataset; build the features again")
    rows = _usable(fit, int(calibrate.ts_ns[0]) if len(calibrate) else None, f"lane {lane}, train window", names)
    later = _usable(calibrate, calibrate_until_ns, f"lane {lane}, calibration window", names)
    counts = np.bincount(rows.label, minlength=CLASSES)
    if (counts == 0).any():
        absent = ", ".join(("DOWN", "FLAT", "UP")[index] for index in np.flatnonzero(counts == 0))
        log.warn(f"lane {lane}, train window from {window[0]}: no row is labelled {absent}; it will not be predicted")
    booster, curves = _boost(*_split(rows, settings), settings)
    calibration = calibration_of.fit(margins(booster, later.x, settings.threads), later.label)
    usual = unknown_norms() if norms is None else norms
    papers = Papers(
        schema=SCHEMA,
        lane=lane,
        features=tuple(names),
        kernel_version=str(kernel_version),
        data_digest=data_digest,
        window=(window[0].isoformat(), window[1].isoformat()),
        class_moves=_class_moves(rows),
        priors=_three(counts / counts.sum()),
        counts=(int(counts[0]), int(counts[1]), int(counts[2])),
        calibration=(calibration.scale, *calibration.bias),
        rounds=booster.num_boosted_rounds(),
        seed=settings.seed,
        minute_volatility=_known(usual["volatility_ticks"]),
        minute_volume=_known(usual["volume"]),
    )
    metadata = papers.as_metadata()
    onnx = to_onnx(booster, calibration, metadata)
    proof = np.concatenate([rows.x[-PROOF_ROWS:], later.x[:PROOF_ROWS]])
    worst = prove(onnx, booster, calibration, proof)
    return Trained(booster, calibration, onnx, metadata, papers, curves, worst, monotonic() - started)


def _usable(data: Dataset, limit_ns: int | None, where: str, names: Sequence[str]) -> Dataset:
    """The labelled rows that are known in time. Raises BadInput if there are none, or for an infinite value."""
    keep = data.labelled()
    if limit_ns is not None:
        keep &= purge(data.end_ns, limit_ns)
    rows = data.rows(keep)
    if len(rows) == 0:
        raise BadInput(f"{where}: none of its {len(data)} rows has a label that is known in time; lengthen the window")
    infinite = np.isinf(rows.x).any(axis=0)
    if infinite.any():
        column = int(infinite.argmax())
        row = int(np.isinf(rows.x[:, column]).argmax())
        raise BadInput(
            f"{where}: feature {names[column]} is infinite at ts_ns {rows.ts_ns[row]} of session "
            f"{rows.dates[rows.session[row]]}; build the features of that session again"
        )
    return rows


def _split(rows: Dataset, settings: ModelSettings) -> tuple[Dataset, Dataset | None]:
    """Rows to learn from and the tail that stops it, a session between if there are three; a single one has no tail."""
    present = np.unique(rows.session)
    tail = max(1, round(len(present) * settings.early_stopping_share))
    if len(present) < 2:
        return rows.rows(slice(None, None, settings.every)), None
    cut = len(present) - tail
    head_end = present[cut - 1] if cut >= 2 else present[cut]
    late = rows.between(int(present[cut]), int(present[-1]) + 1)
    head = rows.between(0, int(head_end))
    head = head.rows(purge(head.end_ns, int(late.ts_ns[0])))
    return head.rows(slice(None, None, settings.every)), late


def _boost(
    head: Dataset, tail: Dataset | None, settings: ModelSettings
) -> tuple[xgboost.Booster, dict[str, list[float]]]:
    """The booster, sliced to its best round, and its learning curves.

    The margins start at 0 (base_score), as the ONNX trees do: then both add the same numbers in the same order. Weights
    teach only: what stops the rounds is the plain log-loss of the tail.
    """
    import xgboost

    parameters = {
        "objective": "multi:softprob",
        "num_class": CLASSES,
        "base_score": 0.0,
        "tree_method": "hist",
        "max_bin": BINS,
        "max_depth": settings.depth,
        "eta": settings.learning_rate,
        "min_child_weight": settings.min_child_weight,
        "subsample": settings.subsample,
        "colsample_bytree": settings.colsample,
        "seed": settings.seed,
        "nthread": settings.threads,
        "eval_metric": "mlogloss",
        "verbosity": 0,
    }
    learn = xgboost.QuantileDMatrix(
        head.x, label=head.label, weight=_weights(head, settings), max_bin=BINS, nthread=settings.threads
    )
    watched = (learn, "train")
    if tail is not None:
        late = xgboost.QuantileDMatrix(tail.x, label=tail.label, ref=learn, max_bin=BINS, nthread=settings.threads)
        watched = (late, "tail")
    seen: dict[str, Any] = {}
    booster = xgboost.train(
        parameters,
        learn,
        settings.rounds,
        evals=[watched],
        evals_result=seen,
        early_stopping_rounds=None if tail is None else settings.early_stopping,
        verbose_eval=False,
    )
    if tail is not None:
        booster = booster[: booster.best_iteration + 1]
    return booster, {name: [float(loss) for loss in scores["mlogloss"]] for name, scores in seen.items()}


def _weights(head: Dataset, settings: ModelSettings) -> npt.NDArray[np.float64] | None:
    """What each row counts, 1 on average so that min_child_weight keeps its meaning; None: all the same."""
    return head.weight / head.weight.mean(dtype=np.float64) if settings.weights == "uniqueness" else None


def _class_moves(rows: Dataset) -> tuple[float, float, float]:
    """Mean of move over volatility for each class; 0 for a class without rows. Rows without volatility do not count."""
    sound = (rows.volatility_ticks > 0) & np.isfinite(rows.move_ticks)
    ratio = rows.move_ticks[sound].astype(np.float64) / rows.volatility_ticks[sound]
    number = np.bincount(rows.label[sound], minlength=CLASSES)
    return _three(np.bincount(rows.label[sound], weights=ratio, minlength=CLASSES) / np.maximum(number, 1))


def _known(values: npt.NDArray[np.float64]) -> tuple[float | None, ...]:
    """Numbers as JSON holds them: None for NaN."""
    return tuple(None if math.isnan(value) else value for value in values.tolist())


def _three(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
