"""What XGBoost has learned: its own margins, the same as nodes of ONNX, and what mattered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scalper.learn.estimators.base import Fitted, Matrix, Part

if TYPE_CHECKING:
    import xgboost


class Trees(Fitted):
    """A booster cut to its best round, and what is added to its margins."""

    def __init__(
        self, booster: xgboost.Booster, shift: float, outputs: int, curves: Mapping[str, list[float]], threads: int
    ) -> None:
        self.booster = booster
        self._shift, self._outputs, self._curves, self._threads = shift, outputs, curves, threads

    @property
    def rounds(self) -> int:
        return self.booster.num_boosted_rounds()

    @property
    def curves(self) -> Mapping[str, list[float]]:
        return self._curves

    def raw(self, x: Matrix) -> Matrix:
        return self._predict(x, output_margin=True).reshape(len(x), self._outputs) + np.float32(self._shift)

    def graph(self, prefix: str, source: str) -> Part:
        """One node of trees; for a move the mean is added by another, as `raw` does."""
        from onnx import TensorProto, helper
        from onnxmltools.convert import (  # pyright: ignore[reportMissingTypeStubs]
            convert_xgboost,  # pyright: ignore[reportUnknownVariableType]
        )
        from onnxmltools.convert.common.data_types import (  # pyright: ignore[reportMissingTypeStubs]
            FloatTensorType,  # pyright: ignore[reportUnknownVariableType]
        )

        bare = self.booster.copy()
        bare.feature_names = None  # the converter knows f0..fN only
        bare.feature_types = None
        entry: Any = FloatTensorType([None, bare.num_features()])  # pyright: ignore[reportUnknownVariableType]
        converted: Any = convert_xgboost(bare, "trees", [("x", entry)], target_opset=15)
        trees = converted.graph.node[0]
        for attribute in trees.attribute:
            if attribute.name == "post_transform":
                attribute.s = b"NONE"
        trees.name, trees.input[:] = f"{prefix}trees", [source]
        if self._outputs > 1:
            trees.output[:] = [f"{prefix}label", f"{prefix}margins"]
            return Part([trees], [], f"{prefix}margins")
        trees.output[:] = [f"{prefix}rest"]
        add = helper.make_node("Add", [f"{prefix}rest", f"{prefix}mean"], [f"{prefix}move"], name=f"{prefix}shift")
        mean = helper.make_tensor(f"{prefix}mean", TensorProto.FLOAT, [1], [self._shift])
        return Part([trees, add], [mean], f"{prefix}move")

    def importance(self, x: Matrix) -> dict[str, npt.NDArray[np.float64]]:
        """gain: mean gain of a feature's splits; shap: mean |contribution to a margin| over rows x and margins."""
        width = self.booster.num_features()
        gain = np.zeros(width)
        found: dict[str, Any] = self.booster.get_score(importance_type="gain")
        for name, value in found.items():
            gain[int(name.removeprefix("f"))] = value
        given = self._predict(x, pred_contribs=True).reshape(-1, width + 1)[:, :width]
        return {"gain": gain, "shap": np.abs(given).mean(axis=0, dtype=np.float64)}

    def _predict(self, x: Matrix, **how: bool) -> Matrix:
        import xgboost

        found: Any = self.booster.predict(xgboost.DMatrix(x, nthread=self._threads), **how)
        return np.asarray(found, np.float32)
