"""Walk-forward folds: order, embargo, nothing twice, and the hold-out behind them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.learn import Dataset, Fold, Folds, Trained, purge, walk_forward
from scalper.settings import FoldSettings

HUNDRED = examples(max_examples=100)
Run = Callable[..., Trained]
Make = Callable[..., Dataset]
KINDS = st.sampled_from(["rolling", "expanding"])
UNITS = st.sampled_from(["sessions", "weeks", "months"])
DAY = 86_400_000_000_000
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


def lengths(unit: str) -> tuple[int, int, int]:
    """Most units of train, least and most of validate, for some hundred sessions."""
    return {"sessions": (30, 7, 20), "weeks": (12, 2, 6), "months": (4, 1, 2)}[unit]


@st.composite
def fold_settings(draw: st.DrawFn, *, step: int | None = None) -> FoldSettings:
    """Settings of which most leave folds in a few hundred sessions."""
    unit = draw(UNITS)
    train, least, most = lengths(unit)
    test = draw(st.integers(1, 10 if unit == "sessions" else 2)) if step is None else 1
    return FoldSettings(
        kind=draw(KINDS),
        unit=unit,
        train=draw(st.integers(1 + (train > 10) * 3, train)),
        validate=draw(st.integers(least, most)),
        test=test,
        step=test + draw(st.integers(0, 5)) if step is None else step,
        embargo_sessions=draw(st.integers(1, 3)),
        holdout_sessions=draw(st.integers(0, 60)),
    )


def made_of(days: tuple[date, ...], settings: FoldSettings) -> Folds:
    """The folds, where there are enough sessions."""
    try:
        return walk_forward(days, settings)
    except BadInput as refusal:
        assert "sessions" in str(refusal)
        assume(False)
        raise


@HUNDRED
@given(sessions=st.integers(40, 400), settings=fold_settings())
def test_windows_are_in_order_and_each_session_is_tested_once(sessions: int, settings: FoldSettings) -> None:
    days = weekdays(sessions)
    made = made_of(days, settings)
    check(days, settings, made)
    assert made.folds
    if settings.unit == "sessions":
        usable = sessions - settings.holdout_sessions - (settings.embargo_sessions if settings.holdout_sessions else 0)
        span = settings.train + settings.validate_ + settings.test
        assert len(made.folds) == (usable - span) // settings.step + 1
        assert all(len(fold.train) >= settings.train - settings.embargo_sessions for fold in made.all())
    if settings.kind == "expanding":
        assert all(fold.train[0] == days[0] for fold in made.all())


@HUNDRED
@given(sessions=st.integers(40, 400), settings=fold_settings())
def test_an_expanding_fold_is_the_rolling_one_with_all_that_came_before(sessions: int, settings: FoldSettings) -> None:
    days = weekdays(sessions)
    rolling = made_of(days, settings.model_copy(update={"kind": "rolling"}))
    expanding = walk_forward(days, settings.model_copy(update={"kind": "expanding"}))
    assert expanding.holdout == rolling.holdout
    assert len(expanding.folds) == len(rolling.folds)
    for wide, narrow in zip(expanding.all(), rolling.all(), strict=True):
        assert replace(wide, train=narrow.train) == narrow
        assert wide.train[-len(narrow.train) :] == narrow.train
        assert wide.train == days[: len(wide.train)]


@HUNDRED
@given(sessions=st.integers(40, 400), more=st.integers(1, 80), late=st.integers(0, 30), settings=fold_settings(step=1))
def test_newer_sessions_change_no_fold_before_the_last_unit(
    sessions: int, more: int, late: int, settings: FoldSettings
) -> None:
    """What was tested stays as it was, whatever comes: with step 1 newer sessions only add folds behind.

    The last fold may end in a month or week that had not ended, or that a stub had joined; the final recipe moves.
    """
    days = weekdays(sessions + more, date(2015, 1, 5) + timedelta(days=late))
    before, after = made_of(days[:sessions], settings), walk_forward(days, settings)
    stay = before.folds if settings.unit == "sessions" else before.folds[:-1]
    assert after.folds[: len(stay)] == stay
    assert len(after.folds) >= len(before.folds)


@HUNDRED
@given(sessions=st.integers(140, 260), steps=st.integers(1, 3), kind=KINDS)
def test_whole_steps_of_newer_sessions_change_no_fold(sessions: int, steps: int, kind: str) -> None:
    settings = DEMO.model_copy(update={"kind": kind})
    days = weekdays(sessions + steps * settings.step)
    before = walk_forward(days[:sessions], settings).folds
    after = walk_forward(days, settings).folds
    assert after[:-steps] == before
    between = walk_forward(days[:-1], settings).folds  # any other number moves every fold
    assert not {fold.test for fold in before} & {fold.test for fold in between}


def test_months_are_calendar_months() -> None:
    days = weekdays(500)
    settings = FoldSettings()
    made = walk_forward(days, settings)
    check(days, settings, made)
    for fold in made.folds[:-1]:
        assert {day.month for day in fold.test} == {fold.test[0].month}
        assert len({(day.year, day.month) for day in fold.train}) == 6
    wide = walk_forward(days, FoldSettings(kind="expanding"))
    assert [len({(day.year, day.month) for day in fold.train}) for fold in wide.folds] == [
        6 + index for index in range(len(made.folds))
    ]
    assert wide.final.train[0] == days[0]


@pytest.mark.parametrize(
    ("unit", "first", "train"),
    [
        ("weeks", date(2015, 3, 5), 2 + 5 + 5),  # a Thursday
        ("weeks", date(2015, 3, 4), 3 + 5),
        ("months", date(2015, 6, 17), 10 + 23 + 21),
        ("months", date(2015, 6, 16), 11 + 23),
    ],
)
@pytest.mark.parametrize("count", [120, 280])
def test_a_stub_at_the_start_joins_its_neighbour_whatever_comes_later(
    unit: str, first: date, train: int, count: int
) -> None:
    made = walk_forward(weekdays(count, first), FoldSettings(unit=unit, train=2, validate=2, holdout_sessions=0))
    assert len(made.folds[0].train) == train - 1  # less the embargo


def test_what_counts_as_a_stub_does_not_hang_on_later_months() -> None:
    """Nine sessions are more than half of the first months' sixteen, and less than half of what is usual later."""
    sizes = [9, *[16] * 5, *[22] * 8]
    days = tuple(date(2015 + m // 12, m % 12 + 1, day) for m, size in enumerate(sizes) for day in range(1, size + 1))
    settings = FoldSettings(train=2, holdout_sessions=0)
    early, late = walk_forward(days[: 9 + 16 * 5], settings), walk_forward(days, settings)
    assert late.folds[: len(early.folds)] == early.folds
    assert len(early.folds[0].train) == 9 + 16 + 16 - 1


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


@HUNDRED
@given(
    days_long=st.lists(st.floats(0, 4, width=32), min_size=3, max_size=60),
    gap=st.integers(1, 2),
    kind=KINDS,
)
def test_labels_that_cross_are_purged_and_those_that_end_in_the_embargo_stay(
    days_long: list[float], gap: int, kind: str
) -> None:
    """Three rows a session; labels of up to four days span an embargo of one session or two, and more."""
    settings = FoldSettings(
        kind=kind, unit="sessions", train=8, validate=9, test=2, step=2, embargo_sessions=gap, holdout_sessions=3
    )
    days = tuple(date(2026, 1, 5) + timedelta(days=index) for index in range(40))
    opens = np.arange(len(days), dtype=np.int64) * DAY
    start = (opens[:, None] + np.array([0, DAY // 3, DAY // 2])).ravel()
    end = start + (np.resize(np.array(days_long), len(start)) * DAY).astype(np.int64)
    place = {day: index for index, day in enumerate(days)}
    made = walk_forward(days, settings)
    spanning = 0
    for fold in made.all():
        windows = [*fold.windows().values(), *([made.holdout] if fold is made.final else [])]
        for early, late in pairwise(windows):
            rows = np.isin(np.repeat(np.arange(len(days)), 3), [place[day] for day in early])
            limit = int(opens[place[late[0]]])
            kept = purge(end[rows], limit)
            assert (end[rows][kept] <= limit).all()  # known when the later window opens,
            assert (end[rows][~kept] > limit).all()  # and nothing else is lost
            assert (limit - start[rows] > gap * DAY).all()  # so what crosses has spanned the whole embargo
            spanning += int((~kept).sum())
    if max(days_long) > gap + 1 and len(days_long) == 3:  # each session has a row whose label is that long
        assert spanning


def test_a_label_that_spans_the_embargo_session_teaches_nothing(run: Run, make: Make) -> None:
    """A fold's train and calibration rows, an embargo session between, as training gets them."""
    settings = FoldSettings(unit="sessions", train=11, validate=7, test=1, holdout_sessions=0)
    every = make(sessions=19, rows=60)
    fold = walk_forward(every.dates, settings).folds[0]
    first, last = (every.dates.index(day) for day in (fold.calibrate[0], fold.calibrate[-1]))
    assert (every.dates.index(fold.train[-1]), first) == (9, 11)
    fit, later = every.between(0, 10), every.between(first, last + 1)
    opens, open_embargo = int(later.ts_ns[0]), int(every.ts_ns[every.session == 10][0])
    odd = np.arange(540, 600, 2)  # every other row of the last train session

    def trained(end_ns: int, label: int) -> bytes:
        ends, labels = fit.end_ns.copy(), fit.label.copy()
        ends[odd], labels[odd] = end_ns, label
        return run(replace(fit, end_ns=ends, label=labels), later).onnx

    without, just_in_time = trained(opens + 1, 0), trained(opens, 0)
    assert without == trained(opens + 1, 2) != just_in_time
    assert just_in_time == trained(open_embargo + 1, 0)  # ends inside the embargo: known as well


def test_pictures_and_table() -> None:
    made = walk_forward(weekdays(250), DEMO)
    traces = {trace.name: trace for trace in made.plot().data}
    assert list(traces) == ["train", "calibrate", "search", "test", "holdout"]
    assert list(traces["train"].y) == [fold.name for fold in made.all()]
    assert list(traces["holdout"].y) == ["final"]
    third = made.folds[2]
    row = third.row()
    assert (row["fold"], row["test_sessions"], row["test_from"]) == ("fold_03", 10, third.test[0])
    assert isinstance(made.final, Fold)
    assert "test_from" not in made.final.row()
    own = third.plot().data
    assert [(trace.name, list(trace.base)) for trace in own] == [
        (name, [days[0].isoformat()]) for name, days in third.windows().items()
    ]
    assert own[3].x[0] == ((third.test[-1] - third.test[0]).days + 1) * 86_400_000


def test_the_svg_shows_what_the_figure_shows() -> None:
    made = walk_forward(weekdays(250), DEMO)
    told = [f"{trace.name}: {words}" for trace in made.plot().data for words in trace.customdata]
    svg = made.svg()
    drawn = re.findall(r"<rect [^>]*><title>(\w+), ([^<]+)</title></rect>", svg)
    assert sorted(words for _, words in drawn) == sorted(told)
    assert [name for name, words in drawn if words.startswith("train")] == [fold.name for fold in made.all()]
    places = {words: float(x) for x, words in re.findall(r'<rect x="([\d.]+)"[^>]*><title>fold_01, (\w+):', svg)}
    assert list(places) == ["train", "calibrate", "search", "test"]
    assert list(places.values()) == sorted(places.values())
    assert "12 folds, 120 tested sessions" in svg
    many = walk_forward(weekdays(1800), FoldSettings())
    assert len(many.folds) > 60
    assert int(re.findall(r'height="(\d+)"', many.svg())[0]) < 1000
