"""Audit of labels: each says what SPEC says, looks as far as it says, and is admitted whatever prices do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from scalper.clock import iso
from scalper.gate.audit_reading import read
from scalper.gate.found import AGAIN, Found
from scalper.gate.futures import KINDS, STILL, Kind, moments, perturb, place
from scalper.gate.subject import Array, Subject, batch
from scalper.labels import LABELLED, ROWS
from scalper.learn.session import labels_of

Label = Callable[[Subject, Array], Array]
"""The labels (m,) ROWS that some traded bars of a subject give its kept rows (see `kept`)."""
WEIGHT = 1e-6
"""What a weight may differ by from the own reading's, which adds in another order."""


def kept(subject: Subject, traded: Array) -> Array:
    """Positions (m,) of the rows that the lane would store, among the carried bars."""
    return np.flatnonzero(subject.keeps(subject.carried(traded)))


def made(subject: Subject, traded: Array) -> Array:
    """The labels as the lane makes them."""
    bars, volatility = subject.carried(traded), batch(subject, traded).volatility
    return labels_of(subject.lane, bars, subject.timetable, volatility, subject.keeps(bars))


def labels(one: Subject, label: Label = made, stored: pl.DataFrame | None = None) -> Found:
    """Every label of the session against an own reading of SPEC 3, and the stored ones bit for bit against them."""
    rows, found = kept(one, one.traded), label(one, one.traded)
    wanted = read(one, rows, batch(one, one.traded).volatility[rows])
    ts_ns = one.bars["ts_ns"][rows]
    for name in ROWS.names or ():
        same = np.abs(found[name] - wanted[name]) <= (WEIGHT if name == "weight" else 0)
        same |= np.isnan(found[name]) & np.isnan(wanted[name])
        if not same.all():
            row = int(same.argmin())
            return _wrong(name, ts_ns[row], f"is {found[name][row]}, by an own reading {wanted[name][row]}")
    if stored is not None and (wrong := _stored(stored, found, ts_ns)):
        return wrong
    return Found(rows.size, counts={"sessions": 1, "labels": int((found["reason"] == LABELLED).sum())})


def _stored(stored: pl.DataFrame, found: Array, ts_ns: Array) -> Found | None:
    """What is wrong with the file of a session's labels."""
    if stored["ts_ns"].to_numpy().tobytes() != ts_ns.tobytes():
        return Found(0, f"the labels stored for the session of {iso(int(ts_ns[0]))} are of other rows{AGAIN}")
    for name in ROWS.names or ():
        if name not in stored.columns:
            return Found(0, f"the stored labels lack column {name}{AGAIN}")
        held = stored[name].to_numpy()
        same = (held == found[name]) | (np.isnan(held) & np.isnan(found[name]))
        if not same.all():
            row = int(same.argmin())
            words = f"is stored as {held[row]}, its bars give {found[name][row]}{AGAIN}"
            return _wrong(name, ts_ns[row], words)
    return None


def futures(one: Subject, rng: np.random.Generator, label: Label = made) -> Found:
    """Other bars after t: what is known by then stays. That is a label whose horizon has passed; where the stamps stay,
    every label that said it was known; a weight after two horizons; and no admission changes with prices."""
    base, rows, cuts = label(one, one.traded), kept(one, one.traded), 0
    for t in moments(one, rng):
        for kind in KINDS:
            other = perturb(one.traded, t, kind, rng)
            again = label(one, other)
            if wrong := _known(one, (base, rows), (again, kept(one, other)), t, kind):
                return wrong
            cuts += 1
    return Found(0, counts={"futures changed": cuts})


def _known(one: Subject, base: tuple[Array, Array], other: tuple[Array, Array], t: int, kind: Kind) -> Found | None:
    """What changed although it was known at the close of traded bar t."""
    (first, rows), (again, others) = base, other
    at = place(one, t)
    n = int(np.searchsorted(rows, at - one.lane.labels.horizon, "right"))
    ts_ns, cut = one.bars["ts_ns"][rows], f"when the bars after {iso(int(one.traded['ts_ns'][t]))} do ({kind})"
    if others[:n].tobytes() != rows[:n].tobytes():
        return Found(0, f"the labelled rows up to {iso(int(ts_ns[n - 1]))} change {cut}")
    told = [name for name in ROWS.names or () if name != "weight"]
    for name in told:
        if wrong := _differs(name, first[:n], again[:n], ts_ns, cut):
            return wrong
    m = int(np.searchsorted(rows, at - 2 * one.lane.labels.horizon, "right"))
    if wrong := _differs("weight", first[:m], again[:m], ts_ns, cut):
        return wrong
    if kind not in STILL:
        return None
    if wrong := _differs("reason", first, again, ts_ns, f"with prices, not with the clock, {cut}"):
        return wrong
    until = int(one.traded["ts_ns"][t]) + one.lane.interval_ns
    early = np.flatnonzero((first["reason"] == LABELLED) & (first["end_ns"] <= until))
    for name in ("label", "move_ticks", "end_ns"):
        if wrong := _differs(name, first[early], again[early], ts_ns[early], f"after it was said to be known, {cut}"):
            return wrong
    return None


def _differs(name: str, one: Array, other: Array, ts_ns: Array, words: str) -> Found | None:
    same = (one[name] == other[name]) | (np.isnan(one[name]) & np.isnan(other[name]))
    return None if same.all() else _wrong(name, ts_ns[int(same.argmin())], f"changes {words}")


def _wrong(name: str, ts_ns: int, words: str) -> Found:
    return Found(0, f"column {name} of the label at {iso(int(ts_ns))} {words}")
