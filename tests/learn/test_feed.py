"""Rows fed session by session: those of the table and no others, read once where they fit, looked at in one pass."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.learn.dataset import COLUMNS, UNLABELLED, Dataset
from scalper.learn.estimators.small_market import market
from scalper.learn.feed import Feed, Reader, survey, windows

MINUTE = 60_000_000_000


def _rough(sessions: int, rows: int, seed: int) -> Dataset:
    """Some rows without a label, some without a move or volatility; sessions of unlike length."""
    data, draw = market(sessions, rows, seed), np.random.default_rng(seed)
    n = len(data)
    bare = draw.random(n) < 0.2
    changed = replace(
        data,
        label=np.where(bare, UNLABELLED, data.label).astype(np.int8),
        weight=np.where(bare, 0, data.weight).astype(np.float32),
        end_ns=data.ts_ns + draw.integers(1, 9, n) * MINUTE,
        volatility_ticks=np.where(draw.random(n) < 0.2, 0, data.volatility_ticks).astype(np.float32),
        move_ticks=np.where(draw.random(n) < 0.2, np.nan, data.move_ticks).astype(np.float32),
    )
    return changed.rows(draw.random(n) < 0.8)


MARKETS = st.builds(_rough, st.integers(1, 5), st.integers(1, 12), st.integers(0, 99))


@examples(max_examples=100)
@given(MARKETS, st.integers(1, 4), st.none() | st.integers(0, 60))
def test_blocks_are_the_rows_of_the_table(data: Dataset, every: int, limit: int | None) -> None:
    """Labelled, known in time, each n-th of its session: counted row by row."""
    limit_ns = None if limit is None else limit * MINUTE
    feed = Feed.of(data, limit_ns=limit_ns).between(data.dates, every=every)
    wanted: list[int] = []
    for number in range(len(data.dates)):
        mine = [
            row
            for row in range(len(data))
            if data.session[row] == number
            and data.label[row] != UNLABELLED
            and (limit_ns is None or data.end_ns[row] <= limit_ns)
        ]
        wanted += mine[::every]
    found = list(feed.blocks())
    assert [int(ts) for block in found for ts in block.ts_ns] == data.ts_ns[wanted].tolist()
    assert all(len(block) for block in found)
    if not wanted:
        with pytest.raises(BadInput, match="no row has a label that is known in time"):
            feed.gather()
        return
    table = feed.gather()
    rows = data.rows(np.array(wanted))
    for name in set(COLUMNS) - {"session"}:
        assert np.array_equal(getattr(table, name), getattr(rows, name), equal_nan=True), name
    assert [table.dates[at] for at in table.session] == [data.dates[at] for at in data.session[wanted]]


@examples(max_examples=100)
@given(MARKETS)
def test_a_survey_tells_what_the_table_holds(data: Dataset) -> None:
    rows = data.rows(data.labelled())
    if not len(rows):
        with pytest.raises(BadInput, match="no row has a label"):
            survey(Feed.of(data))
        return
    found = survey(Feed.of(data))
    assert found.rows == len(rows)
    assert found.counts == tuple(int((rows.label == one).sum()) for one in range(3))
    assert found.absent == tuple(("DOWN", "FLAT", "UP")[one] for one in range(3) if not (rows.label == one).any())
    days = [data.dates[at] for at in rows.session]
    assert found.sessions == {day: days.count(day) for day in dict.fromkeys(days)}
    assert found.first_ns == {day: int(rows.ts_ns[days.index(day)]) for day in found.sessions}
    assert found.mean_weight(found.sessions) == pytest.approx(rows.weight.mean())
    assert found.missing == bool(np.isnan(rows.x).any())
    with np.errstate(all="ignore"):
        ratio = rows.move_ticks / rows.volatility_ticks
    told = (rows.volatility_ticks > 0) & np.isfinite(rows.move_ticks)
    for one in range(3):
        mine = ratio[told & (rows.label == one)]
        assert found.class_moves[one] == pytest.approx(float(mine.mean()) if mine.size else 0.0, abs=1e-6)
    assert found.usual_move == pytest.approx(float(np.abs(ratio[told]).mean()) if told.any() else 0.0, abs=1e-6)
    known = [rows.x[~np.isnan(rows.x[:, at]), at] for at in range(rows.x.shape[1])]
    same = [name for name, values in zip(data.names, known, strict=True) if not values.size or np.ptp(values) == 0]
    assert list(found.constant) == same


def test_an_infinite_value_is_named() -> None:
    rows = market(3)
    x = rows.x.copy()
    x[50, 2] = -np.inf
    feed = Feed.of(replace(rows, x=x), where="lane x, train window")
    words = f"lane x, train window: feature feature_2 is infinite at ts_ns {rows.ts_ns[50]} of session 2026-01-06"
    for use in (feed.gather, lambda: survey(feed)):
        with pytest.raises(BadInput, match=words):
            use()
    unlabelled = replace(rows, x=x, label=np.where(np.arange(len(rows)) == 50, -1, rows.label).astype(np.int8))
    assert survey(Feed.of(unlabelled)).rows == len(rows) - 1


def test_other_features_are_refused() -> None:
    rows = market(2)
    with pytest.raises(BadInput, match="the features of 2026-01-05 are not those of the lane"):
        list(replace(Feed.of(rows), names=rows.names[::-1]).blocks())


def test_windows_are_the_rows_before_within_the_session() -> None:
    rows = market(2, 7)
    assert windows(rows.x, 1) is rows.x
    session = rows.between(1, 2)
    bare = replace(rows, label=np.where(np.arange(len(rows)) == 9, -1, rows.label).astype(np.int8))
    (_, _), (x, told) = Feed.of(bare).sequences(3)
    assert told.ts_ns.tolist() == np.delete(session.ts_ns, 2).tolist()
    assert x.shape == (6, 3, rows.x.shape[1])
    assert np.isnan(x[0, :2]).all(), "a session knows nothing of the one before"
    assert np.array_equal(x[0, 2], session.x[0], equal_nan=True)
    assert np.array_equal(x[2], session.x[1:4], equal_nan=True), "a row without a label is read, not learned from"


def _counted(data: Dataset, written: dict[date, int] | None = None) -> tuple[list[date], Reader]:
    reads: list[date] = []
    one = data.between(0, 1)
    size = sum(getattr(one, name).nbytes for name in COLUMNS)

    def read(day: date) -> Dataset:
        reads.append(day)
        at = data.dates.index(day)
        return data.between(at, at + 1)

    return reads, Reader(read, (written or {}).get, keep=2 * size)


def test_a_reader_keeps_what_fits_and_reads_the_rest_again() -> None:
    data = market(4)
    reads, reader = _counted(data)
    feed = Feed(reader, data.dates, data.names)
    first = feed.gather()
    assert np.array_equal(feed.gather().x, first.x, equal_nan=True)
    assert reads == [*data.dates, *data.dates[2:]]
    assert reader(data.dates[0]) is reader(data.dates[0])


def test_a_session_that_was_written_anew_is_read_anew_and_keeps_its_place() -> None:
    data = market(2)
    written = dict.fromkeys(data.dates, 1)
    reads, reader = _counted(data, written)
    for day in data.dates * 2:
        reader(day)
    written[data.dates[0]] = 2
    for day in data.dates * 2:
        reader(day)
    assert reads == [*data.dates, data.dates[0]]


def test_threads_may_share_a_reader() -> None:
    data = market(4)
    reads, reader = _counted(data)
    gate = Barrier(4)

    def work(_: int) -> list[int]:
        gate.wait()
        return Feed(reader, data.dates, data.names).gather().ts_ns.tolist()

    with ThreadPoolExecutor(4) as pool:
        assert all(found == data.ts_ns.tolist() for found in pool.map(work, range(4)))
    before = len(reads)
    Feed(reader, data.dates[:2], data.names).gather()
    assert len(reads) == before, "two sessions were kept, whoever read them"


def test_blocks_are_their_readers_own() -> None:
    """What is done to a block does not reach the rows that are kept."""
    data = market(2)
    feed = Feed.of(data)
    for block in feed.blocks():
        block.x[:] = 0.0
        block.label[:] = 1
    assert np.array_equal(feed.gather().x, data.x, equal_nan=True)
    assert np.array_equal(feed.gather().label, data.label)
