"""Small networks: a feed-forward one, and one with a memory of rows. Their extra is `networks`; a graph needs no torch.

One thread, numpy's draws and no state of torch's own: the same rows, settings and seed give the same bytes on the same
machine, and so does a training that was killed, which goes on at the epoch where it was.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from scalper.learn.estimators.base import Checkpoint, Estimator, Fitted, Matrix, Part, Target
from scalper.learn.estimators.batches import blocks
from scalper.learn.estimators.epochs import AT_ONCE, Training, as_it_is, torch
from scalper.learn.estimators.layers import Dense, Draft, Layers, Recurrent, Scaling, Weights, finished
from scalper.learn.feed import Feed
from scalper.settings import ModelSettings
from scalper.settings.learning import NetworkSettings

TORCH_BYTES = 700 << 20
"""What torch itself takes once it is imported, with its libraries."""
SESSION_ROWS = 90_000
"""A session's rows at most: 23 hours of seconds and some."""


class _Networks(Estimator):
    """What the two have in common. Raises BadInput where torch is not installed."""

    row_by_row: ClassVar[bool] = True

    def __init__(self) -> None:
        torch()

    @abstractmethod
    def _layers(self, settings: NetworkSettings) -> Layers: ...

    def fit(
        self,
        target: Target,
        learn: Feed,
        watch: Feed | None,
        settings: ModelSettings,
        *,
        seed: int,
        checkpoint: Checkpoint | None = None,
    ) -> Network:
        """As Estimator.fit; the checkpoint of a finished training stays, for its caller to say that it is `done`.

        Raises BadInput if no row of `learn` has the target, or if the learning rate is so high that the loss is lost.
        """
        if watch is not None and next(blocks(target, watch, 1), None) is None:
            watch = None
        layers = self._layers(settings.network)
        progress = Training(layers, target, learn, watch, settings, seed).run(checkpoint)
        curve = "train" if watch is None else "tail"
        return Network(layers, progress.scaling, progress.best, progress.best_epoch, {curve: progress.losses})

    def needs_bytes(
        self, rows: int, watched: int, features: int, settings: ModelSettings, *, missing: bool = True
    ) -> int:
        """torch, a session's windows four times over (as read, shuffled, waiting, in a batch), and what a batch leaves
        behind for its gradient; the rows themselves are read again each epoch."""
        network = settings.network
        span, hidden = self._layers(network).span, network.hidden * network.layers
        session = min(max(rows, watched), SESSION_ROWS) + network.batch
        batch = min(network.batch, rows) * span * (features + 16 * hidden)
        weights = 4 * network.hidden * (features + 2 * hidden + 8) * network.layers
        return TORCH_BYTES + 4 * (4 * session * span * features + 3 * batch + 8 * weights)


class FeedForward(_Networks):
    """Dense layers with rectified sums; it reads one row."""

    name: ClassVar[str] = "feedforward"

    def _layers(self, settings: NetworkSettings) -> Layers:
        return Dense(settings.hidden, settings.layers)


class Lstm(_Networks):
    """Long short-term memory: it reads the last `network.span` rows of a session, and knows nothing of another."""

    name: ClassVar[str] = "lstm"

    def _layers(self, settings: NetworkSettings) -> Layers:
        return Recurrent(settings.hidden, settings.layers, settings.span)


# -------------------------------------------------------------- what was learned


class Network(Fitted):
    """Weights of the best epoch, and how features are standardised for them."""

    def __init__(
        self, layers: Layers, scaling: Scaling, weights: Weights, rounds: int, curves: Mapping[str, list[float]]
    ) -> None:
        self.layers, self.scaling, self.weights = layers, scaling, weights
        self.span = layers.span
        self._rounds, self._curves = rounds, curves

    @property
    def rounds(self) -> int:
        return self._rounds

    @property
    def curves(self) -> Mapping[str, list[float]]:
        return self._curves

    def raw(self, x: Matrix) -> Matrix:
        parts = [self._margins(x[start : start + AT_ONCE])[1] for start in range(0, max(len(x), 1), AT_ONCE)]
        return np.concatenate([one.detach().numpy() for one in parts]).astype(np.float32)

    def graph(self, prefix: str, source: str) -> Part:
        draft = Draft(prefix)
        return finished(draft, self.layers.graph(draft, self.weights, self.scaling.graph(draft, source)))

    def importance(self, x: Matrix) -> dict[str, npt.NDArray[np.float64]]:
        """gradient: mean over rows and margins of |slope of the margin × standardised value|, summed over the span."""
        total = np.zeros(x.shape[-1])
        for start in range(0, len(x), AT_ONCE):
            z, margins = self._margins(x[start : start + AT_ONCE], learn=True)
            for index in range(margins.shape[1]):
                z.grad = None
                margins[:, index].sum().backward(retain_graph=True)
                given = (z.grad * z.detach()).abs().numpy()
                total += given.reshape(-1, x.shape[-1]).sum(axis=0)
        return {"gradient": total / max(len(x) * len(self.weights["b"]), 1)}

    def _margins(self, x: Matrix, learn: bool = False) -> tuple[Any, Any]:
        """Standardised rows and their margins as tensors of float64; with `learn` for a gradient."""
        library = torch()
        weights = {name: library.from_numpy(one.astype(np.float64)) for name, one in self.weights.items()}
        z = library.from_numpy(self.scaling.apply(x).astype(np.float64)).requires_grad_(learn)
        return z, self.layers.forward(library, weights, z, as_it_is)
