"""Combinatorial purged cross-validation: many out-of-sample paths over the same sessions, for the gate.

Rules (López de Prado 2018, Advances in Financial Machine Learning, chapters 7.4 and 12.3):
1. The sessions before the hold-out and its embargo are cut into N groups of neighbours. They are equally long, but for
   the first len % N groups, which have a session more.
2. A split tests k of the groups and trains on the others. There are C(N, k), in the order of itertools.combinations.
3. Embargo: the sessions right behind a tested group train nothing, `embargo_sessions` of them, since their features
   look back into the group. None are left out before it: what is tested may look back at what was trained on.
4. Purge, on both sides: a row trains nothing if its label's time [start, end) meets a tested group's, which runs from
   the group's first row to the end of the last label in it. Where that end lies behind the group, the embargo is
   counted from the session in which it lies.
5. Each group is tested by C(N - 1, k - 1) splits. The first of them gives its results for the group to the first path,
   the second to the second, and so on: C(N, k) k / N paths, each with every group once, and every result in one path.

A path is no history: most of its models were trained on later sessions too. It says how far luck carries a recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations, groupby, pairwise
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from scalper.errors import BadInput
from scalper.learn import timeline
from scalper.learn.dataset import Dataset
from scalper.learn.folds import Dates, before_holdout
from scalper.learn.timeline import Span
from scalper.settings import FoldSettings

Mask = npt.NDArray[np.bool_]
Times = npt.NDArray[np.int64]
MOST = 1000
"""Splits: each is a training."""


@dataclass(frozen=True, slots=True)
class Split:
    """Some groups to test (by place, from 0) and the sessions to train on, in order of time."""

    number: int
    groups: tuple[int, ...]
    train: Dates
    tests: tuple[Dates, ...]

    @property
    def name(self) -> str:
        """`split_03`."""
        return f"split_{self.number:02d}"


@dataclass(frozen=True, slots=True)
class Combinatorial:
    """All splits of the sessions before the hold-out; `embargo` in sessions."""

    groups: tuple[Dates, ...]
    splits: tuple[Split, ...]
    embargo: int

    @property
    def sessions(self) -> Dates:
        """Every session, each once, in order: what a path runs over."""
        return tuple(day for group in self.groups for day in group)

    @property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """(paths, groups): the place in `splits` of the split whose result for a group belongs to a path."""
        testing = (
            [at for at, one in enumerate(self.splits) if group in one.groups] for group in range(len(self.groups))
        )
        return tuple(zip(*testing, strict=True))

    def assemble[T](self, results: Sequence[Sequence[T]]) -> tuple[tuple[T, ...], ...]:
        """The paths, each with a result a group, from the results of each split for its tested groups in order.

        Raises BadInput if a split, or a group of one, has no result or one too many.
        """
        wanted = [len(split.groups) for split in self.splits]
        if [len(one) for one in results] != wanted:
            raise BadInput(f"the paths need the results of {len(wanted)} splits, for {wanted[0]} tested groups each")
        return tuple(
            tuple(results[at][self.splits[at].groups.index(group)] for group, at in enumerate(path))
            for path in self.paths
        )

    def rows(self, split: Split, data: Dataset) -> tuple[Mask, tuple[Mask, ...]]:
        """Masks (n,) of the rows of `data` that a split trains on, purged and embargoed, and of each tested group's.

        Rows without a label stay in both. Raises BadInput if a tested session is not in `data`: without its labels
        nothing can be purged.
        """
        if absent := {day for days in split.tests for day in days}.difference(data.dates):
            raise BadInput(f"{split.name}: tested session {min(absent)} is not among the rows; load it too")
        places = {day: place for place, day in enumerate(self.sessions)}
        place = np.array([places.get(day, -1) for day in data.dates], np.int64)[data.session]  # (n,)
        train, *tests = (np.isin(place, [places[day] for day in days]) for days in (split.train, *split.tests))
        if found := [self._span(data, place, test) for test in tests if test.any()]:
            spans = np.array(found)
            train &= ~purged(data.ts_ns, data.end_ns, spans[:, :2], spans[:, 2])
        return train, tuple(tests)

    def spans(self) -> list[Span]:
        """All windows for a picture, a row a split."""
        places = {day: place for place, day in enumerate(self.sessions)}
        spans: list[Span] = []
        for split in self.splits:
            runs = groupby(enumerate(split.train), lambda one: places[one[1]] - one[0])  # the same while neighbours
            spans += [Span(split.name, "train", tuple(day for _, day in run)) for _, run in runs]
            spans += [Span(split.name, "test", days) for days in split.tests]
        return spans

    def plot(self) -> Any:
        """A plotly figure: one line a split, what it trains on and what it tests."""
        return timeline.figure(self.spans())

    def svg(self) -> str:
        """The same picture as an SVG."""
        title = f"{len(self.splits)} splits of {len(self.groups)} groups, {len(self.paths)} paths"
        return timeline.svg(title, self.spans())

    def _span(self, data: Dataset, place: npt.NDArray[np.int64], test: Mask) -> tuple[int, int, int]:
        """When a tested group's labels begin and end, and how long the embargo behind them lasts, nanoseconds."""
        first = int(data.ts_ns[test][0])
        last = max(int(data.end_ns[test].max()), int(data.ts_ns[test][-1]) + 1)
        reached = int(place[data.ts_ns < last].max())  # the session in which the last label ends
        shut = data.ts_ns[(place >= 0) & (place <= reached + self.embargo)]
        return first, last, max(int(shut[-1]) + 1 - last, 0)


def combinatorial(dates: Sequence[date], settings: FoldSettings, *, groups: int, tested: int) -> Combinatorial:
    """Cut the sessions of a lane into N `groups` and test `tested` of them at a time; the rules stand above.

    `dates` are all sessions, the hold-out among them: it is cut off here, as for the walk-forward folds. Raises
    BadInput for sessions out of order, too few of them, a wrong number of groups, or a split that has nothing to train.
    """
    if not 1 <= tested < groups:
        raise BadInput(f"{tested} of {groups} groups cannot be tested: test one at least, and leave one to train on")
    if (count := comb(groups, tested)) > MOST:
        raise BadInput(f"{tested} of {groups} groups make {count:,} splits, more than {MOST:,}: take fewer groups")
    days, _ = before_holdout(dates, settings)
    if len(days) < groups:
        raise BadInput(f"{groups} groups need as many sessions; {len(days)} of {len(dates)} are before the hold-out")
    gap, size, longer = settings.embargo_sessions, *divmod(len(days), groups)
    edges = [group * size + min(group, longer) for group in range(groups + 1)]
    splits: list[Split] = []
    for number, chosen in enumerate(combinations(range(groups), tested), start=1):
        shut = {place for group in chosen for place in range(edges[group], edges[group + 1] + gap)}
        train = tuple(day for place, day in enumerate(days) if place not in shut)
        if not train:
            raise BadInput(
                f"split {number}, which tests groups {', '.join(str(group + 1) for group in chosen)} of {groups}, has "
                f"no session to train on: add data, or take fewer groups (embargo {gap} sessions, {size} in a group)"
            )
        tests = tuple(days[edges[group] : edges[group + 1]] for group in chosen)
        splits.append(Split(number, chosen, train, tests))
    cut = tuple(days[low:high] for low, high in pairwise(edges))
    return Combinatorial(cut, tuple(splits), gap)


def purged(start_ns: Times, end_ns: Times, test_spans: Times, embargo_ns: Times | int = 0) -> Mask:
    """Rows (n,) that may not train: their label's time meets a tested span, or they start in the embargo behind it.

    A label takes [start, end), a span of `test_spans` (m, 2) [first, last), its embargo [last, last + embargo_ns), one
    number or (m,). Times are UTC nanoseconds. So a row is free of a span if its label ends where the span begins or
    before, or if it starts where the embargo ends or later.
    """
    first, last = test_spans[:, :1], test_spans[:, 1:]  # (m, 1) against (n,)
    free = last + np.reshape(embargo_ns, (-1, 1))
    return ((np.maximum(end_ns, start_ns) > first) & (start_ns < free)).any(axis=0)
