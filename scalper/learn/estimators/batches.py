"""Rows for a network: standardised by one pass, then in shuffled batches, a session at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scalper.errors import BadInput
from scalper.learn.dataset import Dataset
from scalper.learn.estimators.base import Matrix, Target
from scalper.learn.estimators.layers import Scaling
from scalper.learn.feed import Feed


def blocks(target: Target, feed: Feed, span: int) -> Iterator[Dataset]:
    """The rows of each session that have the target, x (n, f) or (n, span, f); sessions without any are left out."""
    for x, rows in feed.sequences(span):
        found = target.usable(replace(rows, x=x))
        if len(found):
            yield found


@dataclass(frozen=True, slots=True)
class Rows:
    """What is learned from: x (n, f) or (n, span, f), the target (n,), and what each row counts (n,)."""

    x: Matrix
    wanted: npt.NDArray[Any]
    weight: Matrix

    @classmethod
    def of(cls, target: Target, block: Dataset, watched: bool = False) -> Rows:
        weight = target.weight(block, watched)
        return cls(block.x, target.of(block), np.ones(len(block), np.float32) if weight is None else weight)

    def __len__(self) -> int:
        return len(self.wanted)

    def __getitem__(self, chosen: Any) -> Rows:
        return Rows(self.x[chosen], self.wanted[chosen], self.weight[chosen])

    @classmethod
    def joined(cls, parts: list[Rows]) -> Rows:
        columns = ("x", "wanted", "weight")
        return cls(*(np.concatenate([getattr(one, name) for one in parts]) for name in columns))


def look(target: Target, learn: Feed) -> tuple[Scaling, Matrix]:
    """One pass before the first epoch: mean and spread of each feature, and the bias of the last layer that tells what
    is usual: the logarithm of the classes' shares, each with a row more than it has, or the mean of a move.

    Means and squares are merged block by block (Chan, Golub and LeVeque 1979): nothing cancels.
    """
    count, mean, squares = (np.zeros(len(learn.names)) for _ in range(3))
    total, weight = np.zeros(target.outputs), 0.0
    for block in blocks(target, learn, 1):
        x = block.x.astype(np.float64)
        here = np.isfinite(x)
        told = here.sum(axis=0)
        middle = np.where(here, x, 0).sum(axis=0) / np.maximum(told, 1)
        both, away = count + told, middle - mean
        squares += np.where(here, (x - middle) ** 2, 0).sum(axis=0) + away**2 * count * told / np.maximum(both, 1)
        mean += away * told / np.maximum(both, 1)
        count = both
        rows = Rows.of(target, block)
        if target.kind == "classes":
            total += np.bincount(rows.wanted, weights=rows.weight, minlength=target.outputs)
        else:
            total += float((rows.weight * rows.wanted).sum(dtype=np.float64))
        weight += float(rows.weight.sum(dtype=np.float64))
    if not weight > 0:
        raise BadInput(f"{learn.where}: no row has the target {target.kind!r}; lengthen the window")
    shares = np.log((total + 1) / (total + 1).sum()) if target.kind == "classes" else total / weight
    return Scaling.of(mean, squares / np.maximum(count, 1)), shares.astype(np.float32)


def batches(target: Target, learn: Feed, span: int, size: int, draw: np.random.Generator) -> Iterator[Rows]:
    """Every row once: the sessions in a drawn order, the rows of as many as fill a batch shuffled together.

    A rest of less than half a batch waits for another epoch, unless it is all there is.
    """
    waiting, some = list[Rows](), False
    sessions: list[int] = draw.permutation(len(learn.dates)).tolist()
    for index in sessions:
        for block in blocks(target, learn.between([learn.dates[index]]), span):
            waiting.append(Rows.of(target, block))
            if (count := sum(len(one) for one in waiting)) < size:
                continue
            mixed, order, full = Rows.joined(waiting), draw.permutation(count), count - count % size
            for start in range(0, full, size):
                yield mixed[order[start : start + size]]
            waiting, some = [mixed[order[full:]]], True
    rest = sum(len(one) for one in waiting)
    if rest and (not some or 2 * rest >= size):
        yield Rows.joined(waiting)[draw.permutation(rest)]
