"""Audits of features: another future must not change the past, and the past beyond the warm-up must not matter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from scalper.clock import iso
from scalper.gate.subject import KINDS, Array, Compute, Kind, Subject, joined, perturb, streamed, unequal

CUTS = 24
"""Random times at which the future is shuffled and made noisy."""
SWEEP_ROWS = 4_000_000
"""Rows that the sweep may compute: it drops the future at every bar of a minute session, at some of a longer one."""
STARTS = 3
TOLERANCE = 1e-6
Outcome = tuple[str | None, str]
"""What is wrong (None: nothing), and what was compared."""


def future(subjects: Sequence[Subject], compute: Compute, rng: np.random.Generator) -> Outcome:
    """Shuffle, replace or drop every bar after t: features and volatility up to t are bit for bit the same."""
    cuts = rows = 0
    for one in subjects:
        base = joined(compute(one, one.bars))
        n = one.bars.size
        for t, kind in _plan(n, rng):
            changed = joined(compute(one, perturb(one.bars, t, kind, rng)))[: t + 1]
            if wrong := _first(one, unequal(base[: t + 1], changed)):
                return f"{wrong} changes when the bars after {iso(int(one.bars['ts_ns'][t]))} do ({kind})", ""
            cuts, rows = cuts + 1, rows + t + 1
    return None, f"{cuts} futures changed in {len(subjects)} sessions, {rows} rows compared"


def _plan(n: int, rng: np.random.Generator) -> Iterator[tuple[int, Kind]]:
    """Where a session of n bars is cut, and what then happens to its future."""
    for kind in KINDS[:2]:
        for t in rng.choice(n, min(CUTS, n), replace=False).tolist():
            yield t, kind
    for t in np.sort(rng.choice(n, min(n, max(CUTS, 2 * SWEEP_ROWS // n)), replace=False)).tolist():
        yield t, "delete"


def stream(subjects: Sequence[Subject], compute: Compute) -> Outcome:
    """The batch equals the stream, which has not got the future, at every row."""
    rows = 0
    for one in subjects:
        if wrong := _first(one, unequal(joined(compute(one, one.bars)), joined(streamed(one)))):
            return f"{wrong} differs between the batch and the stream, which cannot see ahead", ""
        rows += one.bars.size
    return None, f"every row of {len(subjects)} sessions, {rows} in all"


def start(subjects: Sequence[Subject], compute: Compute, rng: np.random.Generator) -> Outcome:
    """Start later: from the declared warm-up on a finite column is the same, a recursive one to 1e-6 of its scale."""
    compared = 0
    for one in subjects:
        base = joined(compute(one, one.bars))
        atr = (one.lane.features.atr + 2) * max(60_000_000_000 // one.lane.interval_ns, 1)
        warm = np.array([*(column.warm_up for column in one.columns), atr])
        kinds = [*(column.kind for column in one.columns), "finite"]
        room = one.bars.size - int(warm.max()) - 1
        if room < 2:
            return f"session {one.session.date} is too short to start it later", ""
        for s in rng.choice(np.arange(1, room), min(STARTS, room - 1), replace=False).tolist():
            later, same = joined(compute(one, one.bars[s:])), base[s:]
            wrong = np.zeros(later.shape, np.bool_)
            for k, kind in enumerate(kinds):
                scale = 0.0 if np.isnan(base[:, k]).all() else float(np.nanmax(np.abs(base[:, k])))
                wrong[warm[k] :, k] = _moved(same[warm[k] :, k], later[warm[k] :, k], kind, scale)
            # before the whole row is warm it holds nothing
            wrong &= ~np.isnan(later)
            compared += int((~np.isnan(later)).sum())
            if found := _first(one, wrong, s):
                return f"{found} remembers more than its warm-up: it changes when the session starts {s} bars later", ""
    if compared == 0:
        return "no row was warm", ""
    return None, f"{STARTS} later starts in {len(subjects)} sessions, {compared} numbers compared"


def _moved(same: Array, later: Array, kind: str, scale: float) -> Array:
    if kind == "anchored":
        return np.zeros(same.size, np.bool_)
    if kind == "finite":
        return unequal(same, later)
    return ~(np.abs(same - later) <= TOLERANCE * scale)


def _first(one: Subject, wrong: Array, offset: int = 0) -> str | None:
    """The first offending row, its time and its column."""
    rows = np.flatnonzero(wrong.any(axis=1))
    if rows.size == 0:
        return None
    column = int(wrong[rows[0]].argmax())
    name = one.columns[column].name if column < len(one.columns) else "volatility_ticks"
    return f"column {name} at {iso(int(one.bars['ts_ns'][rows[0] + offset]))}"
