"""The gate: whether a lane may trade, and the folder that proves it.

Here: evidence, the checks of SPEC 8 that are built, the look-ahead audit, the verdict, the bundle. Not here: how a
model learns (learn/), how the figures are computed (simulate/metrics.py, learn/scores.py), who trades (live/).
What cannot be evaluated fails.
"""

from __future__ import annotations

from scalper.gate.audit import audit
from scalper.gate.bundle import load_recipe, show_bundle, verify_bundle, write_bundle
from scalper.gate.case import Measured
from scalper.gate.check import Check
from scalper.gate.checks import REGISTRY, evaluate, judge
from scalper.gate.evidence import Evidence
from scalper.gate.verdict import Verdict, decide

__all__ = [
    "REGISTRY",
    "Check",
    "Evidence",
    "Measured",
    "Verdict",
    "audit",
    "decide",
    "evaluate",
    "judge",
    "load_recipe",
    "show_bundle",
    "verify_bundle",
    "write_bundle",
]
