"""From what was learned to one ONNX graph with its papers inside, proven against the libraries that learned it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from scalper.errors import Refused
from scalper.learn.calibration import CLASSES, Calibration
from scalper.learn.ensemble import Ensemble
from scalper.learn.moves import Moves
from scalper.learn.runtime import FEATURES, MOVES, PROBABILITIES, open_session

Matrix = npt.NDArray[np.float32]
OPSET = 15
PARITY = 1e-6
"""Largest difference of a probability between the ONNX graph and the libraries with numpy; of a move, relative to 1."""
EXTREME = 3.0e38
LAST = "last_row"


def to_onnx(
    ensemble: Ensemble, calibration: Calibration, moves: Moves | None, metadata: Mapping[str, str], width: int
) -> bytes:
    """The graph as bytes: input `features` (n, f) float32, or (n, span, f) for a memory; output `probabilities` (n, 3)
    float32, calibrated, and `moves` (n, 2) if there are any (see Moves.raw).

    Converters know features f0..fN only: names belong into `metadata`, which lands in the model's metadata_props. The
    same arguments give the same bytes.
    """
    from onnx import TensorProto, helper

    shape = [None, width] if ensemble.span == 1 else [None, ensemble.span, width]
    parts = [margins := ensemble.graph("m", FEATURES), calibration.graph("c_", margins.output)]
    ends = {parts[1].output: (PROBABILITIES, CLASSES)}
    if moves is not None:
        parts.append(found := moves.graph("v_", FEATURES if ensemble.span == 1 else LAST))
        ends[found.output] = (MOVES, 2)
    nodes: list[Any] = [node for part in parts for node in part.nodes]
    constants: list[Any] = [one for part in parts for one in part.constants]
    if moves is not None and ensemble.span > 1:
        constants.append(helper.make_tensor("last_index", TensorProto.INT64, [], [ensemble.span - 1]))
        nodes.insert(0, helper.make_node("Gather", [FEATURES, "last_index"], [LAST], axis=1))
    for node in nodes:
        node.output[:] = [ends[name][0] if name in ends else name for name in node.output]
    graph = helper.make_graph(
        nodes,
        "scalper",
        [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size]) for name, size in ends.values()],
        constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 1)]
    model = helper.make_model(graph, producer_name="scalper", opset_imports=opsets, ir_version=8)
    helper.set_model_props(model, dict(sorted(metadata.items())))
    return model.SerializeToString(deterministic=True)


def reference(ensemble: Ensemble, calibration: Calibration, x: Matrix) -> Matrix:
    """Probabilities (n, 3) by the libraries that learned and numpy: what the ONNX graph has to repeat."""
    return calibration.apply(ensemble.raw(x))


def odd_rows(x: Matrix) -> Matrix:
    """Rows as no market makes them: all missing, all zero, all at either end of float32, every other value missing."""
    odd = np.zeros((5, *x.shape[1:]), np.float32)
    odd[0], odd[1], odd[2] = np.nan, EXTREME, -EXTREME
    odd[3] = x[0] if len(x) else 0
    odd[3, ..., ::2] = np.nan
    return odd


def parity(onnx: bytes, ensemble: Ensemble, calibration: Calibration, moves: Moves | None, x: Matrix) -> float:
    """Largest difference of a number between the graph and the libraries, on rows x and on odd ones made of them."""
    rows = np.concatenate([x, odd_rows(x)])
    names = [PROBABILITIES] + ([] if moves is None else [MOVES])
    got = open_session(onnx).run(names, {FEATURES: rows})
    worst = float(np.abs(got[0].astype(np.float64) - reference(ensemble, calibration, rows)).max())
    if moves is not None:
        wanted = moves.raw(rows if ensemble.span == 1 else rows[:, -1]).astype(np.float64)
        worst = max(worst, float((np.abs(got[1] - wanted) / (1 + np.abs(wanted))).max()))
    return worst


def prove(onnx: bytes, ensemble: Ensemble, calibration: Calibration, moves: Moves | None, x: Matrix) -> float:
    """The parity; raises Refused when it is not below PARITY, for such a model may not leave."""
    worst = parity(onnx, ensemble, calibration, moves, x)
    if not worst < PARITY:
        raise Refused(
            f"the ONNX graph differs from what was learned by up to {worst:.2g}, {PARITY:g} is allowed; the versions "
            "of xgboost and onnxmltools do not fit (install those of requirements.lock), or the graph of an estimator "
            "of your own does not repeat its `raw`"
        )
    return worst
