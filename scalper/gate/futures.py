"""Other futures of a session: bars after a moment that are shuffled, replaced, thinned out or gone."""

from __future__ import annotations

from typing import Literal

import numpy as np

from scalper.gate.subject import Array, Subject
from scalper.market import FLOW, IMBALANCE, QUOTES, SIDES, TRADES

Kind = Literal["shuffle", "noise", "thin", "delete"]
KINDS: tuple[Kind, ...] = ("shuffle", "noise", "thin", "delete")
STILL: tuple[Kind, ...] = ("shuffle", "noise")
"""Those that leave the stamps as they are: where there are trades, but not their prices, is the same."""
CUTS = 24
"""Random moments a session."""


def perturb(traded: Array, cut: int, kind: Kind, rng: np.random.Generator) -> Array:
    """The traded bars with another future: those up to and including `cut` stay as they are; -1 keeps none."""
    kept, tail = traded[: cut + 1], traded[cut + 1 :].copy()
    match kind:
        case "delete":
            return kept.copy()
        case "thin":
            return np.concatenate([kept, tail[rng.random(tail.size) < 0.5]])
        case "shuffle":
            stamps = tail["ts_ns"].copy()
            tail = tail[rng.permutation(tail.size)]
            tail["ts_ns"] = stamps
        case "noise":
            _noise(tail, rng)
    return np.concatenate([kept, tail])


def _noise(tail: Array, rng: np.random.Generator) -> None:
    """Other prices, volumes and order flow; also of what is known of it."""
    n = tail.size
    close, open_ = (np.maximum(tail[name] + rng.integers(-40, 41, n), 1) for name in ("close", "open"))
    tail["open"], tail["close"] = open_, close
    tail["high"] = np.maximum(open_, close) + rng.integers(0, 9, n)
    tail["low"] = np.maximum(np.minimum(open_, close) - rng.integers(0, 9, n), 1)
    tail["volume"] = rng.integers(1, 5000, n)
    tail["known"] = rng.integers(0, TRADES + SIDES + QUOTES + IMBALANCE + 1, n)
    for name, bit in FLOW.items():
        low = -5000 if name == "imbalance" else 1
        tail[name] = np.where(tail["known"] & bit, rng.integers(low, 5000, n), 0)


def moments(subject: Subject, rng: np.random.Generator) -> list[int]:
    """Traded bars after which the future changes: random ones, and those at which a look ahead would pay.

    These are: inside a bar of each coarser interval, before and after each halt, around the longest gap, before the
    hours of the lane begin and end.
    """
    traded, t = subject.traded, subject.timetable[0]
    n, ts = traded.size, traded["ts_ns"]
    chosen: set[int] = set(rng.choice(n, min(CUTS, n), replace=False).tolist())
    p = subject.windows[0]
    for length in {int(one) for one in (*p["higher_ns"][: int(p["n_higher"]) + 1], p["frame_ns"])} - {0}:
        inside = np.flatnonzero((ts + int(t["interval_ns"])) // length == ts // length)
        chosen.update(rng.choice(inside, min(2, inside.size), replace=False).tolist())
    edges = [edge for halt in subject.session.halts for edge in halt] + [int(t["trade_from_ns"]), int(t["trade_to_ns"])]
    for edge in edges:
        place = int(np.searchsorted(ts, edge))
        chosen.update(place + step for step in (-1, 0) if 0 <= place + step < n)
    if n > 1:
        gap = int((ts[1:] - ts[:-1]).argmax())
        chosen |= {gap, gap + 1}
    return sorted(chosen)


def place(subject: Subject, cut: int) -> int:
    """Where a traded bar stands among the carried ones."""
    return int(np.searchsorted(subject.bars["ts_ns"], int(subject.traded["ts_ns"][cut])))
