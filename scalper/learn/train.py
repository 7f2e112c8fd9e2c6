"""Train one fold: an ensemble with early stopping, calibration on later sessions, and the ONNX model that leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from scalper import log
from scalper.clock import monotonic
from scalper.errors import BadInput, Refused
from scalper.learn import calibration as calibration_of
from scalper.learn.calibration import CLASSES, Calibration
from scalper.learn.ensemble import Ensemble, Member
from scalper.learn.estimators import Checkpoint, Estimator, Fitted, Target, estimator
from scalper.learn.export import prove, to_onnx
from scalper.learn.feed import Feed, Survey, survey
from scalper.learn.memory import require
from scalper.learn.model import SCHEMA, Papers
from scalper.learn.moves import Moves
from scalper.policy import unknown_norms
from scalper.settings import ModelSettings

Matrix = npt.NDArray[np.float32]
PROOF_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Trained:
    """A fold's model. `onnx` is what decides anywhere; the ensemble is here for parity and explanation only.

    curves: loss a round on the `tail` that stops it (on `train` if there is no tail), of further members and of the
    regressors with their names; parity: see export.parity; importance: measure to feature to share.
    """

    ensemble: Ensemble
    calibration: Calibration
    moves: Moves | None
    onnx: bytes
    metadata: dict[str, str]
    papers: Papers
    curves: dict[str, list[float]]
    importance: dict[str, dict[str, float]]
    survey: Survey
    parity: float
    seconds: float

    @property
    def best_round(self) -> int:
        """Rounds of the first member, which was cut to the best one."""
        return self.papers.members[0]["rounds"]


def train(
    learn: Feed,
    calibrate: Feed,
    settings: ModelSettings,
    *,
    lane: str,
    window: tuple[date, date],
    data_digest: str,
    kernel_version: str | int,
    horizon: int = 0,
    others: Mapping[int, Feed] | None = None,
    norms: np.ndarray | None = None,
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """Learn from `learn`, calibrate on the later sessions of `calibrate`, export and prove the model.

    `horizon` is that of the labels of `learn`; `others` are the same sessions with labels of further horizons, a member
    each. Feeds leave out what is known too late (Feed.limit_ns). The same arguments give the same bytes. A class that a
    window lacks keeps a small probability. `norms` (MINUTES,) of NORM travel with the model, None: unknown. With a
    `checkpoint` a killed training goes on where it was. Raises BadInput for no rows, infinite values or other features,
    Refused for a training that does not fit into memory or a graph that is not what was learned.
    """
    started = monotonic()
    kind = estimator(settings.estimator)
    feeds = {horizon: learn, **(others or {})}
    surveys = {one: survey(feed) for one, feed in feeds.items()}
    own = surveys[horizon]
    _look(own, settings, f"lane {lane}, {learn.where}")
    require(kind, own, len(learn.names), settings, f"lane {lane}, {learn.where}")
    members = _members(kind, feeds, surveys, settings, checkpoint)
    ensemble = Ensemble(members)
    calibration, later = _calibrated(ensemble, calibrate, own, settings, f"lane {lane}, {calibrate.where}")
    moves = _moves(learn, own, settings, checkpoint) if settings.moves == "regressors" else None
    papers = Papers(
        schema=SCHEMA,
        lane=lane,
        features=learn.names,
        kernel_version=str(kernel_version),
        data_digest=data_digest,
        window=(window[0].isoformat(), window[1].isoformat()),
        class_moves=own.class_moves,
        priors=_shares(own.counts),
        counts=own.counts,
        estimator=settings.estimator,
        span=ensemble.span,
        row_by_row=kind.row_by_row,
        members=tuple(
            {"horizon": one.horizon, "seed": one.seed, "weight": one.weight, "rounds": one.fitted.rounds}
            for one in members
        ),
        calibration=calibration.papers(),
        **_minutes(norms),
    )
    metadata = papers.as_metadata()
    onnx = to_onnx(ensemble, calibration, moves, metadata, len(learn.names))
    proof = np.concatenate([_last(learn, own, ensemble.span), later])
    parity = prove(onnx, ensemble, calibration, moves, proof)
    weighed = ensemble.importance(proof)
    importance = {name: dict(zip(learn.names, values.tolist(), strict=True)) for name, values in weighed.items()}
    curves = ensemble.curves()
    for name, fitted in () if moves is None else (("move", moves.move), ("size", moves.size)):
        curves |= {f"{kind_of}_{name}": curve for kind_of, curve in fitted.curves.items()}
    taken = monotonic() - started
    return Trained(ensemble, calibration, moves, onnx, metadata, papers, curves, importance, own, parity, taken)


def _look(found: Survey, settings: ModelSettings, where: str) -> None:
    """Say what is odd about the rows, but no reason not to learn from them. Raises BadInput for too few."""
    if found.rows < settings.least_rows:
        raise BadInput(
            f"{where}: {found.rows} rows can be learned from, {settings.least_rows} are wanted (model.least_rows); "
            "lengthen folds.train or add data"
        )
    if found.absent:
        log.warn(f"{where}: no row is labelled {', '.join(found.absent)}; it will not be predicted")


def _members(
    kind: Estimator,
    feeds: Mapping[int, Feed],
    surveys: Mapping[int, Survey],
    settings: ModelSettings,
    checkpoint: Checkpoint | None,
) -> tuple[Member, ...]:
    """A member for each horizon and seed; a horizon's weight is shared by its seeds."""
    given = settings.horizon_weights or (1.0,) * len(feeds)
    members: list[Member] = []
    for (horizon, feed), weight in zip(feeds.items(), given, strict=True):
        found = surveys[horizon]
        head, tail = split(feed, found, settings)
        target = Target("classes", settings.weights, found.mean_weight(head.dates), _class_weights(found, settings))
        bias = _three(-np.log(np.array(target.class_weights))) if settings.classes == "balanced" else (0.0, 0.0, 0.0)
        for seed in range(settings.seed, settings.seed + settings.seeds):
            saved = checkpoint.of(f"h{horizon}s{seed}") if checkpoint else None
            fitted = _fit(kind, target, (head, tail), settings, seed, saved)
            members.append(Member(fitted, horizon, seed, round(weight / sum(given) / settings.seeds, 12), bias))
    return tuple(members)


def _class_weights(found: Survey, settings: ModelSettings) -> tuple[float, float, float]:
    """What a row of each class counts: so that the classes that are there weigh the same, and a row 1 on average."""
    if settings.classes == "none":
        return 1.0, 1.0, 1.0
    counts = np.array(found.counts, np.float64)
    here = int((counts > 0).sum())
    return _three(np.where(counts > 0, counts.sum() / (here * np.maximum(counts, 1)), 1.0))


def _moves(learn: Feed, found: Survey, settings: ModelSettings, checkpoint: Checkpoint | None) -> Moves | None:
    """The regressors of move and volatility, always by XGBoost; None where no row has a move.

    They learn more gently than the classes: a move is mostly noise, and a row of a squared error weighs 1 where one of
    a class weighs about 0.2, so the same min_child_weight would mean far smaller leaves.
    """
    if found.usual_move <= 0:
        log.warn(f"{learn.where}: no row has moved; the expected move comes from the classes")
        return None
    kind, head_tail = estimator("xgboost"), split(learn, found, settings)
    gentle = settings.model_copy(
        update={
            "depth": min(settings.depth, 3),
            "learning_rate": 0.3 * settings.learning_rate,
            "rounds": 3 * settings.rounds,
            "min_child_weight": 15 * settings.min_child_weight,
        }
    )

    def fit(name: str, target: Target) -> Fitted:
        saved = checkpoint.of(name) if checkpoint else None
        return _fit(kind, target, head_tail, gentle, settings.seed, saved)

    weighed = (settings.weights, found.mean_weight(head_tail[0].dates))
    return Moves(fit("move", Target("move", *weighed)), fit("size", Target("size", *weighed)), found.usual_move)


def _fit(
    kind: Estimator,
    target: Target,
    feeds: tuple[Feed, Feed | None],
    settings: ModelSettings,
    seed: int,
    saved: Checkpoint | None,
) -> Fitted:
    """What a library makes of rows and settings; what it cannot is Refused, in its own words."""
    try:
        return kind.fit(target, *feeds, settings, seed=seed, checkpoint=saved)
    except (ValueError, ArithmeticError, RuntimeError) as error:  # XGBoost's own error is a ValueError
        raise Refused(
            f"{feeds[0].where}: {kind.name} could not learn ({type(error).__name__}: {str(error).splitlines()[0]}); "
            "change the keys of model"
        ) from error


def split(feed: Feed, found: Survey, settings: ModelSettings) -> tuple[Feed, Feed | None]:
    """Rows to learn from and the tail that stops it, a session between if there are three; a single one has no tail."""
    days = list(found.sessions)
    tail = min(max(1, round(len(days) * settings.early_stopping_share)), len(days) - 1)
    if len(days) < 2:
        return feed.between(days, every=settings.every), None
    cut = len(days) - tail
    head = days[: cut - 1] if cut >= 2 else days[:cut]
    late = feed.between(days[cut:])
    return feed.between(head, limit_ns=found.first_ns[days[cut]], every=settings.every), late


def _calibrated(
    ensemble: Ensemble, feed: Feed, learned: Survey, settings: ModelSettings, where: str
) -> tuple[Calibration, Matrix]:
    """The calibration on a feed's rows, and the first of these rows. Raises BadInput for too few."""
    margins, label, first = _asked(ensemble, feed)
    if label.size < settings.least_calibration_rows:
        raise BadInput(
            f"{where}: {label.size} rows can be calibrated on, {settings.least_calibration_rows} are wanted "
            "(model.least_calibration_rows); lengthen folds.validate or add data"
        )
    known = np.array(learned.counts)[label] > 0  # a class that was never learned must not be lifted here
    return calibration_of.fit(settings.calibration, margins[known], label[known]), first


def _asked(ensemble: Ensemble, feed: Feed) -> tuple[Matrix, npt.NDArray[np.int8], Matrix]:
    """Margins and labels of a feed's rows, and the first of these rows. Raises BadInput if it is empty."""
    margins: list[Matrix] = []
    labels: list[npt.NDArray[np.int8]] = []
    first: list[Matrix] = []
    for x, rows in feed.sequences(ensemble.span):
        margins.append(ensemble.raw(x))
        labels.append(rows.label)
        if sum(map(len, first)) < PROOF_ROWS:
            first.append(x)
    if not margins:
        raise BadInput(f"{feed.where}: no row has a label that is known in time; lengthen the window")
    return np.concatenate(margins), np.concatenate(labels), np.concatenate(first)[:PROOF_ROWS]


def _last(learn: Feed, found: Survey, span: int) -> Matrix:
    """The last rows that were learned from, as the model reads them."""
    taken: list[Matrix] = []
    for day in reversed(found.sessions):
        taken += [x for x, _ in learn.between([day]).sequences(span)]
        if sum(len(one) for one in taken) >= PROOF_ROWS:
            break
    return np.concatenate(taken[::-1])[-PROOF_ROWS:]


def _minutes(norms: np.ndarray | None) -> dict[str, tuple[float | None, ...]]:
    """The norms as papers hold them: None for NaN."""
    usual = unknown_norms() if norms is None else norms
    columns = {"minute_volatility": usual["volatility_ticks"], "minute_volume": usual["volume"]}
    return {
        name: tuple(None if math.isnan(value) else value for value in values.tolist())
        for name, values in columns.items()
    }


def _shares(counts: tuple[int, int, int]) -> tuple[float, float, float]:
    return _three(np.array(counts) / sum(counts))


def _three(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    assert values.shape == (CLASSES,)
    return float(values[0]), float(values[1]), float(values[2])
