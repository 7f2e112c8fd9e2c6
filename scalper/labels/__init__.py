"""Labels: what a model is taught to foresee.

Here: direction and triple-barrier labels, why a row has none, and how unique each is. Not here: files, and anything
that a decision may look at.
"""

from scalper.labels.direction import DOWN, FLAT, NONE, UP
from scalper.labels.reach import FLAT_TIME, HALT, LABELLED, SESSION_ENDS, STALE_GAP
from scalper.labels.rows import CLASSES, REASONS, ROWS, balance, label_rows

__all__ = [
    "CLASSES",
    "DOWN",
    "FLAT",
    "FLAT_TIME",
    "HALT",
    "LABELLED",
    "NONE",
    "REASONS",
    "ROWS",
    "SESSION_ENDS",
    "STALE_GAP",
    "UP",
    "balance",
    "label_rows",
]
