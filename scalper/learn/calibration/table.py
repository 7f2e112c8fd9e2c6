"""Calibration by a rising curve a class over what vector scaling says: isotonic regression, Venn-Abers predictors."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from scalper.learn.calibration.base import CLASSES, Array, Calibration, Kind, Matrix, softmax
from scalper.learn.calibration.isotonic import held, isotonic, venn_abers
from scalper.learn.calibration.vector import Vector
from scalper.learn.estimators.base import Part

CELLS = 64
"""The curves have a corner at each multiple of 1 / CELLS; rows count at the nearest one."""
STEEPEST = 4.0
"""Largest slope of a curve: what bounds how a difference in the last bit of a margin can grow."""
LEAST = 1e-4
"""No class is less probable than this, before the three are brought to a sum of 1."""
SHARE = 0.5
"""A curve never says less than this share of what vector scaling says, so that the three never sum to less."""
PULL = 8.0
"""Rows a corner that pull an isotonic curve to what vector scaling says: they decide where rows are few."""


@dataclass(frozen=True, slots=True, eq=False)
class Table(Calibration):
    """Vector scaling, then a curve a class, then a sum of 1.

    heights (3, CELLS + 1) of the curves at 0, 1 / CELLS, …, 1; straight lines between. A probability moves by at most
    STEEPEST / SHARE × scale times a difference of the margins.
    """

    vector: Vector
    heights: Matrix

    @staticmethod
    @abstractmethod
    def curve(rows: Array, hits: Array) -> Array:
        """Heights (CELLS + 1,) that never fall, from the rows at each corner and the hits among them."""

    @classmethod
    def fit(cls, margin: Matrix, label: npt.NDArray[np.int8]) -> Self:
        """One-vs-rest on raw margins (n, 3) and labels (n,) in 0..2: rows and hits are counted at the corners."""
        vector = Vector.fit(margin, label)
        corner = np.rint(_shares(vector, margin) * CELLS).astype(np.int64)
        line = np.arange(CELLS + 1) / CELLS
        heights = np.zeros((CLASSES, CELLS + 1))
        for one in range(CLASSES):
            rows = np.bincount(corner[:, one], minlength=CELLS + 1).astype(np.float64)
            hits = np.bincount(corner[label == one, one], minlength=CELLS + 1).astype(np.float64)
            heights[one] = np.maximum(held(cls.curve(rows, hits), STEEPEST / CELLS), SHARE * line)
        heights = np.clip(heights, LEAST, 1 - LEAST).astype(np.float32)
        return cls(vector, np.maximum.accumulate(heights, axis=1))  # whatever the last bits of a sum say

    def apply(self, margin: Matrix) -> Matrix:
        # the graph does the same in this order: what may differ is the last bit of its softmax
        place = _shares(self.vector, margin) * np.float32(CELLS)
        cell = np.floor(place)
        at = (cell + _starts()).astype(np.int64)
        height = np.add(self.heights.ravel()[at], self._rises()[at] * (place - cell), dtype=np.float32)
        return np.divide(height, height[:, :1] + height[:, 1:2] + height[:, 2:], dtype=np.float32)

    def _rises(self) -> Matrix:
        """What each curve gains to the next corner, flat: 0 behind the last."""
        return np.diff(self.heights, axis=1, append=self.heights[:, -1:]).ravel()

    def graph(self, prefix: str, source: str) -> Part:
        from onnx import TensorProto, helper

        shares = self.vector.graph(f"{prefix}vector_", source)
        steps: list[tuple[str, list[str], list[str]]] = [
            ("Mul", ["shares", "cells"], ["place"]),
            ("Floor", ["place"], ["cell"]),
            ("Sub", ["place", "cell"], ["rest"]),
            ("Add", ["cell", "starts"], ["index"]),
            ("Cast", ["index"], ["at"]),
            ("Gather", ["heights", "at"], ["corner"]),
            ("Gather", ["rises", "at"], ["rise"]),
            ("Mul", ["rise", "rest"], ["more"]),
            ("Add", ["corner", "more"], ["height"]),
            ("Split", ["height"], ["down", "flat", "up"]),
            ("Add", ["down", "flat"], ["both"]),
            ("Add", ["both", "up"], ["sum"]),
            ("Div", ["height", "sum"], ["probabilities"]),
        ]
        options: dict[str, dict[str, Any]] = {"Cast": {"to": TensorProto.INT64}, "Split": {"axis": 1}}

        def named(names: list[str]) -> list[str]:
            return [shares.output if name == "shares" else prefix + name for name in names]

        nodes = [helper.make_node(op, named(read), named(give), **options.get(op, {})) for op, read, give in steps]
        values = {"cells": [CELLS], "starts": _starts(), "heights": self.heights.ravel(), "rises": self._rises()}
        constants = [helper.make_tensor(prefix + name, TensorProto.FLOAT, [len(v)], v) for name, v in values.items()]
        return Part([*shares.nodes, *nodes], [*shares.constants, *constants], f"{prefix}probabilities")

    def papers(self) -> dict[str, Any]:
        """Kind, the vector scaling below, and the curves at every eighth."""
        eighths = self.heights[:, :: CELLS // 8].astype(np.float64).round(6)
        return self.vector.papers() | {"kind": self.kind, "curves": eighths.tolist()}


class Isotonic(Table):
    """Isotonic regression (Zadrozny & Elkan 2002), pulled towards what vector scaling says (see PULL)."""

    kind: ClassVar[Kind] = "isotonic"

    @staticmethod
    def curve(rows: Array, hits: Array) -> Array:
        return isotonic(rows + PULL, hits + PULL * np.arange(len(rows)) / (len(rows) - 1))


class VennAbers(Table):
    """Venn-Abers predictors (Vovk et al. 2015), p1 / (1 - p0 + p1); corners without rows lie between those with."""

    kind: ClassVar[Kind] = "venn_abers"

    @staticmethod
    def curve(rows: Array, hits: Array) -> Array:
        low, high = venn_abers(rows, hits)
        seen = np.flatnonzero(rows) if rows.any() else np.arange(len(rows))
        return np.interp(np.arange(len(rows)), seen, (high / (1 - low + high))[seen])


def _shares(vector: Vector, margin: Matrix) -> Matrix:
    """Probabilities (n, 3) by vector scaling as near as float32 comes: half as far from the graph's as numpy's own."""
    return softmax(vector.scaled(margin).astype(np.float64)).astype(np.float32)


def _starts() -> Matrix:
    """Where each class's curve begins in the flat tables."""
    return np.arange(CLASSES, dtype=np.float32) * np.float32(CELLS + 1)
