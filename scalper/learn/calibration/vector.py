"""Calibration of class probabilities by vector scaling: one temperature and a bias a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from scalper.learn.calibration.base import CLASSES, Array, Calibration, Kind, Matrix, softmax
from scalper.learn.estimators.base import Part

SCALE_MIN = 1e-3
"""A model that is worse than nothing is scaled down to the class priors, never turned round."""
RIDGE = 1.0
"""Pull towards no change, in rows: it decides only where a class is missing or rows are few."""


@dataclass(frozen=True, slots=True)
class Vector(Calibration):
    """softmax(scale × z + bias) of raw margins z; scale > 0, bias of FLAT fixed at 0.

    Log-probabilities are margins less a constant a row, which softmax ignores: this is vector scaling of
    log-probabilities (Guo et al. 2017, section 4.2) without their logarithm of zero.
    """

    kind: ClassVar[Kind] = "vector"
    scale: float = 1.0
    bias: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @classmethod
    def fit(cls, margin: Matrix, label: npt.NDArray[np.int8]) -> Self:
        """The one of least log-loss on raw margins (n, 3) and labels (n,) in 0..2; no rows: no change.

        Newton's method from no change on a convex function of (scale, bias DOWN, bias UP), so the same rows give the
        same numbers. A class without rows is only discouraged (see RIDGE), and a scale below SCALE_MIN is held there.
        """
        z = margin.astype(np.float64)
        # each row's logits are linear in the parameters: derivative (n, 3 classes, 3 parameters)
        slope = np.zeros((len(z), CLASSES, 3))
        slope[:, :, 0] = z
        slope[:, 0, 1] = 1.0
        slope[:, 2, 2] = 1.0
        hit = np.zeros((len(z), CLASSES))
        hit[np.arange(len(z)), label] = 1.0
        best = _newton(slope, hit, np.array([1.0, 0.0, 0.0]), free=slice(0, 3))
        if best[0] < SCALE_MIN:
            best = _newton(slope, hit, np.array([SCALE_MIN, 0.0, 0.0]), free=slice(1, 3))
        return cls(float(np.float32(best[0])), (float(np.float32(best[1])), 0.0, float(np.float32(best[2]))))

    def scaled(self, margin: Matrix) -> Matrix:
        """What the softmax is taken of (n, 3), in float32 as in the graph."""
        return margin * np.float32(self.scale) + np.asarray(self.bias, np.float32)

    def apply(self, margin: Matrix) -> Matrix:
        return softmax(self.scaled(margin))

    def graph(self, prefix: str, source: str) -> Part:
        from onnx import TensorProto, helper

        def name(of: str) -> str:
            return f"{prefix}{of}"

        nodes = [
            helper.make_node("Mul", [source, name("scale")], [name("scaled")]),
            helper.make_node("Add", [name("scaled"), name("bias")], [name("shifted")]),
            helper.make_node("Softmax", [name("shifted")], [name("probabilities")], axis=1),
        ]
        constants = [
            helper.make_tensor(name("scale"), TensorProto.FLOAT, [1], [self.scale]),
            helper.make_tensor(name("bias"), TensorProto.FLOAT, [CLASSES], list(self.bias)),
        ]
        return Part(nodes, constants, name("probabilities"))

    def papers(self) -> dict[str, Any]:
        return {"kind": self.kind, "scale": self.scale, "bias": list(self.bias)}


def _newton(slope: Array, hit: Array, start: Array, free: slice) -> Array:
    """Minimise the penalised log-loss over the free parameters, halving a step that does not descend."""
    rest = np.array([1.0, 0.0, 0.0])
    at, loss = start, _loss(slope, hit, start, rest)
    for _ in range(60):
        chance = softmax(slope @ at)
        gradient = np.einsum("nk,nkp->p", chance - hit, slope) + RIDGE * (at - rest)
        mean = np.einsum("nk,nkp->np", chance, slope)
        spread = np.einsum("nk,nkp,nkq->pq", chance, slope, slope) - mean.T @ mean + RIDGE * np.eye(3)
        step = np.zeros(3)
        step[free] = np.linalg.solve(spread[free, free], gradient[free])
        share = 1.0
        while share > 1e-9 and _loss(slope, hit, at - share * step, rest) > loss:
            share /= 2
        at = at - share * step
        loss = _loss(slope, hit, at, rest)
        if np.abs(step).max() < 1e-10:
            break
    return at


def _loss(slope: Array, hit: Array, at: Array, rest: Array) -> float:
    z = slope @ at
    top = z.max(axis=1)
    total = np.log(np.exp(z - top[:, None]).sum(axis=1)) + top - (z * hit).sum(axis=1)
    return float(total.sum() + RIDGE / 2 * ((at - rest) ** 2).sum())
