"""From a trained booster and its calibration to one ONNX graph with its papers inside, proven against XGBoost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scalper.errors import Refused
from scalper.learn.calibrate import CLASSES, Calibration
from scalper.learn.runtime import FEATURES, PROBABILITIES, open_session

if TYPE_CHECKING:
    import xgboost

Matrix = npt.NDArray[np.float32]
OPSET = 15
PARITY = 1e-6
"""Largest difference of a probability between the ONNX graph and XGBoost with numpy."""
EXTREME = 3.0e38


def to_onnx(booster: xgboost.Booster, calibration: Calibration, metadata: Mapping[str, str]) -> bytes:
    """The graph as bytes: input `features` (n, f) float32, output `probabilities` (n, 3) float32, calibrated.

    The trees give raw margins; then Mul, Add and Softmax, which treat each row by itself, so a row's result does not
    depend on the rows beside it. Converters know features f0..fN only: names belong into `metadata`, which lands in
    the model's metadata_props. The same arguments give the same bytes.
    """
    from onnx import TensorProto, helper
    from onnxmltools.convert import convert_xgboost  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
    from onnxmltools.convert.common.data_types import (  # pyright: ignore[reportMissingTypeStubs]
        FloatTensorType,  # pyright: ignore[reportUnknownVariableType]
    )

    bare = booster.copy()
    bare.feature_names = None
    bare.feature_types = None
    width = bare.num_features()
    entry: Any = FloatTensorType([None, width])  # pyright: ignore[reportUnknownVariableType]
    converted: Any = convert_xgboost(bare, "trees", [(FEATURES, entry)], target_opset=OPSET)
    trees = converted.graph.node[0]
    for attribute in trees.attribute:
        if attribute.name == "post_transform":
            attribute.s = b"NONE"
    trees.output[:] = ["label", "margins"]
    nodes = [
        trees,
        helper.make_node("Mul", ["margins", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["shifted"]),
        helper.make_node("Softmax", ["shifted"], [PROBABILITIES], axis=1),
    ]
    constants = [
        helper.make_tensor("scale", TensorProto.FLOAT, [1], [calibration.scale]),
        helper.make_tensor("bias", TensorProto.FLOAT, [CLASSES], list(calibration.bias)),
    ]
    graph = helper.make_graph(
        nodes,
        "scalper",
        [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, [None, CLASSES])],
        constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 1)]
    model = helper.make_model(graph, producer_name="scalper", opset_imports=opsets, ir_version=8)
    helper.set_model_props(model, dict(sorted(metadata.items())))
    return model.SerializeToString(deterministic=True)


def reference(booster: xgboost.Booster, calibration: Calibration, x: Matrix) -> Matrix:
    """Probabilities (n, 3) by XGBoost's own trees and numpy: what the ONNX graph has to repeat."""
    return calibration.apply(margins(booster, x))


def margins(booster: xgboost.Booster, x: Matrix, threads: int = 1) -> Matrix:
    """Raw margins (n, 3) of x (n, f); NaN is missing, infinity is not allowed."""
    import xgboost

    found: Any = booster.predict(xgboost.DMatrix(x, nthread=threads), output_margin=True)
    return np.asarray(found, np.float32).reshape(len(x), CLASSES)


def parity(onnx: bytes, booster: xgboost.Booster, calibration: Calibration, x: Matrix) -> float:
    """Largest difference of a probability between the graph and XGBoost, on rows x (n, f) and on odd ones made of them.

    Odd rows: all missing, every other value missing, all zero, all at either end of float32.
    """
    width = x.shape[1]
    odd = np.zeros((5, width), np.float32)
    odd[0], odd[1], odd[2] = np.nan, EXTREME, -EXTREME
    odd[3] = x[0] if len(x) else 0
    odd[3, ::2] = np.nan
    rows = np.concatenate([x, odd])
    got = open_session(onnx).run([PROBABILITIES], {FEATURES: rows})[0]
    return float(np.abs(got.astype(np.float64) - reference(booster, calibration, rows)).max())


def prove(onnx: bytes, booster: xgboost.Booster, calibration: Calibration, x: Matrix) -> float:
    """The parity; raises Refused when it is not below PARITY, for such a model may not leave."""
    worst = parity(onnx, booster, calibration, x)
    if not worst < PARITY:
        raise Refused(
            f"the ONNX graph differs from XGBoost by up to {worst:.2g} in a probability, {PARITY:g} is allowed; "
            "the versions of xgboost and onnxmltools do not fit: install those of requirements.lock"
        )
    return worst
