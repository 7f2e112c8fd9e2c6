"""Audits of features: another future must not change the past, and the past beyond the warm-up must not matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from scalper import features
from scalper.features import Block
from scalper.gate.found import Found
from scalper.gate.futures import KINDS, Kind, moments, perturb, place
from scalper.gate.subject import Array, Compute, Subject, batch, first, joined, streamed, unequal

SWEEP_ROWS = 4_000_000
"""Rows that the sweep may compute: it drops the future at every bar of a minute session, at some of a longer one."""
RESTARTS = 3
STARTS = 4
TOLERANCE = 1e-6


def future(one: Subject, rng: np.random.Generator, compute: Compute = batch) -> Found:
    """Shuffle, replace, thin or drop the bars after t: features and AUX up to t are bit for bit the same."""
    base = compute(one, one.traded)
    cuts = 0
    for t, kind in _plan(one, rng):
        at, other = place(one, t), perturb(one.traded, t, kind, rng)
        changed, rows = compute(one, other), _past(one, other, t)
        if not _same(base, changed, rows):
            wrong = first(one, unequal(joined(base)[:rows], joined(changed)[:rows]))
            if wrong:
                return Found(0, f"{wrong} changes when the bars after {one.when(at)} do ({kind})")
        cuts += 1
    return Found(int(one.kept.sum()), counts={"sessions": 1, "futures changed": cuts})


def _past(one: Subject, other: Array, t: int) -> int:
    """How many carried bars come before the first trade after t, in this future and in the other; t is one of them."""
    if other.size == t + 1:
        return place(one, t) + 1
    until = min(int(bars["ts_ns"][t + 1]) for bars in (one.traded, other))
    return int(np.searchsorted(one.bars["ts_ns"], until))


def _same(base: Block, changed: Block, rows: int) -> bool:
    """Whether the first rows have the same bytes: the quick answer, and nearly always the last word."""
    return (
        base.x[:rows].tobytes() == changed.x[:rows].tobytes()
        and base.aux[:rows].tobytes() == changed.aux[:rows].tobytes()
    )


def _plan(one: Subject, rng: np.random.Generator) -> Iterator[tuple[int, Kind]]:
    """Where a session is cut, and what then happens to its future."""
    chosen, n = moments(one, rng), one.traded.size
    for kind in KINDS:
        for t in chosen:
            yield t, kind
    sweep = min(n, 2 * SWEEP_ROWS // one.bars.size)
    for t in np.sort(rng.choice(n, sweep, replace=False)).tolist():
        yield t, "delete"


def stream(one: Subject, rng: np.random.Generator, compute: Compute = batch) -> Found:
    """The batch equals the stream, which has not got the future and is restarted from bytes, at every row."""
    restarts = rng.choice(one.bars.size, min(RESTARTS, one.bars.size), replace=False).tolist()
    found, other = compute(one, one.traded), streamed(one, restarts)
    if not _same(found, other, one.bars.size):
        wrong = first(one, unequal(joined(found), joined(other)))
        if wrong:
            return Found(0, f"{wrong} differs between the batch and the stream, which cannot see ahead")
    return Found(int(one.kept.sum()), counts={"sessions": 1, "bars streamed": one.bars.size, "restarts": len(restarts)})


def start(one: Subject, rng: np.random.Generator, compute: Compute = batch) -> Found:
    """Start later: from its own warm-up on a finite column is the same, a recursive one to 1e-6 of its scale.

    A session too short for that has no rows here.
    """
    bare = replace(one, windows=features.params(one.lane.features, one.lane.interval_ns, masked=False))
    longest = max(column.warm_up for column in one.watched)
    room = one.traded.size - 1
    while room > 0 and one.bars.size - place(one, room) <= longest + 1:
        room -= 1
    if room < 1:
        return Found(counts={"later starts": 0, "numbers compared": 0})
    base = joined(compute(bare, one.traded))
    seen, compared = np.zeros(one.bars.size, np.bool_), 0
    starts = np.unique([1, *rng.integers(1, room + 1, STARTS - 1)])
    for s in starts.tolist():
        at = place(one, s)
        later = joined(compute(bare, one.traded[s:]))
        wrong, count = _moved(one, base, later, at)
        if found := first(one, wrong, at):
            return Found(
                0, f"{found} remembers more than its warm-up: it changes when the session starts {at} bars later"
            )
        compared += count
        seen[at + longest :] = True
    return Found(int((seen & one.kept).sum()), counts={"later starts": starts.size, "numbers compared": compared})


def _moved(one: Subject, base: Array, later: Array, at: int) -> tuple[Array, int]:
    """Mask of what a start at row `at` changed although its column was warm, and how many numbers that looks at."""
    same, wrong, compared = base[at:], np.zeros(later.shape, np.bool_), 0
    index = {column.name: k for k, column in enumerate(one.watched)}
    for k, column in enumerate(one.watched):
        if column.kind in ("anchored", "context"):
            continue
        rows = slice(column.warm_up, None)
        compared += max(later.shape[0] - column.warm_up, 0)
        if column.kind == "finite":
            wrong[rows, k] = unequal(same[rows, k], later[rows, k])
            continue
        far = ~(np.abs(same[:, k] - later[:, k]) <= TOLERANCE * _scale(base[:, k]))
        if column.margin in index:
            m = index[column.margin]
            tiny = np.abs(same[:, m]) <= TOLERANCE * _scale(base[:, m])
            far &= ~(tiny | np.roll(tiny, 1))  # a jump may also be a bar late
        wrong[rows, k] = far[rows]
    return wrong, compared


def _scale(column: Array) -> float:
    """What is large for a column: its largest number in the session."""
    return 0.0 if np.isnan(column).all() else float(np.nanmax(np.abs(column)))
