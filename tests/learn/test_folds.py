"""Walk-forward folds: order, embargo, nothing twice, and the hold-out behind them."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.learn import Fold, Folds, purge, walk_forward
from scalper.settings import FoldSettings

DEMO = FoldSettings(unit="sessions", train=44, validate=24, test=10, step=10, embargo_sessions=1, holdout_sessions=60)


def weekdays(count: int, first: date = date(2015, 1, 5)) -> tuple[date, ...]:
    every = (first + timedelta(days=index) for index in range(count * 2))
    return tuple(day for day in every if day.weekday() < 5)[:count]


def check(days: tuple[date, ...], settings: FoldSettings, made: Folds) -> None:
    """What holds for any folds whatever."""
    place = {day: index for index, day in enumerate(days)}
    for fold in made.all():
        windows = list(fold.windows().values())
        assert list(fold.windows()) == ["train", "calibrate", "search", "test"][: len(windows)]
        for window in windows:
            positions = [place[day] for day in window]
            assert positions == list(range(positions[0], positions[-1] + 1))
        for early, late in pairwise(windows):
            assert place[late[0]] - place[early[-1]] == settings.embargo_sessions + 1
    tested = made.tested()
    assert len(set(tested)) == len(tested)
    assert list(tested) == sorted(tested)
    for early, late in pairwise(made.folds):
        assert early.test[-1] < late.test[0]
        if settings.step == settings.test:
            assert place[late.test[0]] == place[early.test[-1]] + 1
    if made.holdout:
        assert made.holdout == days[-settings.holdout_sessions :]
        last = max(window[-1] for fold in made.all() for window in fold.windows().values())
        assert place[made.holdout[0]] - place[last] == settings.embargo_sessions + 1
        assert made.final.search[-1] == last
    else:
        assert made.final.search[-1] == days[-1]
    assert not made.final.test


def test_the_demo_has_twelve_folds() -> None:
    days = weekdays(250)
    made = walk_forward(days, DEMO)
    check(days, DEMO, made)
    assert len(made.folds) == 12
    assert all(len(fold.test) == 10 for fold in made.folds)
    first = made.folds[0]
    assert (len(first.train), len(first.calibrate), len(first.search)) == (43, 8, 14)
    assert (len(made.final.train), len(made.final.calibrate), len(made.final.search)) == (43, 8, 15)
    assert made.folds[-1].test[-1] == days[188]  # 189 is the embargo before the hold-out
    assert made.final.search[-1] == days[188]
    assert [fold.name for fold in made.all()][::11] == ["fold_01", "fold_12"]
    assert made.final.name == "final"


@given(
    sessions=st.integers(40, 320),
    unit=st.sampled_from(["sessions", "weeks"]),
    train=st.integers(4, 30),
    validate=st.integers(7, 20),
    test=st.integers(1, 10),
    more=st.integers(0, 5),
    gap=st.integers(1, 3),
    holdout=st.integers(0, 60),
)
def test_windows_never_overlap(
    sessions: int, unit: str, train: int, validate: int, test: int, more: int, gap: int, holdout: int
) -> None:
    settings = FoldSettings(
        unit=unit,
        train=train,
        validate=validate,
        test=test,
        step=test + more,
        embargo_sessions=gap,
        holdout_sessions=holdout,
    )
    days = weekdays(sessions)
    try:
        made = walk_forward(days, settings)
    except BadInput as refusal:
        assert "sessions" in str(refusal)
        return
    assert made.folds
    check(days, settings, made)


def test_months_are_calendar_months() -> None:
    days = weekdays(500)
    settings = FoldSettings()
    made = walk_forward(days, settings)
    check(days, settings, made)
    for fold in made.folds[:-1]:
        assert {day.month for day in fold.test} == {fold.test[0].month}
        assert len({(day.year, day.month) for day in fold.train}) == 6


def test_a_stub_of_a_month_joins_its_neighbour() -> None:
    days = weekdays(260, date(2015, 1, 29))  # two sessions of January
    settings = FoldSettings(train=3, holdout_sessions=0)
    made = walk_forward(days, settings)
    check(days, settings, made)
    assert made.folds[0].train[0] in (days[0], date(2015, 2, 2), date(2015, 3, 2))
    assert all(len(fold.test) >= 10 for fold in made.folds)


def test_newest_sessions_are_used_and_the_rest_is_at_the_start() -> None:
    days = weekdays(257)
    made = walk_forward(days, DEMO)
    assert made.folds[-1].test[-1] == days[-62]
    assert made.folds[0].train[0] == days[8]


@pytest.mark.parametrize(
    ("count", "change", "words"),
    [
        (100, {}, "139 sessions"),
        (0, {}, "there are 0 sessions"),
        (250, {"step": 5}, "tested twice"),
        (250, {"train": 1}, "nothing of the train window"),
        (250, {"validate": 1}, "nothing of the calibrate window"),
        (250, {"validate": 3}, "nothing of the search window"),
    ],
)
def test_what_cannot_be_cut_is_refused(count: int, change: dict[str, int], words: str) -> None:
    settings = FoldSettings.model_validate(DEMO.model_dump(by_alias=True) | change)
    with pytest.raises(BadInput, match=words):
        walk_forward(weekdays(count), settings)


def test_the_number_of_sessions_it_asks_for_is_enough() -> None:
    assert len(walk_forward(weekdays(139), DEMO).folds) == 1
    with pytest.raises(BadInput):
        walk_forward(weekdays(138), DEMO)


def test_unsorted_and_repeated_sessions_are_refused() -> None:
    days = weekdays(250)
    for wrong in (days[::-1], (*days, days[-1])):
        with pytest.raises(BadInput, match="out of order"):
            walk_forward(wrong, DEMO)


def test_purge_keeps_what_is_known_in_time() -> None:
    end = np.array([10, 20, 21, 30], np.int64)
    assert purge(end, 20).tolist() == [True, True, False, False]


def test_picture_and_table() -> None:
    made = walk_forward(weekdays(250), DEMO)
    names = [trace.name for trace in made.plot().data]
    assert names == ["train", "calibrate", "search", "test", "holdout"]
    row = made.folds[2].row()
    assert row["fold"] == "fold_03"
    assert row["test_sessions"] == 10
    assert isinstance(made.final, Fold)
    assert "test_from" not in made.final.row()
