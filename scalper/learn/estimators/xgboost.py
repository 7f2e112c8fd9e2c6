"""XGBoost, fed session by session, saved every few rounds, and the same bytes whether it was killed or not."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from scalper.errors import BadInput
from scalper.learn.dataset import Dataset
from scalper.learn.estimators.base import Checkpoint, Estimator, Target
from scalper.learn.estimators.trees import Trees
from scalper.learn.feed import Feed
from scalper.settings import ModelSettings

if TYPE_CHECKING:
    import xgboost

BINS = 64
"""Histogram bins a feature: half the time of XGBoost's 256, and noise has no finer structure."""
DENSE, SPARSE = 2.1, 5.2
"""Bytes a value that XGBoost holds in memory: without any missing value, and with."""
ROW, ROW_ON_DISK = 104, 72
"""Bytes a row beside its values."""
BASE, THREAD = 40 << 20, 8 << 20
"""Blocks on their way, and what a thread adds up for itself."""


class XGBoost(Estimator):
    """Histogram trees: `multi:softprob` for classes, `reg:squarederror` for moves and sizes.

    The bytes depend on target, rows and their sessions, seed, the settings of trees, checkpoint_rounds, fold_threads
    and memory. 1, 2 and 4 threads have given the same bytes wherever it was tried (to 1 M rows, 150 rounds), for sums
    of float32 gradients in float64 are all but exact; XGBoost promises it for a fixed number only.
    """

    name = "xgboost"

    def fit(
        self,
        target: Target,
        learn: Feed,
        watch: Feed | None,
        settings: ModelSettings,
        *,
        seed: int,
        checkpoint: Checkpoint | None = None,
    ) -> Trees:
        """As Estimator.fit. The checkpoint of a finished training stays, for its caller to say that it is `done`.

        Raises BadInput if no row of `learn` has the target.
        """
        progress = _Progress.load(checkpoint)
        if not progress.over:
            watched = _blocks(watch, target) if watch is not None else iter(())
            watch = watch if next(watched, None) is not None else None
            progress.shift = _mean(target, learn)
            with _cache(settings, checkpoint) as folder:
                matrices = _matrices(target, learn, watch, settings, progress.shift, folder)
                _train(progress, matrices, _parameters(target, settings), settings, seed, checkpoint)
        booster = _booster({"nthread": settings.fold_threads}, [], progress.state)
        curve = "train" if watch is None else "tail"
        return Trees(booster, progress.shift, target.outputs, {curve: progress.losses}, settings.fold_threads)

    def needs_bytes(
        self, rows: int, watched: int, features: int, settings: ModelSettings, *, missing: bool = True
    ) -> int:
        """A binned value, its copy by column, and for sparse rows four times the first, for then an offset into the
        feature's bins no longer fits into a byte; each row's gradients, margins, node and place; sums of each node's
        bins. Measured with XGBoost 3.4 up to 4 M rows (`scalper bench learn`)."""
        value = 0.0 if settings.memory == "disk" else DENSE if not missing else SPARSE
        row = ROW_ON_DISK if settings.memory == "disk" else ROW
        sums = 2**settings.depth * features * BINS * 16 * (settings.fold_threads + 1)
        return int((rows + watched) * (features * value + row)) + sums + BASE + THREAD * settings.fold_threads


@dataclass(slots=True)
class _Progress:
    """How far a training is: the booster's bytes (cut to the best round once it is over) and the loss of each round.

    shift: what was taken from the target before it was learned (its mean; 0 for classes).
    """

    state: bytes
    losses: list[float]
    shift: float
    over: bool

    @classmethod
    def load(cls, checkpoint: Checkpoint | None) -> _Progress:
        found = checkpoint.load() if checkpoint is not None else None
        return cls(b"", [], 0.0, over=False) if found is None else cls(found[0], **found[1])

    def save(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is not None:
            checkpoint.save(self.state, {"losses": self.losses, "shift": self.shift, "over": self.over})

    @property
    def best(self) -> int:
        """Rounds up to the best one."""
        return self.losses.index(min(self.losses)) + 1


@dataclass(frozen=True, slots=True)
class _Matrices:
    """What is learned from, and what the loss of a round is told of."""

    learn: xgboost.DMatrix
    watch: xgboost.DMatrix | None


def _train(
    progress: _Progress,
    matrices: _Matrices,
    parameters: dict[str, Any],
    settings: ModelSettings,
    seed: int,
    checkpoint: Checkpoint | None,
) -> None:
    """Boost from where `progress` is to the end, which cuts it to its best round if a watch may stop it.

    A training always goes in segments, each of a booster that is made anew from the bytes of the one before and draws
    rows and columns from a seed of its own: a killed one that goes on takes the same path.
    """
    watched = matrices.watch or matrices.learn
    while not progress.over:
        start = len(progress.losses)
        booster = _booster(parameters | {"seed": _seed(seed, start)}, [matrices.learn, watched], progress.state)
        for number in range(start, min(start + settings.checkpoint_rounds, settings.rounds)):
            booster.update(matrices.learn, number)
            told = booster.eval_set([(watched, "")], number)
            progress.losses.append(float(told.rpartition(":")[2]))
            waited = len(progress.losses) - progress.best
            progress.over = matrices.watch is not None and waited >= settings.early_stopping
            if progress.over:
                break
        progress.over |= len(progress.losses) == settings.rounds
        if progress.over and matrices.watch is not None:
            booster = booster[: progress.best]
        progress.state = bytes(booster.save_raw())
        progress.save(checkpoint)


def _seed(seed: int, start: int) -> int:
    """Of the segment that begins at a round; the first has the training's own."""
    return seed if start == 0 else int(np.random.SeedSequence((seed, start)).generate_state(1)[0])


def _booster(parameters: dict[str, Any], cache: list[xgboost.DMatrix], state: bytes) -> xgboost.Booster:
    """A new booster, or one that goes on from saved bytes."""
    import xgboost

    return xgboost.Booster(parameters | {"verbosity": 0}, cache, bytearray(state) if state else None)


def _parameters(target: Target, settings: ModelSettings) -> dict[str, Any]:
    """The margins start at 0 (base_score), as the ONNX trees do: then both add the same numbers in the same order."""
    kind = {"objective": "reg:squarederror", "eval_metric": "rmse"}
    if target.kind == "classes":
        kind = {"objective": "multi:softprob", "num_class": target.outputs, "eval_metric": "mlogloss"}
    return kind | {
        "base_score": 0.0,
        "tree_method": "hist",
        "max_bin": BINS,
        "max_depth": settings.depth,
        "eta": settings.learning_rate,
        "min_child_weight": settings.min_child_weight,
        "subsample": settings.subsample,
        "colsample_bytree": settings.colsample,
        "nthread": settings.fold_threads,
    }


# ---------------------------------------------------------------------- rows


def _blocks(feed: Feed, target: Target) -> Iterator[Dataset]:
    """The rows of each session that have the target; sessions without any are left out."""
    for block in feed.blocks():
        rows = target.usable(block)
        if len(rows):
            yield rows


def _mean(target: Target, learn: Feed) -> float:
    """Weighted mean of the target, a float32: the trees learn what differs from it, and the graph adds it again.

    0 for classes. Raises BadInput if no row has the target.
    """
    total = weight = 0.0
    for block in _blocks(learn, target):
        if target.kind == "classes":
            return 0.0
        each = target.weight(block)
        each = np.ones(len(block)) if each is None else each.astype(np.float64)
        total += float((each * target.of(block)).sum())
        weight += float(each.sum())
    if not weight > 0:
        raise BadInput(f"{learn.where}: no row has the target {target.kind!r}; lengthen the window")
    return float(np.float32(total / weight))


def _matrices(
    target: Target, learn: Feed, watch: Feed | None, settings: ModelSettings, shift: float, folder: Path | None
) -> _Matrices:
    """The rows, binned: in memory, or in files of the folder. Blocks are read as they are, one at a time."""
    import xgboost

    class Blocks(xgboost.DataIter):
        """What XGBoost asks for the next block; it goes over them several times."""

        def __init__(self, feed: Feed, name: str) -> None:
            super().__init__(None if folder is None else str(folder / name))
            self._feed = feed
            self._left = _blocks(feed, target)

        def reset(self) -> None:
            self._left = _blocks(self._feed, target)

        def next(self, input_data: Any) -> bool:
            block = next(self._left, None)
            if block is None:
                return False
            weight = target.weight(block, watched=self._feed is watch)
            label = target.of(block)
            input_data(data=block.x, label=label - np.float32(shift) if shift else label, weight=weight)
            return True

    kind: Any = xgboost.QuantileDMatrix if folder is None else xgboost.ExtMemQuantileDMatrix
    options = {"max_bin": BINS, "nthread": settings.fold_threads}
    learned = kind(Blocks(learn, "learn"), **options)
    return _Matrices(learned, None if watch is None else kind(Blocks(watch, "watch"), ref=learned, **options))


@contextmanager
def _cache(settings: ModelSettings, checkpoint: Checkpoint | None) -> Generator[Path | None]:
    """Where binned rows lie while they are learned from, None: in memory. It is beside the checkpoint, so that the
    next training removes what a killed one left."""
    if settings.memory == "ram":
        yield None
    elif checkpoint is None:
        with TemporaryDirectory() as folder:
            yield Path(folder)
    else:
        folder = checkpoint.path.with_name(f"{checkpoint.path.name}.rows")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)
