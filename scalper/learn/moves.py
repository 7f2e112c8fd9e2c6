"""Expected move and volatility by regressors of their own, beside the class probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scalper.learn.estimators import Fitted, Part

Matrix = npt.NDArray[np.float32]
CALM, WILD = 0.25, 4.0
"""The volatility that is foreseen lies between so many times the present one."""


@dataclass(frozen=True, slots=True)
class Moves:
    """Two estimates a row: `move`, the signed move, and `size`, its absolute value, both over the present volatility.

    usual: the mean of the latter in training; what exceeds it, foresees more volatility than there is now.
    """

    move: Fitted
    size: Fitted
    usual: float

    def raw(self, x: Matrix) -> Matrix:
        """(n, 2): expected move in volatilities, and the volatility to come as a multiple of the present one."""
        times = self.size.raw(x) * np.float32(1 / self.usual)
        return np.concatenate([self.move.raw(x), np.clip(times, np.float32(CALM), np.float32(WILD))], axis=1)

    def graph(self, prefix: str, source: str) -> Part:
        """The same in ONNX."""
        from onnx import TensorProto, helper

        move, size = self.move.graph(f"{prefix}move_", source), self.size.graph(f"{prefix}size_", source)
        nodes: list[Any] = [
            *move.nodes,
            *size.nodes,
            helper.make_node("Mul", [size.output, f"{prefix}usual"], [f"{prefix}times"]),
            helper.make_node("Clip", [f"{prefix}times", f"{prefix}calm", f"{prefix}wild"], [f"{prefix}held"]),
            helper.make_node("Concat", [move.output, f"{prefix}held"], [f"{prefix}moves"], axis=1),
        ]
        values = {"usual": 1 / self.usual, "calm": CALM, "wild": WILD}
        own = [helper.make_tensor(prefix + name, TensorProto.FLOAT, [], [one]) for name, one in values.items()]
        return Part(nodes, [*move.constants, *size.constants, *own], f"{prefix}moves")
