"""The order book against a plain one: every action, growth, events that are not closed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.market.book import LEVELS, MOST_LEVELS, SLOTS, Book
from scalper.market.book_kernel import ADD, CANCEL, CLEAR, EVENT, MODIFY, NOTHING

Record = tuple[int, int, int, int, int, int]
"""action, id, price, size, side, last"""

records = st.lists(
    st.tuples(
        st.sampled_from([ADD, ADD, ADD, CANCEL, CANCEL, MODIFY, NOTHING, CLEAR]),
        st.sampled_from([1, 2, 3, 4, 5, 6, 4096, 8192, 12289, 2**45 + 1]),
        st.integers(90, 110),
        st.integers(1, 6),
        st.sampled_from([-1, 1]),
        st.sampled_from([0, 1, 1, 2]),
    ),
    max_size=80,
)


def array(rows: list[Record]) -> Any:
    return np.array(rows, EVENT) if rows else np.zeros(0, EVENT)


def slowly(rows: list[Record]) -> list[tuple[int, int, int, int] | None]:
    """The top of the book after each record; None inside an event, zeros where a side is empty or in doubt."""
    orders: dict[int, tuple[int, int, int]] = {}
    tops: list[tuple[int, int, int, int] | None] = []
    for action, number, price, size, side, last in rows:
        if action == CLEAR:
            orders.clear()
        elif action in (ADD, MODIFY):
            orders[number] = (side, price, size)
        elif action == CANCEL and number in orders:
            held = orders.pop(number)
            if held[2] > size:
                orders[number] = (held[0], held[1], held[2] - size)
        levels = {want: {p for s, p, _ in orders.values() if s == want} for want in (1, -1)}
        if last == 0:
            tops.append(None)
        elif last == 2 or not levels[1] or not levels[-1]:
            tops.append((0, 0, 0, 0))
        else:
            best = {1: max(levels[1]), -1: min(levels[-1])}
            sizes = [sum(n for s, p, n in orders.values() if (s, p) == (want, best[want])) for want in (1, -1)]
            tops.append((best[1], best[-1], *sizes))
    return tops


def tops(quotes: Any) -> list[tuple[int, int, int, int] | None]:
    shown = [tuple(map(int, one)) for one in quotes]
    return [None if one[2] < 0 else one if one[2] > 0 else (0, 0, 0, 0) for one in shown]


@pytest.mark.kernel
@settings(max_examples=200)
@given(rows=records)
def test_the_book_is_its_definition(rows: list[Record]) -> None:
    assert tops(Book().quotes(array(rows))) == slowly(rows)


@settings(max_examples=100)
@given(rows=records, data=st.data())
def test_any_chunks_give_the_same_quotes(rows: list[Record], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    book = Book()
    parts = [book.quotes(array(rows[:cut])), book.quotes(array(rows[cut:]))]
    assert tops(np.concatenate(parts)) == slowly(rows)


def test_the_book_grows_in_orders_and_in_prices() -> None:
    """More orders than places, prices far outside the first levels, then all but one bid cancelled again."""
    random = np.random.default_rng(1)
    count = 3 * SLOTS
    bids = 50_000 - random.integers(1, 5 * LEVELS, count // 2)
    asks = 50_000 + random.integers(0, 5 * LEVELS, count // 2)
    prices = random.permutation(np.concatenate([bids, asks]))
    ids = random.permutation(np.arange(count) * 2048 + 7)
    adds = [(ADD, int(i), int(p), 2, 1 if p < 50_000 else -1, 1) for i, p in zip(ids, prices, strict=True)]
    book = Book()
    last = book.quotes(array(adds))[-1]
    assert (last["bid"], last["ask"]) == (bids.max(), asks.min())
    assert last["bid_size"] == 2 * np.count_nonzero(prices == bids.max())
    gone = [(CANCEL, number, 0, 2, 1, 1) for _, number, price, *_ in adds if price != bids.min()]
    assert book.quotes(array(gone))[-1]["ask_size"] == 0
    (again,) = tops(book.quotes(array([(ADD, 1, 60_000, 3, -1, 1)])))
    assert again == (int(bids.min()), 60_000, 2 * int(np.count_nonzero(prices == bids.min())), 3)


def test_prices_too_far_apart_are_refused() -> None:
    with pytest.raises(BadInput, match="ticks from another order"):
        Book().quotes(array([(ADD, 1, 100, 1, 1, 1), (ADD, 2, 100 + MOST_LEVELS, 1, -1, 1)]))


def test_an_empty_book_may_begin_anywhere() -> None:
    rows: list[Record] = [
        (ADD, 1, 10**9, 1, 1, 1),
        (CLEAR, 0, 0, 0, 1, 1),
        (ADD, 2, -5, 4, 1, 1),
        (ADD, 3, 5, 6, -1, 1),
    ]
    assert tops(Book().quotes(array(rows)))[-1] == (-5, 5, 4, 6)
