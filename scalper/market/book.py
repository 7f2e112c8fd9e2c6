"""The top of an order book, rebuilt from its orders (market by order)."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from scalper.errors import BadInput
from scalper.market import book_kernel
from scalper.market.book_kernel import ORDER, STATE
from scalper.market.tick_kernel import QUOTE

_kernel = cast(Any, book_kernel)

LEVELS = 1 << 12
MOST_LEVELS = 1 << 22
"""As many ticks as a book may span; prices further apart are damage."""
SLOTS = 1 << 12


class Book:
    """The orders of one contract. A modified or cancelled order that was never seen is added or ignored."""

    def __init__(self) -> None:
        self._state = np.zeros(1, STATE)
        self._state["bid"] = self._state["ask"] = -1
        self._orders = np.zeros(SLOTS, ORDER)
        self._levels = np.zeros((2, LEVELS), np.int64)

    def quotes(self, events: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Take records, dtype EVENT; the top of the book after each, dtype QUOTE (bid_size -1 inside an event).

        Raises BadInput for prices too far apart to lie in one book.
        """
        quotes = np.zeros(len(events), QUOTE)
        done = 0
        while (done := int(_kernel.run(self._state[0], self._orders, self._levels, events, done, quotes))) < len(
            events
        ):
            self._grow(int(events["price"][done]))
        return quotes

    def _grow(self, price: int) -> None:
        """Make room for more orders, and for a price."""
        state = self._state[0]
        if 2 * int(state["orders"]) >= len(self._orders):
            held, self._orders = self._orders, np.zeros(2 * len(self._orders), ORDER)
            _kernel.rehash(held, self._orders)
        base, width = int(state["base"]), self._levels.shape[1]
        if base <= price < base + width:
            return
        if int(state["orders"]) == 0:
            low, high = price, price + 1
        else:
            low, high = min(base, price), max(base + width, price + 1)
        width = max(LEVELS, 1 << (2 * (high - low) - 1).bit_length())
        if width > MOST_LEVELS:
            raise BadInput(f"an order at {price} ticks lies {high - low} ticks from another order of the book")
        self._move(low - (width - (high - low)) // 2, width)

    def _move(self, base: int, width: int) -> None:
        """Lay the levels anew from `base` on."""
        state, old = self._state[0], self._levels
        self._levels = np.zeros((2, width), np.int64)
        shift = int(state["base"]) - base
        used = np.flatnonzero(old.any(axis=0))
        self._levels[:, used + shift] = old[:, used]
        for side in ("bid", "ask"):
            state[side] += shift if state[side] >= 0 else 0
        state["base"] = base
