"""Who a session is compared with, and the figures that a slow hand count gives."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.lake.quality.measures import longest_still, moves, stands_out
from scalper.lake.quality.neighbours import NEIGHBOURS, REACH, neighbours
from scalper.lake.quality.verdicts import QualityReport, SessionVerdict
from tests.lake.support import a_session

FIRST = date(2020, 1, 1)
steps = st.sampled_from([1, 1, 1, 1, 3, 4, 60])  # weekdays, weekends, holes
held = st.lists(steps, min_size=1, max_size=100).map(
    lambda found: [FIRST + timedelta(days=int(day)) for day in np.cumsum(found)]
)


@settings(max_examples=200)
@given(held=held, at=st.integers(0, 150), cut=st.integers(0, 300))
def test_neighbours_are_near_and_never_the_session_itself(held: list[date], at: int, cut: int) -> None:
    day, end = FIRST + timedelta(days=at), FIRST + timedelta(days=max(at, cut))
    found = neighbours(held, day)
    assert len(found) <= NEIGHBOURS and len(set(found)) == len(found)
    assert day not in found and set(found) <= set(held)
    assert all(abs(one - day) <= REACH for one in found)
    near = [one for one in held if one < day and day - one <= REACH]
    assert [one for one in found if one < day] == near[-NEIGHBOURS:]
    if len(near) >= NEIGHBOURS:  # nothing later is looked at, so nothing later changes the verdict
        assert found == neighbours([one for one in held if one <= end], day)
    else:
        later = [one for one in held if one > day and one - day <= REACH]
        assert found[len(near) :] == later[: NEIGHBOURS - len(near)]


prices = st.lists(st.integers(0, 3), min_size=4, max_size=4).map(lambda p: (p[0], max(p), min(p), p[3]))


@settings(max_examples=200)
@given(bars=st.lists(prices, min_size=2, max_size=30), gaps=st.lists(st.integers(1, 40), min_size=30, max_size=30))
def test_stale_and_wild_by_hand(bars: list[tuple[int, ...]], gaps: list[int]) -> None:
    one = a_session()
    minutes = np.cumsum(gaps[: len(bars)])
    ts = one.regular_open_ns + minutes * 60_000_000_000
    inside = ts < one.regular_close_ns
    moving = [True]
    for before, bar in pairwise(bars):
        moving.append(not (bar == before or bar[1] == bar[2] == before[3]))
    table = np.array(bars, np.float64)
    assert moves(table).tolist() == moving
    marked = ts[inside & np.array(moving)]
    quiet = np.ones(390, np.bool_)
    for start in ((marked - one.regular_open_ns) // 60_000_000_000).tolist():
        quiet[start] = False
    runs = "".join("q" if still else " " for still in quiet).split()
    assert longest_still(marked, one, 60_000_000_000) == max(map(len, runs), default=0)
    reach = [0]
    for i in range(len(bars)):
        beside = [bars[j] for j in (i - 1, i + 1) if 0 <= j < len(bars)]
        reach += [bars[i][1] - max(b[1] for b in beside), min(b[2] for b in beside) - bars[i][2]]
    assert stands_out(table[:, 1], table[:, 2]) == max(reach)


def _report(days: list[int], word: str) -> QualityReport:
    verdict = SessionVerdict({}, {"missing": 0.0}, word)
    return QualityReport({"roll": "monday"}, {FIRST + timedelta(days=day): verdict for day in sorted(days)})


@settings(max_examples=200)
@given(old=st.sets(st.integers(0, 50)), new=st.sets(st.integers(0, 50)))
def test_merging_forgets_nothing(old: set[int], new: set[int]) -> None:
    whole = _report(list(old), "old").merged(_report(list(new), "new"))
    assert list(whole.sessions) == sorted(FIRST + timedelta(days=day) for day in old | new)
    for day, one in whole.sessions.items():
        assert one.made_of == ("new" if (day - FIRST).days in new else "old")


def test_a_wild_print_is_no_news() -> None:
    """News moves prices and leaves them there; a wild print is alone."""
    news, wild = pl.Series([10.0, 10, 60, 60, 60]), pl.Series([10.0, 10, 60, 10, 10])
    assert stands_out(news.to_numpy() + 1, news.to_numpy()) == 0
    assert stands_out(wild.to_numpy() + 1, wild.to_numpy()) == 50
