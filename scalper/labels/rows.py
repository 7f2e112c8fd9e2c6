"""The label rows of a session: label, reason, move, when it is known, and its weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scalper.errors import BadInput
from scalper.labels.barrier import barrier
from scalper.labels.direction import NONE, direction
from scalper.labels.distance import away_rows, rewarded_rows
from scalper.labels.reach import LABELLED, reach
from scalper.labels.weights import uniqueness
from scalper.market import INTERVALS
from scalper.settings import Distance, LabelSettings

NS = 1_000_000_000
ROWS = np.dtype(
    [
        ("label", "i1"),  # 0 DOWN, 1 FLAT, 2 UP, -1 unlabelled
        ("reason", "i1"),  # index into REASONS
        ("move_ticks", "f4"),  # NaN unlabelled
        ("end_ns", "i8"),  # close of the bar at which the label is known; unlabelled: of the row's own bar
        ("weight", "f4"),  # average uniqueness in (0, 1]; 0 unlabelled
        ("stop_ticks", "i2"),  # barrier labels; 0 for direction
        ("target_ticks", "i2"),
    ],
    align=True,
)
"""One row's label."""

REASONS = ("labelled", "session ends", "halt", "stale gap", "flat time")
"""Why a row has a label or none."""
CLASSES = ("down", "flat", "up")

Numbers = npt.NDArray[Any]


def label_rows(
    bars: Numbers, index: Numbers, volatility: Numbers, timetable: Numbers, settings: LabelSettings, *, stale_s: int
) -> Numbers:
    """The labels (m,) ROWS of bars[index], by the TRADED bars (n,) BAR of one session and contract.

    index (m,) ascends; volatility (m,) in ticks (of barriers by ATR only). A row is labelled if its whole horizon holds
    no halt and no `stale_s` seconds without a trade, ends by the flat time, and a bar stands at or after its end. The
    horizon counts bars; in a one-second lane seconds, as if those without a trade were carried: the result is the
    same. The weight counts the rows of `index` only. Raises BadInput for carried bars or a volatility that is NaN.
    """
    rows = np.zeros(index.size, ROWS)
    if index.size == 0:
        return rows
    if bars["carried"].any():
        raise BadInput("labels are made of traded bars; leave the carried ones out")
    step, index = int(timetable["interval_ns"][0]), np.asarray(index, np.int64)
    carries = step == INTERVALS["1s"]
    last, until = np.empty(index.size, np.int64), np.empty(index.size, np.int64)
    rows["label"], rows["move_ticks"], rows["end_ns"] = NONE, np.nan, bars["ts_ns"][index] + step
    reach(bars, index, timetable[0], settings.horizon, stale_s * NS, carries, rows["reason"], last, until)
    if settings.kind == "direction":
        direction(bars, index, last, until, step, settings.threshold_ticks, rows)
    else:
        _ticks(settings.stop, volatility, rows["stop_ticks"])
        if settings.target.reward_to_risk is not None:
            rewarded_rows(rows["stop_ticks"], settings.target.reward_to_risk, rows["target_ticks"])
        else:
            _ticks(settings.target, volatility, rows["target_ticks"])
        barrier(bars, index, last, until, step, settings.through, rows)
    _weigh(bars["ts_ns"], index, step, carries, rows)
    return rows


def _ticks(distance: Distance, volatility: Numbers, out: Numbers) -> None:
    """Write a distance in ticks for each row."""
    if distance.ticks is not None:
        out[:] = distance.ticks
        return
    assert distance.atr is not None, "the settings have one of the two"
    if not np.isfinite(volatility).all():
        raise BadInput("a barrier by ATR needs the volatility of each row; label warm rows only, or set it in ticks")
    away_rows(distance.atr, np.asarray(volatility, np.float64), distance.min, distance.max, out)


def _weigh(ts_ns: Numbers, index: Numbers, step: int, carries: bool, rows: Numbers) -> None:
    """Average uniqueness of the labelled rows; time is counted in seconds where seconds are carried, else in bars."""
    end_ns = np.where(rows["reason"] == LABELLED, rows["end_ns"] - step, ts_ns[index])
    if carries:
        begin, end, size = ((x - ts_ns[0]) // step for x in (ts_ns[index], end_ns, ts_ns[-1] + step))
    else:
        begin, end, size = index, np.searchsorted(ts_ns, end_ns), ts_ns.size
    uniqueness(begin, end, size, rows["weight"])


def balance(rows: Numbers) -> dict[str, int]:
    """How many rows have each class, and how many have none for each reason."""
    classes = np.bincount(rows["label"][rows["reason"] == LABELLED], minlength=len(CLASSES))
    reasons = np.bincount(rows["reason"], minlength=len(REASONS))
    return dict(zip((*CLASSES, *REASONS[1:]), (*classes.tolist(), *reasons[1:].tolist()), strict=True))
