"""Draws of an order: whole sessions with replacement in blocks, or all trades in another order.

Both yield arrays of indices (draws, length), few enough at a time to stay within `MOST` of them; the draws of a seed
are the same however they are split.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

MOST = 250_000
"""Indices held in memory at once (2 MB)."""


def blocks(
    n: int, draws: int, seed: int, *, block: int = 1, length: int | None = None, most: int = MOST
) -> Iterator[NDArray[np.int64]]:
    """Circular block bootstrap (Politis and Romano 1992): runs of `block` neighbours that start anywhere with equal
    chance, the first follows the last; cut to `length` (default n). Every index is drawn equally often on average.

    n > 0 observations; a block of 1 is Efron's bootstrap. Yields (some draws, length).
    """
    length = n if length is None else length
    starts = -(-length // block)
    random = np.random.default_rng(seed)
    rows = max(1, most // max(length, 1))
    for done in range(0, draws, rows):
        first = random.integers(0, n, (min(rows, draws - done), starts))
        yield ((first[:, :, None] + np.arange(block)) % n).reshape(len(first), -1)[:, :length]


def shuffles(n: int, draws: int, seed: int, *, most: int = MOST) -> Iterator[NDArray[np.int64]]:
    """Orders of n things, each as likely as any other: (some draws, n), every row a permutation."""
    random = np.random.default_rng(seed)
    rows = max(1, most // max(n, 1))
    for done in range(0, draws, rows):
        yield random.permuted(np.tile(np.arange(n), (min(rows, draws - done), 1)), axis=1)
