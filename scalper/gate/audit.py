"""The look-ahead audit of a lane: nothing that is computed, labelled, split or decided may know the future."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from scalper.errors import DataUnavailable
from scalper.gate import audit_decisions, audit_features, audit_labels
from scalper.gate.audit_decisions import Decide, simulated
from scalper.gate.audit_features import Outcome
from scalper.gate.audit_labels import Label, directions
from scalper.gate.subject import Compute, Subject, batch, find
from scalper.lake import Lake
from scalper.learn.folds import Folds
from scalper.policy import Choice
from scalper.settings import Lane

SESSIONS = 3
"""Sessions of the lane that are audited, spread over its dates."""


Result = dict[str, Any]
"""One audit: id, passed, detail (on failure the column and the first offending time), coverage (what was compared)."""


def audit_sessions(
    subjects: Sequence[Subject],
    *,
    seed: int,
    compute: Compute = batch,
    label: Label = directions,
    decide: Decide | None = None,
    choice: Choice | None = None,
) -> list[Result]:
    """Audit features, labels and decisions on these sessions.

    `compute`, `label` and `decide` are what is audited: the lane's own, or another that somebody wants to have checked.
    """
    rng = np.random.default_rng(seed)
    return [
        _result("features.future", audit_features.future(subjects, compute, rng)),
        _result("features.stream", audit_features.stream(subjects, compute)),
        _result("features.start", audit_features.start(subjects, compute, rng)),
        _result("labels", audit_labels.labels(subjects, label, rng)),
        _result("decisions", audit_decisions.decisions(subjects, decide or simulated(choice), rng)),
    ]


def audit(
    lake: Lake,
    lane: Lane,
    days: Sequence[date],
    *,
    folds: Folds,
    daily: pl.DataFrame,
    choice: Choice | None = None,
    sessions: int = SESSIONS,
    compute: Compute = batch,
) -> list[Result]:
    """Audit a lane on some of `days` from the lake, its folds, and the path (`daily`: session, fold) that they made.

    Raises DataUnavailable when the lake has none of these days.
    """
    subjects = find(lake, lane, days, sessions)
    if not subjects:
        raise DataUnavailable(
            f"the lake has no session of lane {lane.name} to audit; import or download its bars first"
        )
    split = _result("folds", audit_decisions.folds(lake, lane, folds, daily))
    return [*audit_sessions(subjects, seed=lane.gate.seed, compute=compute, choice=choice), split]


def _result(name: str, outcome: Outcome) -> Result:
    wrong, coverage = outcome
    return {
        "id": f"audit.{name}",
        "passed": wrong is None,
        "detail": wrong or f"{coverage}: no look-ahead",
        "coverage": coverage,
    }
