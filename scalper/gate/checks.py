"""The registry of the checks that are built, in the order of SPEC 8, and their evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from scalper.gate import forecast, integrity, limits, robustness, walkforward
from scalper.gate.case import Case, Measured
from scalper.gate.check import Check, Rule
from scalper.gate.evidence import Evidence
from scalper.gate.found import Result
from scalper.gate.measure import SESSIONS, measure
from scalper.lake import Lake
from scalper.learn.recipe import Recipe

REGISTRY: tuple[Rule, ...] = (
    *walkforward.RULES,
    forecast.SKILL,
    limits.DAY,
    limits.DRAWDOWN,
    robustness.HOLDOUT,
    robustness.STRESSED,
    robustness.CONCENTRATION,
    forecast.CALIBRATION,
    integrity.DATA,
    *integrity.PARITY,
    limits.END_OF_DAY,
    integrity.AUDIT,
    integrity.LATENCY,
)


def judge(evidence: Evidence, measured: Measured) -> list[Check]:
    """Every check of the registry on this evidence, in order; nothing is read or measured."""
    case = Case(evidence, measured)
    return [rule.judge(case) for rule in REGISTRY]


def evaluate(
    evidence: Evidence, lake: Lake, recipe: Recipe, audit: Sequence[Result], *, sessions: int = SESSIONS
) -> list[Check]:
    """Measure the recipe on a few sessions of the path (stream, latency), then make every check.

    `recipe` is what the bundle will hold; `audit` is what gate.audit found on its lane.
    """
    return judge(evidence, measure(lake, recipe, evidence, audit, sessions=sessions))
