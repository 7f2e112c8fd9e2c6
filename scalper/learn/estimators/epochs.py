"""The epochs of a network: Adam's steps, what stops them, and how far a training is, saved after each.

Nothing here draws from torch: numpy shuffles and drops, with a generator of its own for each epoch, so that a killed
training goes on where it was.
"""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scalper.errors import BadInput
from scalper.learn.estimators.base import Checkpoint, Target
from scalper.learn.estimators.batches import Rows, batches, blocks, look
from scalper.learn.estimators.layers import Drop, Layers, Scaling, Weights
from scalper.learn.feed import Feed
from scalper.settings import ModelSettings

DECAY, DECAY_OF_SQUARES, SMALL = 0.9, 0.999, 1e-8
"""Adam's constants (Kingma and Ba 2015, algorithm 1)."""
AT_ONCE = 4096
"""Rows that are asked at once: it bounds the memory."""


def torch() -> Any:
    """The library, on one thread and deterministic. Raises BadInput where it is not installed."""
    try:
        found: Any = importlib.import_module("torch")
    except ImportError as error:
        raise BadInput(f"the networks need torch, which is not here ({error}); run `make networks`") from None
    found.set_num_threads(1)
    found.set_deterministic_debug_mode("error")  # as use_deterministic_algorithms, which imports the compiler too
    return found


@dataclass(slots=True)
class Progress:
    """How far a training is: everything that the next epoch needs, in numpy's arrays.

    slope and square: Adam's means of the gradient and of its square; steps: of Adam; best: the weights of the epoch of
    least loss, or the last ones without a watch.
    """

    scaling: Scaling
    weights: Weights
    slope: Weights
    square: Weights
    best: Weights
    losses: list[float] = field(default_factory=list[float])
    best_epoch: int = 0
    steps: int = 0
    over: bool = False

    @classmethod
    def fresh(cls, scaling: Scaling, weights: Weights) -> Progress:
        slope, square = ({name: np.zeros_like(one) for name, one in weights.items()} for _ in range(2))
        return cls(scaling, weights, slope, square, dict(weights))

    @classmethod
    def load(cls, checkpoint: Checkpoint | None) -> Progress | None:
        """What was saved, None without."""
        if checkpoint is None or (found := checkpoint.load()) is None:
            return None
        state, told = found
        groups: dict[str, Weights] = {}
        with np.load(io.BytesIO(state), allow_pickle=False) as arrays:
            for key in arrays.files:
                group, _, name = key.partition(".")
                groups.setdefault(group, {})[name] = arrays[key]
        return cls(Scaling(**groups.pop("scaling")), **groups, **told)

    def save(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None:
            return
        scaling = {"mean": self.scaling.mean, "spread": self.scaling.spread}
        groups = {"scaling": scaling} | {name: getattr(self, name) for name in ("weights", "slope", "square", "best")}
        arrays = {f"{group}.{name}": one for group, found in groups.items() for name, one in found.items()}
        state = io.BytesIO()
        np.savez(state, allow_pickle=False, **arrays)
        told = {name: getattr(self, name) for name in ("losses", "best_epoch", "steps", "over")}
        checkpoint.save(state.getvalue(), told)


@dataclass(frozen=True, slots=True)
class Training:
    """What a network is trained from, and how; `watch`, if it has rows of the target, stops it."""

    layers: Layers
    target: Target
    learn: Feed
    watch: Feed | None
    settings: ModelSettings
    seed: int

    def run(self, checkpoint: Checkpoint | None) -> Progress:
        """All the epochs, or those that are left. Raises BadInput if no row has the target, or the loss is lost."""
        progress = Progress.load(checkpoint) or self._start()
        while not progress.over:
            loss = self._epoch(progress)
            self._judge(progress, loss if self.watch is None else self._watched(progress, self.watch))
            progress.save(checkpoint)
        return progress

    def _start(self) -> Progress:
        scaling, bias = look(self.target, self.learn)
        draw = np.random.default_rng((self.seed, 0))
        return Progress.fresh(scaling, self.layers.first(len(scaling.mean), self.target.outputs, draw) | {"b": bias})

    def _epoch(self, progress: Progress) -> float:
        """Every batch once; the mean loss. Tensors share the arrays' memory: Adam's steps arrive in both."""
        library, network = torch(), self.settings.network
        draw = np.random.default_rng((self.seed, 1 + len(progress.losses)))
        drop = _dropout(library, network.dropout, draw)
        weights, slope, square = (
            {name: library.from_numpy(one) for name, one in found.items()}
            for found in (progress.weights, progress.slope, progress.square)
        )
        for one in weights.values():
            one.requires_grad_()
        total, count = 0.0, 0
        for rows in batches(self.target, self.learn, self.layers.span, network.batch, draw):
            each = self._losses(library, progress.scaling, weights, rows, drop)
            (each.sum() / len(rows)).backward()
            total, count = total + float(each.detach().double().sum()), count + len(rows)
            progress.steps += 1
            with library.no_grad():
                for name, one in weights.items():
                    _adam(one, slope[name], square[name], progress.steps, network.learning_rate)
        return self._told(total / count)

    def _watched(self, progress: Progress, watch: Feed) -> float:
        """Weighted mean loss of the rows that are watched."""
        library = torch()
        weights = {name: library.from_numpy(one) for name, one in progress.weights.items()}
        total = weight = 0.0
        for block in blocks(self.target, watch, self.layers.span):
            rows = Rows.of(self.target, block, watched=True)
            for start in range(0, len(rows), AT_ONCE):
                some = rows[start : start + AT_ONCE]
                total += float(self._losses(library, progress.scaling, weights, some, as_it_is).double().sum())
                weight += float(some.weight.sum(dtype=np.float64))
        return self._told(total / weight)

    def _losses(self, library: Any, scaling: Scaling, weights: dict[str, Any], rows: Rows, drop: Drop) -> Any:
        """What each row adds to the loss (n,): its weight × cross-entropy, or × the square of what is missed."""
        margins = self.layers.forward(library, weights, library.from_numpy(scaling.apply(rows.x)), drop)
        if self.target.kind == "classes":
            wanted = library.from_numpy(rows.wanted.astype(np.int64))
            each = library.nn.functional.cross_entropy(margins, wanted, reduction="none")
        else:
            each = (margins[:, 0] - library.from_numpy(rows.wanted.astype(np.float32))) ** 2
        return each * library.from_numpy(rows.weight)

    def _told(self, loss: float) -> float:
        """As curves show it: of moves the root, in volatilities."""
        return loss if self.target.kind == "classes" else loss**0.5

    def _judge(self, progress: Progress, loss: float) -> None:
        """Keep the epoch if it is the best so far (without a watch it is), and tell whether it was the last."""
        number, settings = len(progress.losses) + 1, self.settings
        if not np.isfinite(loss):
            raise BadInput(
                f"{self.learn.where}: the loss of epoch {number} is {loss}; lower model.network.learning_rate "
                f"({settings.network.learning_rate:g})"
            )
        if self.watch is None or loss < min(progress.losses, default=np.inf):
            progress.best_epoch = number
            progress.best = {name: one.copy() for name, one in progress.weights.items()}
        progress.losses.append(loss)
        waited = number - progress.best_epoch
        progress.over = number == settings.network.epochs or waited >= settings.early_stopping


def _adam(weight: Any, slope: Any, square: Any, steps: int, rate: float) -> None:
    """One step against the gradient of a weight, which is used up."""
    slope.mul_(DECAY).add_(weight.grad, alpha=1 - DECAY)
    square.mul_(DECAY_OF_SQUARES).addcmul_(weight.grad, weight.grad, value=1 - DECAY_OF_SQUARES)
    wide = (square / (1 - DECAY_OF_SQUARES**steps)).sqrt_().add_(SMALL)
    weight.sub_(slope / wide, alpha=rate / (1 - DECAY**steps))
    weight.grad = None


def _dropout(library: Any, share: float, draw: np.random.Generator) -> Drop:
    """Silences a share of the values and makes the others louder, by numpy's draws."""

    def drop(values: Any) -> Any:
        kept = draw.random(tuple(values.shape), np.float32) >= share
        return values * library.from_numpy(kept.astype(np.float32) / np.float32(1 - share))

    return drop if share else as_it_is


def as_it_is(values: Any) -> Any:
    """What drops nothing."""
    return values
