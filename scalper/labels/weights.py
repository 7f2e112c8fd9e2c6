# pyright: basic
"""Average uniqueness: how much of a label's life it has to itself.

López de Prado, Advances in Financial Machine Learning (2018), chapters 4.3 and 4.4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalper.compiled import kernel


@kernel
def uniqueness(begin: Any, end: Any, size: int, weight: Any) -> None:
    """weight (m,): the mean of 1/c over the bars begin < t ≤ end of each label, c the labels alive at t.

    begin, end (m,) bars in 0..size - 1; a row with end ≤ begin is no label and weighs 0. O(m + size): labels that
    start and end at each bar are counted, the sum of 1/c runs along, and a label takes the difference of its ends.
    """
    change = np.zeros(size + 1, np.int64)
    for r in range(begin.size):
        if end[r] > begin[r]:
            change[begin[r] + 1] += 1
            change[end[r] + 1] -= 1
    total = np.zeros(size, np.float64)
    alive = change[0]
    for t in range(1, size):
        alive += change[t]
        total[t] = total[t - 1] + (1.0 / alive if alive > 0 else 0.0)
    for r in range(begin.size):
        weight[r] = (total[end[r]] - total[begin[r]]) / (end[r] - begin[r]) if end[r] > begin[r] else 0.0
