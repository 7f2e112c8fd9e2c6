"""Measurements of a recipe on a few sessions of the lake: batch against stream, and the time to a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scalper.clock import busy
from scalper.gate.audit import SESSIONS
from scalper.gate.case import Measured
from scalper.gate.evidence import Evidence
from scalper.gate.found import Result
from scalper.gate.subject import Subject, batch, find, joined, streamed, unequal
from scalper.lake import Lake
from scalper.learn.recipe import Recipe
from scalper.policy import DECISION, open_account, rules
from scalper.policy.kernel import open_session, step  # pyright: ignore[reportUnknownVariableType]

TIMED_ROWS = 2000
WARMING_ROWS = 50
"""Bars before the clock counts: the first calls load code."""
RESTARTS = 3


def measure(
    lake: Lake, recipe: Recipe, evidence: Evidence, audit: Sequence[Result], *, sessions: int = SESSIONS
) -> Measured:
    """Measure stream and latency on sessions of the path; without any in the lake nothing is measured.

    `audit`: what gate.audit found on the lane.
    """
    subjects = find(lake, recipe.lane, evidence.daily["session"].to_list(), sessions)
    if not subjects:
        why = "the lake has no session of the path to measure on"
        return Measured(audit=tuple(audit), missing=dict.fromkeys(("stream", "latency"), why))
    return Measured(
        stream=stream(subjects, recipe.lane.gate.seed), latency=latency(recipe, subjects), audit=tuple(audit)
    )


def stream(subjects: Sequence[Subject], seed: int) -> dict[str, Any]:
    """Numbers that differ between the batch, the stream, and streams restarted from a saved state; by column."""
    rng = np.random.default_rng(seed)
    rows = cells = restarts = differences = 0
    first = None
    for one in subjects:
        whole = joined(batch(one, one.traded))
        again = rng.choice(one.bars.size, min(RESTARTS, one.bars.size), replace=False).tolist()
        for other in (streamed(one), streamed(one, again)):
            wrong = unequal(whole, joined(other))
            differences += int(wrong.sum())
            cells += wrong.size
            if first is None and wrong.any():
                row, column = (int(part) for part in np.argwhere(wrong)[0])
                first = f"{one.watched[column].name} at {one.when(row)}"
        rows, restarts = rows + one.bars.size, restarts + len(again)
    counted = {"sessions": len(subjects), "rows": rows, "cells": cells, "restarts": restarts}
    return counted | {"differences": differences, "first": first}


def latency(recipe: Recipe, subjects: Sequence[Subject]) -> dict[str, float]:
    """Milliseconds from a bar to its decision: one step of features, one row through ONNX, one step of the policy.

    Processor time of this thread: what else the machine did meanwhile is not the lane's latency. The executor reports
    the time on the wall.
    """
    policy = rules(recipe.lane, recipe.choice)
    decision = np.zeros(1, DECISION)
    taken: list[float] = []
    for one in subjects:
        account, stream, scorer = open_account(recipe.lane), one.stream(), recipe.model.scorer()
        open_session(account[0], policy[0])
        share = WARMING_ROWS + -(-TIMED_ROWS // len(subjects))
        from_row = max(0, one.bars.size - share)  # the end of the session: everything is warm
        for i in range(one.bars.size):
            bar = one.bars[i : i + 1]
            if i < from_row:
                stream.push(bar)
                continue
            began = busy()
            row, volatility = stream.push(bar)
            predicted = scorer.predict(row, volatility)
            told = stream.aux[0], predicted[0], one.timetable[0], recipe.norms
            step(account[0], policy[0], bar[0], *told, decision[0])
            if i >= from_row + WARMING_ROWS:
                taken.append(1e3 * (busy() - began))
    p50, p99, worst = np.quantile(taken, (0.5, 0.99, 1.0)).tolist() if taken else (0.0, 0.0, 0.0)
    return {"rows": len(taken), "p50_ms": p50, "p99_ms": p99, "worst_ms": worst}
