"""Checks of the forecasts themselves, before any trade: do they know something, and do they mean what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from scalper.gate.case import Case
from scalper.gate.check import CannotEvaluate, Finding, Rule
from scalper.learn import scores

FLAT = 1


def _scored(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray, pl.DataFrame]:
    """Probabilities (n, 3), class shares in training (n, 3), labels (n,) and the frame. Raises CannotEvaluate."""
    frame = case.evidence.scored
    if frame.is_empty():
        raise CannotEvaluate("there is no scored row")
    prob = frame.select("down", "flat", "up").cast(pl.Float64).to_numpy()
    prior = frame.select("prior_down", "prior_flat", "prior_up").cast(pl.Float64).to_numpy()
    for name, part in (("a probability", prob), ("a class share", prior)):
        if not bool(np.isfinite(part).all() and (part >= 0).all()):
            raise CannotEvaluate(f"{name} is not a number of 0 or more")
        if bool((np.abs(part.sum(axis=1) - 1) > 1e-3).any()):
            raise CannotEvaluate(f"{name} of a row does not add up to 1 with the others")
    label = frame["label"].fill_null(-1).to_numpy()
    if not bool(np.isin(label, (0, 1, 2)).all()):
        raise CannotEvaluate("a scored row has no label")
    return prob, prior, label, frame


def _skill(case: Case) -> Finding:
    prob, prior, label, frame = _scored(case)
    draws, seed, need = case.thresholds.bootstrap, case.thresholds.seed, case.thresholds.accuracy
    session = frame["session"].to_physical().to_numpy()
    gain, gain_bound = scores.skill(prob, label, prior, session, draws, seed)
    threshold: Any = frame["threshold"].cast(pl.Float64).to_numpy()  # each row's fold has its own
    right, right_bound, rows = scores.directional_accuracy(prob, label, session, threshold, draws, seed)
    if rows == 0:
        raise CannotEvaluate("no row was confident enough to be acted on")
    detail = (
        f"Its log-loss is {gain:.2%} better than knowing only how often each class occurs (5 % bound {gain_bound:.2%}, "
        f"needed: above 0). Of {rows} confident calls in moves that were not flat {right:.1%} had the right side "
        f"(needed: above {need:.0%}; 5 % bound {right_bound:.1%}, needed: above 50%)."
    )
    value = {"skill": gain, "skill bound": gain_bound, "accuracy": right, "accuracy bound": right_bound}
    passed = gain_bound > 0 and gain > 0 and right > need and right_bound > 0.5
    return Finding(value, passed, detail, {"rows": len(label), "acted": rows})


def _calibration(case: Case) -> Finding:
    prob, _, label, frame = _scored(case)
    need = case.thresholds.calibration_error
    value = scores.expected_calibration_error(prob, label)
    threshold = frame["threshold"].cast(pl.Float64).to_numpy()
    acted = (prob.argmax(axis=1) != FLAT) & (prob.max(axis=1) >= threshold)
    on_acted = scores.expected_calibration_error(prob[acted], label[acted]) if acted.any() else None
    said = "" if on_acted is None else f" On the {int(acted.sum())} rows it would act on the gap is {on_acted:.1%}."
    detail = (
        f"When it names a probability it is off by {value:.1%} on average over {len(label)} rows "
        f"(needed: at most {need:.0%})." + said
    )
    return Finding(
        value, value <= need, detail, {"rows": len(label), "acted": int(acted.sum()), "acted_error": on_acted}
    )


SKILL = Rule(
    "oos.skill",
    "From profit that does not come from the forecasts: they must beat the class shares, and the side must be right.",
    lambda case: {
        "skill": "> 0",
        "skill bound": "> 0",
        "accuracy": f"> {case.thresholds.accuracy:.0%}",
        "accuracy bound": "> 50%",
    },
    _skill,
)
CALIBRATION = Rule(
    "calibration",
    "From sizes and thresholds built on probabilities that are not what they say.",
    lambda case: f"≤ {case.thresholds.calibration_error:g}",
    _calibration,
)
