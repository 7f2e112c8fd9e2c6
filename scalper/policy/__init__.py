"""Policy and risk: from a prediction to a decision, with the gate that had the last word.

Here: the compiled step, its records, and the rules of a lane in its units. Not here: how an order fills (simulate/,
live/).
"""

from scalper.policy.records import ACCOUNT, DECISION, FILL, PREDICTION, RULES, TRADE, Action, Gate, Reason, Role
from scalper.policy.rules import Choice, cents, default_choice, open_account, rules

__all__ = [
    "ACCOUNT",
    "DECISION",
    "FILL",
    "PREDICTION",
    "RULES",
    "TRADE",
    "Action",
    "Choice",
    "Gate",
    "Reason",
    "Role",
    "cents",
    "default_choice",
    "open_account",
    "rules",
]
