"""Simulation: how orders meet bars, what that earns, and the report that shows it.

Here: the simulated broker and the session loop (compiled), metrics, the HTML report. Not here: what to trade (policy/).
"""

from scalper.simulate.session import SessionInput, SessionResult, Simulation, market, new_book, no_predictions, simulate

__all__ = [
    "SessionInput",
    "SessionResult",
    "Simulation",
    "market",
    "new_book",
    "no_predictions",
    "simulate",
]
