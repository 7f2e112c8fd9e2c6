"""The layers of the networks: their first weights, their forward pass in torch, and the same as nodes of ONNX.

Weights are numpy arrays by name, float32. What is learned from is float32, what is asked is computed in float64 both in
torch and in the graph: then the two differ by far less than 1e-6, whatever the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from scalper.learn.estimators.base import Matrix, Part

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

Weights = dict[str, Matrix]
Drop = Callable[[Any], Any]
"""Silences some of a tensor's values in training, and nothing afterwards."""
MOST = 5.0
"""Standardised values are cut here: what is farther out is told as far out."""
NO_SPREAD = 1e-6
"""A feature whose spread is less than this share of its mean is constant: float32 hardly tells its values apart."""


class Draft:
    """Nodes and constants on their way to a Part; every name begins with the prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, values: npt.ArrayLike, dtype: Any) -> str:
        """The name of a constant of these values."""
        from onnx import numpy_helper

        name = self.prefix + name
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype, order="C"), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **how: Any) -> str:
        """The output of one more node."""
        from onnx import helper

        output = self.prefix + output
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **how))
        return output


@dataclass(frozen=True, slots=True)
class Scaling:
    """Standardisation of features: mean and spread (f,) float32 of training; what is missing becomes 0, the mean."""

    mean: Matrix
    spread: Matrix

    @classmethod
    def of(cls, mean: npt.NDArray[np.float64], variance: npt.NDArray[np.float64]) -> Scaling:
        """A constant feature is divided by the largest number: nothing is learned from it, nothing may come of it."""
        spread, largest = np.sqrt(variance), float(np.finfo(np.float32).max)
        told = spread > NO_SPREAD * np.abs(mean)
        return cls(mean.astype(np.float32), np.where(told, np.minimum(spread, largest), largest).astype(np.float32))

    def apply(self, x: Matrix) -> Matrix:
        """Standardised x (…, f), in float32 and this order of operations, as the graph does it."""
        with np.errstate(over="ignore"):  # the ends of float32: infinite for a moment, then cut
            z = (x - self.mean) / self.spread
        return np.clip(np.where(np.isnan(z), np.float32(0), z), np.float32(-MOST), np.float32(MOST))

    def graph(self, draft: Draft, source: str) -> str:
        """The same, as float64 for the layers to come."""
        from onnx import TensorProto

        less = draft.node("Sub", [source, draft.constant("mean", self.mean, np.float32)], "less")
        scaled = draft.node("Div", [less, draft.constant("spread", self.spread, np.float32)], "scaled")
        missing = draft.node("IsNaN", [scaled], "missing")
        filled = draft.node("Where", [missing, draft.constant("zero", 0, np.float32), scaled], "filled")
        ends = [draft.constant("low", -MOST, np.float32), draft.constant("high", MOST, np.float32)]
        return draft.node("Cast", [draft.node("Clip", [filled, *ends], "cut")], "wide", to=TensorProto.DOUBLE)


class Layers(Protocol):
    """What a network is made of between its standardised input and its margins."""

    @property
    def span(self) -> int:
        """Rows in a row that it reads."""
        ...

    def first(self, width: int, outputs: int, draw: np.random.Generator) -> Weights:
        """Weights before training; those of the last layer are `w` (outputs, hidden) and `b` (outputs,)."""
        ...

    def forward(self, torch: Any, weights: Mapping[str, Any], z: Any, drop: Drop) -> Any:
        """Margins (n, outputs) of a tensor z (n, f) or (n, span, f)."""
        ...

    def graph(self, draft: Draft, weights: Weights, source: str) -> str:
        """The same in ONNX, float64, without dropping."""
        ...


def _uniform(draw: np.random.Generator, *shape: int, fan: int) -> Matrix:
    """Weights between ±1/√fan, so that a layer neither swells nor fades what it reads."""
    return ((2 * draw.random(shape) - 1) / np.sqrt(fan)).astype(np.float32)


def _dense(draft: Draft, source: str, weights: Weights, name: str) -> str:
    """source × weightᵀ + bias, of the weights `w<name>` and `b<name>`."""
    inputs = [source, *(draft.constant(one + name, weights[one + name], np.float64) for one in "wb")]
    return draft.node("Gemm", inputs, f"dense{name}", transB=1)


@dataclass(frozen=True, slots=True)
class Dense:
    """Layers of rectified sums, one behind the other."""

    hidden: int
    layers: int
    span: int = 1

    def first(self, width: int, outputs: int, draw: np.random.Generator) -> Weights:
        weights: Weights = {}
        for number in range(self.layers):
            weights[f"w{number}"] = _uniform(draw, self.hidden, width, fan=width)
            weights[f"b{number}"] = np.zeros(self.hidden, np.float32)
            width = self.hidden
        return weights | {"w": _uniform(draw, outputs, width, fan=width), "b": np.zeros(outputs, np.float32)}

    def forward(self, torch: Any, weights: Mapping[str, Any], z: Any, drop: Drop) -> Any:
        linear = torch.nn.functional.linear
        for number in range(self.layers):
            z = drop(torch.relu(linear(z, weights[f"w{number}"], weights[f"b{number}"])))
        return linear(z, weights["w"], weights["b"])

    def graph(self, draft: Draft, weights: Weights, source: str) -> str:
        for number in range(self.layers):
            source = draft.node("Relu", [_dense(draft, source, weights, str(number))], f"rectified{number}")
        return _dense(draft, source, weights, "")


GATES = "ifgo"
"""Input, forget, candidate and output: the order of torch's rows of a weight."""
IN_GRAPH = (0, 1, 3, 2)
"""The same with the candidate behind the three that go through a sigmoid."""


@dataclass(frozen=True, slots=True)
class Recurrent:
    """Layers of long short-term memory (Hochreiter and Schmidhuber 1997, with a forget gate), and a last dense one on
    what the top layer holds after the last row."""

    hidden: int
    layers: int
    span: int

    def first(self, width: int, outputs: int, draw: np.random.Generator) -> Weights:
        weights: Weights = {}
        for number in range(self.layers):
            weights[f"w{number}"] = _uniform(draw, 4 * self.hidden, width, fan=self.hidden)
            weights[f"r{number}"] = _uniform(draw, 4 * self.hidden, self.hidden, fan=self.hidden)
            bias = np.zeros((4, self.hidden), np.float32)
            bias[GATES.index("f")] = 1.0  # it begins by remembering
            weights[f"b{number}"] = bias.reshape(-1)
            width = self.hidden
        return weights | {"w": _uniform(draw, outputs, width, fan=width), "b": np.zeros(outputs, np.float32)}

    def forward(self, torch: Any, weights: Mapping[str, Any], z: Any, drop: Drop) -> Any:
        none = z.new_zeros(self.layers, len(z), self.hidden)
        unused = z.new_zeros(4 * self.hidden)  # torch has two biases; one is enough
        flat = [
            weights[name] if name else unused for i in range(self.layers) for name in (f"w{i}", f"r{i}", f"b{i}", "")
        ]
        held = torch.lstm(z, (none, none), flat, True, self.layers, 0.0, True, False, True)[0]
        return torch.nn.functional.linear(drop(held[:, -1]), weights["w"], weights["b"])

    def graph(self, draft: Draft, weights: Weights, source: str) -> str:
        """A Scan a layer: ONNX's own LSTM is float32 in the runtime, and would miss torch by more than 1e-6."""
        rows = draft.node("Shape", [source], "rows", end=1)
        shape = draft.node("Concat", [rows, draft.constant("hidden", [self.hidden], np.int64)], "shape", axis=0)
        nothing = draft.node("Expand", [draft.constant("nothing", 0, np.float64), shape], "none")
        draft.constant("parts", [3 * self.hidden, self.hidden], np.int64)
        for number in range(self.layers):
            source = self._layer(draft, weights, source, nothing, str(number))
        last = draft.constant("last", self.span - 1, np.int64)
        return _dense(draft, draft.node("Gather", [source, last], "held", axis=1), weights, "")

    def _layer(self, draft: Draft, weights: Weights, source: str, nothing: str, number: str) -> str:
        """What the layer holds after each row (n, span, hidden)."""
        from onnx import helper

        def turned(name: str) -> npt.NDArray[Any]:
            """A weight with its gates in the order of the graph, to multiply from the right."""
            gates = weights[name].reshape(4, self.hidden, -1)
            return gates[list(IN_GRAPH)].reshape(4 * self.hidden, -1).T

        fed = draft.node(
            "MatMul", [source, draft.constant(f"w{number}", turned(f"w{number}"), np.float64)], f"x{number}"
        )
        bias = draft.constant(f"b{number}", turned(f"b{number}")[0], np.float64)
        fed = draft.node("Add", [fed, bias], f"fed{number}")
        again = draft.constant(f"r{number}", turned(f"r{number}"), np.float64)
        outputs = [f"{draft.prefix}{name}{number}" for name in ("end", "cell", "every")]
        scan = helper.make_node(
            "Scan",
            [nothing, nothing, fed],
            outputs,
            name=f"{draft.prefix}scan{number}",
            body=self._step(f"{draft.prefix}step{number}_", again, f"{draft.prefix}parts"),
            num_scan_inputs=1,
            scan_input_axes=[1],
            scan_output_axes=[1],
        )
        draft.nodes.append(scan)
        return outputs[2]

    def _step(self, prefix: str, again: str, parts: str) -> Any:
        """One row: from hidden state, cell and what the row feeds into the gates to the next two, and the first again.

        gates = fed + hidden × again; cell' = σ(f) × cell + σ(i) × tanh(g); hidden' = σ(o) × tanh(cell').
        """
        from onnx import TensorProto, helper

        step = Draft(prefix)
        hidden, cell, fed = (prefix + name for name in ("hidden", "cell", "fed"))
        gates = step.node("Add", [fed, step.node("MatMul", [hidden, again], "memory")], "gates")
        split = [prefix + name for name in ("three", "g", "i", "f", "o")]
        step.nodes.append(helper.make_node("Split", [gates, parts], split[:2], axis=1))
        step.nodes.append(helper.make_node("Split", [step.node("Sigmoid", split[:1], "open")], split[2:], axis=1))
        new = step.node("Mul", [split[2], step.node("Tanh", [split[1]], "candidate")], "new")
        cell_now = step.node("Add", [new, step.node("Mul", [split[3], cell], "kept")], "cell_now")
        hidden_now = step.node("Mul", [split[4], step.node("Tanh", [cell_now], "shown")], "hidden_now")
        told = step.node("Identity", [hidden_now], "told")

        def info(name: str, size: int) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, size])

        given = [info(hidden, self.hidden), info(cell, self.hidden), info(fed, 4 * self.hidden)]
        left = [info(name, self.hidden) for name in (hidden_now, cell_now, told)]
        return helper.make_graph(step.nodes, f"{prefix}graph", given, left)


def finished(draft: Draft, source: str) -> Part:
    """The draft as it leaves: margins in float32."""
    from onnx import TensorProto

    return Part(draft.nodes, draft.constants, draft.node("Cast", [source], "margins", to=TensorProto.FLOAT))
