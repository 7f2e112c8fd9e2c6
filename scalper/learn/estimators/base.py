"""What an estimator is: something that learns from rows fed session by session and leaves as an ONNX graph.

Rules that every estimator keeps (learn.estimators.conformance tests them):
1. The same target, feeds, settings and seed give the same numbers and the same graph, byte by byte.
2. A training that was killed and is called again with its checkpoint gives what it would have given.
3. `raw` of a row does not depend on the rows beside it, and the graph repeats it to 1e-6 on missing and extreme values.
4. It reads its feeds block by block, any number of times, and writes into none.
5. A missing class, a constant feature, and a single row do not stop it; there is always at least one row.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np
import numpy.typing as npt

from scalper import log
from scalper.files import write_bytes
from scalper.learn.dataset import Dataset
from scalper.learn.feed import Feed, moving
from scalper.settings import ModelSettings

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

Matrix = npt.NDArray[np.float32]
Kind = Literal["classes", "move", "size"]
MOST_MOVE = 20.0
"""Moves are learned in volatilities and cut here: one halt must not teach a tree."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is learned of a row, and how much the row counts.

    classes: its label, by softmax of 3 margins. move: signed move over volatility; size: |move| over volatility, each
    by squared error, 1 output. weights: "uniqueness" divides by `mean_weight`, so that rows count 1 on average;
    class_weights (3,) multiply (see ModelSettings.classes).
    """

    kind: Kind = "classes"
    weights: Literal["none", "uniqueness"] = "none"
    mean_weight: float = 1.0
    class_weights: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def outputs(self) -> int:
        return 3 if self.kind == "classes" else 1

    def usable(self, block: Dataset) -> Dataset:
        """The rows of a block that have this target: a move is told in volatilities only where there is any."""
        return block if self.kind == "classes" else block.rows(moving(block))

    def of(self, block: Dataset) -> npt.NDArray[Any]:
        """The target (n,) of usable rows: int8 classes, or float32."""
        if self.kind == "classes":
            return block.label
        moved = np.clip(block.move_ticks / block.volatility_ticks, -MOST_MOVE, MOST_MOVE)
        return moved if self.kind == "move" else np.abs(moved)

    def weight(self, block: Dataset, watched: bool = False) -> Matrix | None:
        """What each row counts (n,), None: all the same. What stops the training (`watched`) ignores uniqueness."""
        found: Matrix = np.ones(len(block), np.float32)
        if self.kind == "classes" and self.class_weights != (1.0, 1.0, 1.0):
            found = np.asarray(self.class_weights, np.float32)[block.label]
        elif watched or self.weights == "none":
            return None
        if self.weights == "uniqueness" and not watched:
            found = (found * (block.weight / np.float32(self.mean_weight))).astype(np.float32)
        return found


@dataclass(frozen=True, slots=True)
class Part:
    """Some nodes of an ONNX graph, the constants they read, and the name of what they give."""

    nodes: list[NodeProto]
    constants: list[TensorProto]
    output: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a training is saved after every few rounds, and the digest of what it is made from.

    The file is a line of JSON, what `told` was, and the bytes of the state. A damaged one, or one of another input, is
    no checkpoint: the training starts anew.
    """

    path: Path
    input: str

    def save(self, state: bytes, told: Mapping[str, Any]) -> None:
        """Replace what was saved before."""
        said = json.dumps(dict(told), sort_keys=True)
        head = {"input": self.input, "sha256": _digest(said, state), "told": said}
        write_bytes(self.path, json.dumps(head, sort_keys=True).encode() + b"\n" + state, sync=False)

    def load(self) -> tuple[bytes, dict[str, Any]] | None:
        """State and `told` of a training of the same input, None without."""
        if not self.path.is_file():
            return None
        first, _, state = self.path.read_bytes().partition(b"\n")
        head = _head(first)
        said = str(head.get("told"))
        if head.get("sha256") != _digest(said, state) or head.get("input") != self.input:
            log.warn(f"{self.path}: not a checkpoint of this training (other rows or settings, or damaged); it is left")
            return None
        return state, json.loads(said)

    def done(self) -> None:
        """The training is over."""
        self.path.unlink(missing_ok=True)

    def of(self, name: str) -> Checkpoint:
        """A checkpoint of its own for one member."""
        return Checkpoint(self.path.with_name(f"{self.path.name}.{name}"), f"{self.input} {name}")


def _digest(said: str, state: bytes) -> str:
    return hashlib.sha256(said.encode() + b"\n" + state).hexdigest()


def _head(line: bytes) -> dict[str, Any]:
    """What the first line of a checkpoint says; nothing if it is damaged."""
    try:
        found: Any = json.loads(line)
    except ValueError:
        return {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


class Fitted(ABC):
    """What was learned."""

    span: int = 1
    """Rows in a row that it reads: 1, or more for a network with a memory."""

    @property
    @abstractmethod
    def rounds(self) -> int:
        """Rounds (trees a class, epochs) that are used."""

    @property
    @abstractmethod
    def curves(self) -> Mapping[str, list[float]]:
        """Loss a round on `tail`, or on `train` without a tail."""

    @abstractmethod
    def raw(self, x: Matrix) -> Matrix:
        """Margins (n, 3), or the estimate (n, 1), by the library itself: what the graph has to repeat.

        x (n, f) float32, or (n, span, f) for a span above 1; NaN is missing.
        """

    @abstractmethod
    def graph(self, prefix: str, source: str) -> Part:
        """The same as nodes of ONNX (opset 15, ai.onnx.ml 1) that read `source`; every name begins with `prefix`.

        Row by row it must be as `raw`. Output (n, 3) or (n, 1) float32.
        """

    @abstractmethod
    def importance(self, x: Matrix) -> dict[str, npt.NDArray[np.float64]]:
        """How much each feature matters (f,), by name of the measure (`gain`, `shap`, …), on rows x as for `raw`."""


class Estimator(ABC):
    """Learns a target from rows."""

    name: ClassVar[str]
    row_by_row: ClassVar[bool] = False
    """Whether the graph's batch may differ in the last bit from its rows one by one, so that it is asked row by row."""

    @abstractmethod
    def fit(
        self,
        target: Target,
        learn: Feed,
        watch: Feed | None,
        settings: ModelSettings,
        *,
        seed: int,
        checkpoint: Checkpoint | None = None,
    ) -> Fitted:
        """Learn from `learn`; `watch`, later rows, stops it (settings.early_stopping), None: all the rounds."""

    @abstractmethod
    def needs_bytes(
        self, rows: int, watched: int, features: int, settings: ModelSettings, *, missing: bool = True
    ) -> int:
        """An upper estimate of the memory that a training of so many rows takes, beside what the program has.

        missing: whether any of their values is.
        """
