"""What a decision was refused by or changed by, in words: the gates, each with its value and its limit."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalper.policy.records import Action, Gate

Step = tuple[str, float, float]
SIZES = (
    ("size_confidence", "n_base", "n_confidence"),
    ("size_tier", "n_confidence", "n_tier"),
    ("size_risk", "n_tier", "n_risk"),
    ("size_time", "n_risk", "n_time"),
    ("size_market", "n_time", "contracts"),
)
"""The factors of the size in their order: name, contracts before and after it."""


def trace(decision: np.ndarray | np.void) -> list[Step]:
    """The gates of one decision, as (gate, value, limit); empty for a plain hold in the market.

    First each factor that changed the size (value: contracts before, limit: contracts after), then the gate that had
    the last word. decision: a record of DECISION.
    """
    one: Any = decision
    steps: list[Step] = []
    asked = one["action"] in (Action.ENTER, Action.REVERSE)
    for name, before, after in SIZES:
        reached = one[after] > 0 and (after != "contracts" or asked)
        if reached and one[after] != one[before]:
            steps.append((name, float(one[before]), float(one[after])))
    gate = Gate(int(one["gate"]))
    if gate is not Gate.PASSED:
        steps.append((gate.name.lower(), float(one["value"]), float(one["bound"])))
    return steps


def changes(decisions: np.ndarray) -> dict[str, int]:
    """How many entries each factor made smaller or larger; decisions (n,) of DECISION."""
    asked = np.isin(decisions["action"], (Action.ENTER, Action.REVERSE))
    found = decisions[asked]
    return {name: int((found[before] != found[after]).sum()) for name, before, after in SIZES}
