"""What a calibration is: margins in, probabilities out, the same by numpy and as nodes of ONNX."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from scalper.learn.estimators.base import Part

CLASSES = 3
FLAT = 1
Kind = Literal["vector", "isotonic", "venn_abers"]
Matrix = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]


class Calibration(ABC):
    """Turns raw margins into probabilities that mean what they say. A class's probability never falls as its own
    margin rises: a model that is worse than nothing is ignored, not turned round."""

    kind: ClassVar[Kind]

    @abstractmethod
    def apply(self, margin: Matrix) -> Matrix:
        """Probabilities (n, 3) float32 of finite margins (n, 3) float32: what the graph has to repeat."""

    @abstractmethod
    def graph(self, prefix: str, source: str) -> Part:
        """The same as nodes of ONNX (opset 15) that read margins `source`; every name begins with `prefix`.

        A row's result does not depend on the rows beside it, to the last bit.
        """

    @abstractmethod
    def papers(self) -> dict[str, Any]:
        """What the model's metadata tell of it, as JSON holds it."""


def softmax(z: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Row-wise softmax, safe for large margins; in the precision of z (n, k)."""
    power = np.exp(z - z.max(axis=1, keepdims=True))
    return power / power.sum(axis=1, keepdims=True)
