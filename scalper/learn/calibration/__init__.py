"""Calibration of class probabilities on later sessions than a model was trained on.

`fit(kind, …)` gives one of three kinds: vector scaling, isotonic regression, Venn-Abers predictors.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scalper.learn.calibration.base import CLASSES, FLAT, Calibration, Kind, Matrix, softmax
from scalper.learn.calibration.table import Isotonic, Table, VennAbers
from scalper.learn.calibration.vector import Vector

KINDS: dict[Kind, type[Vector | Table]] = {"vector": Vector, "isotonic": Isotonic, "venn_abers": VennAbers}


def fit(kind: Kind, margin: Matrix, label: npt.NDArray[np.int8]) -> Calibration:
    """The calibration of that kind on raw margins (n, 3) and labels (n,) in 0..2; no rows: nothing is learned."""
    return KINDS[kind].fit(margin, label)


__all__ = [
    "CLASSES",
    "FLAT",
    "Calibration",
    "Isotonic",
    "Kind",
    "Matrix",
    "Table",
    "Vector",
    "VennAbers",
    "fit",
    "softmax",
]
