"""Audit of labels: each looks as far as it says, never further, never across a halt, a gap or the flat time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from scalper.clock import NS, iso
from scalper.gate.audit_features import CUTS, Outcome
from scalper.gate.subject import KINDS, Array, Subject, perturb
from scalper.labels import DOWN, FLAT, NONE, UP, direction

Label = Callable[[Subject, Array], tuple[Array, Array, Array]]
"""Label, move and label end of some bars (n,) of a subject."""


def directions(subject: Subject, bars: Array) -> tuple[Array, Array, Array]:
    """The labels as the lane makes them."""
    lane = subject.lane
    return direction(
        bars,
        subject.timetable,
        horizon=lane.labels.horizon,
        threshold_ticks=lane.labels.threshold_ticks,
        stale_s=lane.policy.stale_s,
    )


def labels(subjects: Sequence[Subject], label: Label, rng: np.random.Generator) -> Outcome:
    """Every label of the sessions against an own reading of SPEC 3, then with other futures."""
    rows = cuts = 0
    for one in subjects:
        found, move, end_ns = label(one, one.bars)
        labelled = np.flatnonzero(found != NONE)
        if wrong := _reach(one, labelled, found, move, end_ns):
            return wrong, ""
        for t in rng.choice(one.bars.size, min(CUTS, one.bars.size), replace=False).tolist():
            for kind in KINDS:
                again, moved, ends = label(one, perturb(one.bars, t, kind, rng))
                known = max(t + 1 - one.lane.labels.horizon, 0)
                same = (again[:known] == found[:known]) & (ends[:known] == end_ns[:known])
                same &= (moved[:known] == move[:known]) | (np.isnan(moved[:known]) & np.isnan(move[:known]))
                if not same.all():
                    when = iso(int(one.bars["ts_ns"][int(same.argmin())]))
                    return f"the label at {when} changes with bars beyond its horizon ({kind})", ""
                cuts += 1
        rows += labelled.size
    if rows == 0:
        return "no row has a label", ""
    return None, f"{rows} labels of {len(subjects)} sessions, {cuts} futures changed"


def _reach(one: Subject, labelled: Array, found: Array, move: Array, end_ns: Array) -> str | None:
    """What is wrong with where the labels reach, or with what they say."""
    bars, t, h = one.bars, one.timetable[0], one.lane.labels.horizon
    later = labelled + h
    if bool((later >= bars.size).any()):
        return _at(one, labelled[later >= bars.size], "reaches beyond the session's last bar")
    until = bars["ts_ns"][later] + one.lane.interval_ns
    seen = bars["close"][later] - bars["close"][labelled]
    limit = one.lane.labels.threshold_ticks
    expected = np.where(seen > limit, UP, np.where(seen < -limit, DOWN, FLAT))
    traded = bars["carried"] == 0
    stamps = bars["ts_ns"][traded]
    broken = np.zeros(bars.size, np.int64)
    gap = np.diff(stamps) > one.lane.policy.stale_s * NS + one.lane.interval_ns
    broken[np.flatnonzero(traded)[1:][gap]] = 1
    stretch = np.cumsum(broken)
    faults = {
        "is not said to be known at the close of the bar that ends its horizon": end_ns[labelled] != until,
        "reaches beyond the flat time": until > t["flat_ns"],
        "reaches beyond the session's close": until > one.session.close_ns,
        "reaches across a gap without a trade": stretch[labelled] != stretch[later],
        "is not the direction of the close": (found[labelled] != expected) | (move[labelled] != seen),
    }
    for begin, _ in one.session.halts:
        faults["reaches across a halt"] = (bars["ts_ns"][labelled] < begin) & (until > begin)
        if bool(faults["reaches across a halt"].any()):
            break
    return next((_at(one, labelled[bad], words) for words, bad in faults.items() if bool(bad.any())), None)


def _at(one: Subject, rows: Array, words: str) -> str:
    return f"the label at {iso(int(one.bars['ts_ns'][rows[0]]))} {words}"
