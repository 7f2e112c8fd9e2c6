"""Loading features and labels of sessions from a lake."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from scalper.errors import BadInput, DataUnavailable
from scalper.lake import Lake
from scalper.learn import load

DAYS = (date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7))


def put(lake: Lake, day: date, rows: int, *, shift: int = 0, extra: str = "slope") -> None:
    ts = np.arange(rows, dtype=np.int64) + day.toordinal() * 1000
    keys = {"lane": "toy", "date": day.isoformat()}
    base = np.arange(rows, dtype=np.float32)
    lake.write("features", keys, pl.DataFrame({"ts_ns": ts, "ret": base, extra: -base, "volatility_ticks": base + 1}))
    labelled = np.arange(rows) < rows - 1
    columns = {
        "label": np.where(labelled, 2, -1).astype(np.int8),
        "reason": np.where(labelled, 0, 4).astype(np.int8),
        "move_ticks": np.where(labelled, 1, np.nan).astype(np.float32),
        "end_ns": ts + 5,
        "weight": np.where(labelled, 0.5, 0).astype(np.float32),
    }
    lake.write("labels", keys, pl.DataFrame({"ts_ns": ts + shift, **columns}))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def test_sessions_are_laid_end_to_end(lake: Lake) -> None:
    for day, rows in zip(DAYS, (4, 0, 3), strict=True):
        put(lake, day, rows)
    data = load(lake, "toy", DAYS)
    assert data.names == ("ret", "slope")
    assert data.x.shape == (7, 2)
    assert data.x.dtype == np.float32
    assert data.x.flags.c_contiguous
    assert data.session.tolist() == [0, 0, 0, 0, 2, 2, 2]
    assert data.dates == DAYS
    assert data.labelled().tolist() == [True, True, True, False, True, True, False]
    assert np.isnan(data.move_ticks[3])
    assert data.reason.tolist() == [0, 0, 0, 4, 0, 0, 4]
    assert data.weight.tolist() == [0.5, 0.5, 0.5, 0, 0.5, 0.5, 0]
    assert (data.reason.dtype, data.weight.dtype) == (np.int8, np.float32)
    assert (np.diff(data.ts_ns) > 0).all()
    assert len(data.between(2, 3)) == 3
    assert len(data.rows(data.labelled())) == 5


def test_what_does_not_fit_together_is_refused(lake: Lake) -> None:
    put(lake, DAYS[0], 4)
    put(lake, DAYS[1], 4, extra="other")
    with pytest.raises(BadInput, match="other, slope"):
        load(lake, "toy", DAYS[:2])
    put(lake, DAYS[1], 4, shift=1)
    with pytest.raises(BadInput, match="2026-01-06"):
        load(lake, "toy", DAYS[:2])
    with pytest.raises(BadInput, match="no sessions"):
        load(lake, "toy", ())


def test_a_missing_session_is_named(lake: Lake) -> None:
    with pytest.raises(DataUnavailable, match="2026-01-07"):
        load(lake, "toy", DAYS[2:])
