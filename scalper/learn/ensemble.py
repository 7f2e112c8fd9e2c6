"""Members that were learned apart and are asked together: their margins are averaged, a logarithmic opinion pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scalper.learn.estimators import Fitted, Part

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Member:
    """One of the ensemble: what was learned, from labels of which horizon and with which seed.

    weight: its share of the whole, the shares add up to 1. bias (3,): added to its margins, minus the logarithm of the
    class weights of its training: so its priors are those of the rows again.
    """

    fitted: Fitted
    horizon: int
    seed: int
    weight: float = 1.0
    bias: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def name(self) -> str:
        return f"h{self.horizon}s{self.seed}"


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Members in order; one alone is itself."""

    members: tuple[Member, ...]

    @property
    def span(self) -> int:
        """Rows in a row that the longest memory reads; all members are of one kind."""
        return max(one.fitted.span for one in self.members)

    def raw(self, x: Matrix) -> Matrix:
        """Margins (n, 3): sum of weight × (margins + bias), member after member in float32, as the graph does it."""
        total: Matrix | None = None
        for one in self.members:
            margins: Matrix = np.array(one.fitted.raw(x), np.float32)
            if any(one.bias):
                margins += np.asarray(one.bias, np.float32)
            if len(self.members) > 1:
                margins *= np.float32(one.weight)
            total = margins if total is None else total + margins
        assert total is not None, "an ensemble has a member"
        return total

    def graph(self, prefix: str, source: str) -> Part:
        """The same in ONNX."""
        nodes: list[Any] = []
        constants: list[Any] = []
        total = ""
        for number, one in enumerate(self.members):
            here = f"{prefix}{number}_"
            part = one.fitted.graph(here, source)
            nodes += part.nodes
            constants += part.constants
            now = part.output
            if any(one.bias):
                now = _step(nodes, constants, "Add", now, one.bias, f"{here}corrected")
            if len(self.members) > 1:
                now = _step(nodes, constants, "Mul", now, [one.weight], f"{here}weighed")
            total = now if not total else _sum(nodes, total, now, f"{here}sum")
        return Part(nodes, constants, total)

    def importance(self, x: Matrix) -> dict[str, npt.NDArray[np.float64]]:
        """Each measure (f,) as the weighted mean of the members, which are brought to a sum of 1 before."""
        found: dict[str, npt.NDArray[np.float64]] = {}
        for one in self.members:
            for name, values in one.fitted.importance(x).items():
                share = values / total if (total := float(values.sum())) > 0 else values
                found[name] = found.get(name, np.zeros_like(share)) + one.weight * share
        return found

    def curves(self) -> dict[str, list[float]]:
        """The members' curves; those of further members carry their name."""
        first, *rest = self.members
        further = {f"{name}_{one.name}": curve for one in rest for name, curve in one.fitted.curves.items()}
        return dict(first.fitted.curves) | further


def _step(nodes: list[Any], constants: list[Any], kind: str, left: str, values: Sequence[float], name: str) -> str:
    from onnx import TensorProto, helper

    constants.append(helper.make_tensor(f"{name}_by", TensorProto.FLOAT, [len(values)], list(values)))
    nodes.append(helper.make_node(kind, [left, f"{name}_by"], [name]))
    return name


def _sum(nodes: list[Any], left: str, right: str, name: str) -> str:
    from onnx import helper

    nodes.append(helper.make_node("Add", [left, right], [name]))
    return name
