"""Combinatorial purged cross-validation: the rules of its module, and agreement with purgedcv."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.learn import Dataset
from scalper.learn.combinatorial import Combinatorial, Split, combinatorial, purged
from scalper.settings import FoldSettings

HUNDRED = settings(max_examples=100)
DAY, MINUTE = 86_400_000_000_000, 60_000_000_000
FIRST = date(2026, 1, 5)
SIZES = st.tuples(st.integers(2, 7), st.integers(1, 6)).filter(lambda one: one[1] < one[0])
"""Groups, and how many of them are tested."""


def days_of(count: int) -> tuple[date, ...]:
    return tuple(FIRST + timedelta(days=index) for index in range(count))


def fold_settings(gap: int = 1, holdout: int = 0) -> FoldSettings:
    return FoldSettings(unit="sessions", embargo_sessions=gap, holdout_sessions=holdout)


def rows_of(days: tuple[date, ...], counts: list[int], lengths: list[int]) -> Dataset:
    """`counts[i]` rows in session i, an hour apart from midnight; their labels take `lengths` minutes, cyclically."""
    session = np.repeat(np.arange(len(days), dtype=np.int32), counts)
    hour = np.concatenate([np.arange(count) for count in counts])
    start = session.astype(np.int64) * DAY + hour * 60 * MINUTE
    n = len(session)
    end = start + np.resize(np.array(lengths, np.int64), n) * MINUTE
    ones, kinds = np.ones(n, np.float32), np.ones(n, np.int8)
    return Dataset(ones[:, None], kinds, kinds, ones, ones, ones, start, end, session, days, ("x",))


def cut(days: tuple[date, ...], sizes: tuple[int, int], gap: int, holdout: int = 0) -> Combinatorial:
    """The splits, where every one of them has something to train on."""
    try:
        return combinatorial(days, fold_settings(gap, holdout), groups=sizes[0], tested=sizes[1])
    except BadInput as refusal:
        assert "session" in str(refusal) and "group" in str(refusal)
        assume(False)
        raise


@HUNDRED
@given(count=st.integers(2, 120), sizes=SIZES, gap=st.integers(1, 4), holdout=st.integers(0, 20))
def test_groups_splits_and_paths(count: int, sizes: tuple[int, int], gap: int, holdout: int) -> None:
    days = days_of(count)
    made = cut(days, sizes, gap, holdout)
    groups, tested = sizes
    usable = days[: count - holdout - gap] if holdout else days
    assert made.sessions == usable
    assert max(map(len, made.groups)) - min(map(len, made.groups)) <= 1
    assert len(made.splits) == comb(groups, tested) == len({split.groups for split in made.splits})
    assert len(made.paths) * groups == comb(groups, tested) * tested
    place = {day: index for index, day in enumerate(days)}
    for split in made.splits:
        assert split.tests == tuple(made.groups[group] for group in split.groups)
        shut = {day for days in split.tests for day in days}
        behind = {place[days[-1]] + step for days in split.tests for step in range(1, gap + 1)}
        assert split.train == tuple(day for day in usable if day not in shut and place[day] not in behind)
    used = Counter((at, group) for path in made.paths for group, at in enumerate(path))
    assert set(used.values()) == {1}
    assert set(used) == {(at, group) for at, split in enumerate(made.splits) for group in split.groups}
    found = made.assemble([[(split.number, group) for group in split.groups] for split in made.splits])
    assert [[number - 1 for number, _ in path] for path in found] == [list(path) for path in made.paths]
    assert all([group for _, group in path] == list(range(groups)) for path in found)


@HUNDRED
@given(
    counts=st.lists(st.integers(0, 4), min_size=6, max_size=24),
    lengths=st.lists(st.integers(0, 3 * 1440), min_size=1, max_size=30),
    sizes=SIZES,
    gap=st.integers(1, 3),
    behind=st.integers(0, 3),
)
def test_a_trained_row_ends_before_or_starts_after_a_tested_span_and_its_embargo(
    counts: list[int], lengths: list[int], sizes: tuple[int, int], gap: int, behind: int
) -> None:
    """Row by row and span by span, with labels of up to three days; sessions may be without rows."""
    days = days_of(len(counts))
    made = cut(days, sizes, gap, behind)
    data = rows_of(days, counts, lengths)
    place, usable = data.session, len(made.sessions)
    for split in made.splits:
        train, tests = made.rows(split, data)
        expected = np.isin(place, [days.index(day) for day in split.train])
        for test, tested in zip(tests, split.tests, strict=True):
            assert test.tolist() == [days[session] in tested for session in place]
            if not test.any():
                continue
            first, last = data.ts_ns[test].min(), max(data.end_ns[test].max(), data.ts_ns[test].max() + 1)
            reached = max(session for session, start in zip(place, data.ts_ns, strict=True) if start < last)
            for row in range(len(data)):
                before = data.end_ns[row] <= first and data.ts_ns[row] < first
                after = data.ts_ns[row] >= last and place[row] > min(reached, usable - 1) + gap
                expected[row] &= before or after
        assert train.tolist() == expected.tolist()
        assert not train[place >= usable].any()


def test_labels_that_cross_are_purged_on_both_sides() -> None:
    """Four groups of two sessions, the second tested: sessions 2 and 3, then an embargo of one."""
    made = combinatorial(days_of(8), fold_settings(), groups=4, tested=1)
    split = made.splits[1]
    data = rows_of(days_of(8), [2] * 8, [30])

    def trained(row: int, days: float) -> list[int]:
        """The sessions of the rows trained on, with the label of one row so long."""
        ends = data.end_ns.copy()
        ends[row] = data.ts_ns[row] + int(days * DAY)
        train, _ = made.rows(split, replace(data, end_ns=ends))
        return data.session[train].tolist()

    assert split.train == tuple(days_of(8)[index] for index in (0, 1, 5, 6, 7))
    assert trained(0, 0.5) == [0, 0, 1, 1, 5, 5, 6, 6, 7, 7]
    assert trained(0, 2.0) == [0, 0, 1, 1, 5, 5, 6, 6, 7, 7]  # known when the group begins, not later
    assert trained(0, 2.1) == [0, 1, 1, 5, 5, 6, 6, 7, 7]  # spans session 1 and ends in the group
    assert trained(0, 6.5) == [0, 1, 1, 5, 5, 6, 6, 7, 7]  # spans the group and its embargo
    assert trained(7, 1.5) == [0, 0, 1, 1, 6, 6, 7, 7]  # a tested label ends in session 4: the embargo is session 5
    assert trained(7, 2.5) == [0, 0, 1, 1, 7, 7]
    assert trained(7, 9.0) == [0, 0, 1, 1]
    assert trained(10, 2.5) == [0, 0, 1, 1, 5, 5, 6, 6, 7, 7]  # behind the group a long label does no harm


def test_rows_are_taken_of_the_sessions_before_the_holdout_only() -> None:
    made = combinatorial(days_of(9), fold_settings(holdout=2), groups=3, tested=1)
    data = rows_of(days_of(9), [1] * 9, [30])
    assert [made.rows(split, data)[0].tolist() for split in made.splits] == [
        [False, False, False, True, True, True, False, False, False],
        [True, True, False, False, False, True, False, False, False],
        [True, True, True, True, False, False, False, False, False],
    ]
    some = rows_of(days_of(6)[2:], [1] * 4, [30])
    train, tests = made.rows(made.splits[1], some)
    assert (train.tolist(), tests[0].tolist()) == ([False, False, False, True], [True, True, False, False])
    with pytest.raises(BadInput, match="split_01: tested session 2026-01-05 is not among the rows"):
        made.rows(made.splits[0], some)


@pytest.mark.parametrize(
    ("count", "groups", "tested", "words"),
    [
        (60, 6, 0, "0 of 6 groups cannot be tested"),
        (60, 6, 6, "6 of 6 groups cannot be tested"),
        (60, 14, 7, "3,432 splits, more than 1,000"),
        (21, 6, 2, "6 groups need as many sessions; 0 of 21"),
        (34, 6, 5, "split 1, which tests groups 1, 2, 3, 4, 5 of 6, has no session to train on"),
    ],
)
def test_what_cannot_be_split_is_refused(count: int, groups: int, tested: int, words: str) -> None:
    wide = fold_settings(gap=2, holdout=20)  # 34 sessions: two a group, and the embargo takes both
    with pytest.raises(BadInput, match=words):
        combinatorial(days_of(count), wide, groups=groups, tested=tested)
    with pytest.raises(BadInput, match="out of order"):
        combinatorial(days_of(60)[::-1], wide, groups=6, tested=2)


def test_results_of_the_wrong_shape_are_refused() -> None:
    made = combinatorial(days_of(30), fold_settings(), groups=5, tested=2)
    whole = [[0.0, 1.0]] * 10
    assert len(made.assemble(whole)) == 4
    for wrong in (whole[1:], [[0.0], *whole[1:]], [*whole, [0.0, 1.0]]):
        with pytest.raises(BadInput, match="the results of 10 splits, for 2 tested groups each"):
            made.assemble(wrong)


def test_its_picture_has_a_row_a_split() -> None:
    made = combinatorial(days_of(60), fold_settings(), groups=6, tested=2)
    train, test = made.plot().data
    assert (train.name, test.name) == ("train", "test")
    assert list(dict.fromkeys(test.y)) == [split.name for split in made.splits]
    assert list(test.customdata[:2]) == [
        "2026-01-05 to 2026-01-14, 10 sessions",
        "2026-01-15 to 2026-01-24, 10 sessions",
    ]
    middle = made.splits[10]  # groups 3 and 5: before, between and behind, each behind an embargo
    assert [span.words for span in made.spans() if span.row == middle.name and span.window == "train"] == [
        "2026-01-05 to 2026-01-24, 20 sessions",
        "2026-02-05 to 2026-02-13, 9 sessions",
        "2026-02-25 to 2026-03-05, 9 sessions",
    ]
    assert made.svg().count("<rect") == len(made.spans()) + 2
    assert "15 splits of 6 groups, 5 paths" in made.svg()


# Agreement with purgedcv 0.1.11. Its labels take [start, end) too, and its paths are put together in the same order.
# It differs in two conventions. It counts an embargo in rows behind a group (`embargo_observations`) or in time, closed
# at its end; ours is sessions, and open at its end. And it knows no sessions: its groups have as many rows each.


def peer(data: Dataset, sizes: tuple[int, int], **embargo: int) -> Any:
    from purgedcv import CombinatorialPurgedCV

    times = {"prediction_times": data.ts_ns.view("M8[ns]"), "evaluation_times": data.end_ns.view("M8[ns]")}
    return CombinatorialPurgedCV(*sizes, **times, **embargo)


@HUNDRED
@given(
    count=st.integers(2, 40),
    each=st.integers(1, 3),
    sizes=SIZES,
    gap=st.integers(1, 3),
    lengths=st.lists(st.integers(1, 4 * 1440), min_size=1, max_size=12),
    pick=st.integers(0, 99),
)
def test_splits_rows_and_paths_are_those_of_purgedcv(
    count: int, each: int, sizes: tuple[int, int], gap: int, lengths: list[int], pick: int
) -> None:
    """Labels cross into what is tested. The tested ones end before their group does, where both embargoes begin."""
    groups, _ = sizes
    count = count if each == 1 else max(groups, count // groups * groups)  # as many rows in each group
    days = days_of(count)
    made, data = cut(days, sizes, gap), rows_of(days, [each] * count, lengths)
    chosen = made.splits[pick % len(made.splits)]
    tested = np.logical_or.reduce(made.rows(chosen, data)[1])
    lasts = np.array([days.index(group[-1]) for group in made.groups])
    bound = (lasts[np.searchsorted(lasts, data.session)] + 1) * DAY  # the end of the row's group
    data = replace(data, end_ns=np.where(tested, np.minimum(data.end_ns, bound), data.end_ns))
    theirs = peer(data, sizes, embargo_observations=each * gap)
    assert theirs.get_n_splits() == len(made.splits)
    for split, (train, test) in zip(made.splits, theirs.split(data.x), strict=True):
        ours, tests = made.rows(split, data)
        assert np.flatnonzero(np.logical_or.reduce(tests)).tolist() == test.tolist()
        if split is chosen:
            assert np.flatnonzero(ours).tolist() == train.tolist()
            assert {data.dates[session] for session in data.session[train]} <= set(split.train)
    told = [[_told(split, group, made) for group in split.groups] for split in made.splits]
    paths = peer(rows_of(days, [1] * count, [1]), sizes).reconstruct_paths([np.concatenate(one) for one in told])
    assert [np.concatenate(path).tolist() for path in made.assemble(told)] == paths.tolist()


def _told(split: Split, group: int, made: Combinatorial) -> np.ndarray:
    """A result a session of a tested group that names its split."""
    return np.full(len(made.groups[group]), 100.0 * split.number + group)


@HUNDRED
@given(
    gaps=st.lists(st.integers(1, 20), min_size=4, max_size=40),
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=40),
    embargo=st.integers(1, 40),
    data=st.data(),
)
def test_purge_and_embargo_are_those_of_purgedcv(
    gaps: list[int], lengths: list[int], embargo: int, data: st.DataObject
) -> None:
    """Any labels, any tested blocks; purgedcv's embargo is closed at its end, so it gets a nanosecond less."""
    import pandas as pd
    from purgedcv import apply_embargo, purge

    start = np.cumsum(np.array(gaps, np.int64))
    end = start + np.resize(np.array(lengths, np.int64), len(start))
    edges = sorted(data.draw(st.sets(st.integers(0, len(start)), min_size=2, max_size=6)))
    blocks = [range(low, high) for low, high in zip(edges[::2], edges[1::2], strict=False)]
    spans = np.array([(start[block[0]], end[list(block)].max()) for block in blocks])
    tested = np.array([row for block in blocks for row in block])
    others = np.setdiff1d(np.arange(len(start)), tested)
    times = start.view("M8[ns]"), end.view("M8[ns]")
    kept = purge(others, tested, *times)
    assert others[~purged(start[others], end[others], spans)].tolist() == kept.tolist()
    kept = apply_embargo(kept, tested, *times, embargo=pd.Timedelta(embargo - 1, "ns"))
    if embargo > 1:
        assert others[~purged(start[others], end[others], spans, embargo)].tolist() == kept.tolist()


def test_purgedcv_closes_the_end_of_an_embargo() -> None:
    from purgedcv import apply_embargo

    start, end = np.array([0, 10, 15], np.int64), np.array([10, 11, 16], np.int64)
    times = start.view("M8[ns]"), end.view("M8[ns]")
    assert apply_embargo(np.array([1, 2]), np.array([0]), *times, embargo="5ns").tolist() == []
    assert purged(start, end, np.array([[0, 10]]), 5).tolist() == [True, True, False]
