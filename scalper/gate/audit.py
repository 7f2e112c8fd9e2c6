"""The look-ahead audit of a lane: nothing that is computed, stored, labelled, fitted or decided may know the future.

One walk over the lane's sessions in order of time: each is read once, and every audit that wants it looks at it. What
is stored is recomputed whole; what costs more looks at every session while they have at most `gate.audit_rows` bars
together, and at a seeded sample of more; what perturbs looks at a few.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from scalper.errors import DataUnavailable, ScalperError
from scalper.gate import audit_features, audit_labels, audit_stored
from scalper.gate.audit_decisions import decisions, simulated
from scalper.gate.audit_fits import fits, small
from scalper.gate.audit_folds import folds as audit_folds
from scalper.gate.audit_sessions import crossing
from scalper.gate.found import Found, Result, Tally
from scalper.gate.subject import Subject, every, spread
from scalper.lake import Lake
from scalper.learn.folds import Fold, Folds
from scalper.policy import Choice
from scalper.settings import SESSION_NS, Lane

SESSIONS, BARS = 3, 10_000
"""The futures of so many sessions are changed at least, or of so many bars together; spread over the lane's dates."""

MODELS = ("joins", "folds", "fits")
"""The audits that need a lane's models and its path."""

Look = Callable[[Subject], Found]


@dataclass(frozen=True, slots=True)
class Made:
    """What a lane has made: its folds, the folder of their models, its path (`daily`: session, fold) the labelled
    rows that were predicted on it (`scored`), and the ledger of its trials; None: choices are not held against it."""

    folds: Folds
    models: Path
    daily: pl.DataFrame
    scored: pl.DataFrame
    trials: Path | None = None


def audit(
    lake: Lake, lane: Lane, made: Made | None, *, choice: Choice | None = None, sessions: int = SESSIONS
) -> list[Result]:
    """Audit a lane: its files, its code on the bars of its sessions, its folds, models and choices.

    `made` None: no models yet, so without the audits of MODELS. `choice`: the policy's numbers that decide in the audit
    of decisions. Raises DataUnavailable when the lake has no features of the lane.
    """
    days = lake.dates("features", {"lane": lane.name})
    if not days:
        raise DataUnavailable(f"the lake has no features of lane {lane.name} to audit; run the lane first")
    tallies, rows = walk(lake, lane, days, looks(lake, lane, days, made, choice, sessions))
    if made is not None:
        papers = made.models, made.scored, made.trials
        for name, found in (
            ("folds", audit_folds(lake, lane, made.folds, made.daily, rows, *papers)),
            ("fits", _fits(lake, lane, small(made.folds.folds[-1], rows))),
        ):
            tallies[name] = Tally(name)
            tallies[name].add(found)
    return [one.result(sum(rows.values())) for one in tallies.values()]


def _fits(lake: Lake, lane: Lane, fold: Fold) -> Found:
    """The audit of fits; files that cannot be learned from are something wrong, not the end of the audit."""
    try:
        return fits(lake, lane, fold, np.random.default_rng(lane.gate.seed))
    except ScalperError as error:
        return Found(0, f"a small fold cannot be fitted: {error}")


def looks(
    lake: Lake, lane: Lane, days: Sequence[date], made: Made | None, choice: Choice | None, sessions: int
) -> list[tuple[str, set[date], Look]]:
    """Every audit that looks at single sessions: its name, the sessions that it looks at, and how."""
    count = max(sessions, BARS // (SESSION_NS // lane.interval_ns))
    tested = (made.folds.tested() if made else None) or days
    whole, some, few = set(days), sample(lane, days), set(spread(tested, count))
    decide = simulated(choice)

    def labelled(one: Subject) -> Found:
        where = audit_stored.keys(lane, one.session.date)
        return audit_labels.labels(one, stored=lake.read("labels", where) if lake.exists("labels", where) else None)

    plan: list[tuple[str, set[date], Look]] = [
        ("features.stored", whole, lambda one: audit_stored.stored(one, lake)),
        ("features.stream", some, lambda one: audit_features.stream(one, _rng(lane, one.session.date))),
        ("features.future", few, lambda one: audit_features.future(one, _rng(lane, one.session.date))),
        ("features.start", few, lambda one: audit_features.start(one, _rng(lane, one.session.date))),
        ("sessions", few, lambda one: crossing(one, _rng(lane, one.session.date))),
        ("labels", some, labelled),
        ("labels", few, lambda one: audit_labels.futures(one, _rng(lane, one.session.date))),
        ("decisions", few, lambda one: decisions(one, _rng(lane, one.session.date), decide)),
    ]
    if made is not None:
        predictions = audit_stored.Predictions(made.scored, made.models)
        plan.append(("joins", whole, lambda one: audit_stored.joins(one, lake, predictions)))
    return plan


def sample(lane: Lane, days: Sequence[date]) -> set[date]:
    """The sessions that a budget of `gate.audit_rows` bars is spent on: all, or as many as fit, drawn by the seed."""
    count = max(lane.gate.audit_rows // (SESSION_NS // lane.interval_ns), 1)
    if count >= len(days):
        return set(days)
    chosen = np.random.default_rng(lane.gate.seed).choice(len(days), count, replace=False)
    return {days[index] for index in chosen.tolist()}


def walk(
    lake: Lake, lane: Lane, days: Sequence[date], plan: Sequence[tuple[str, set[date], Look]]
) -> tuple[dict[str, Tally], Mapping[date, int]]:
    """Each session once, in order of time: the tallies of the plan's audits by name, and the lane's rows a session.

    An audit that has found something wrong looks no further.
    """
    tallies = {name: Tally(name) for name, _, _ in plan}
    rows: dict[date, int] = {}
    for day, one in every(lake, lane, days):
        if one is None:
            rows[day] = 0
            tallies["features.stored"].add(audit_stored.flat(lake, lane, day))
            continue
        rows[day] = int(one.kept.sum())
        for name, wanted, look in plan:
            if day in wanted and tallies[name].wrong is None:
                tallies[name].add(look(one))
    return tallies, rows


def _rng(lane: Lane, day: date) -> np.random.Generator:
    """The same numbers for the same session, whatever else is audited."""
    return np.random.default_rng([lane.gate.seed, day.toordinal()])
