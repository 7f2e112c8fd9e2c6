"""Policy and risk: from a prediction to a decision, with the gate that had the last word.

Here: the compiled step, its records, and the rules of a lane in its units. Not here: how an order fills (simulate/,
live/).
"""

from scalper.policy.records import (
    ACCOUNT,
    DECISION,
    FILL,
    MINUTES,
    NORM,
    PREDICTION,
    RULES,
    TRADE,
    Action,
    Gate,
    Reason,
    Role,
)
from scalper.policy.rules import Choice, cents, default_choice, open_account, rules, unknown_norms
from scalper.policy.trace import changes, trace

__all__ = [
    "ACCOUNT",
    "DECISION",
    "FILL",
    "MINUTES",
    "NORM",
    "PREDICTION",
    "RULES",
    "TRADE",
    "Action",
    "Choice",
    "Gate",
    "Reason",
    "Role",
    "cents",
    "changes",
    "default_choice",
    "open_account",
    "rules",
    "trace",
    "unknown_norms",
]
