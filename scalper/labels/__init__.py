"""Labels: what a model is taught to foresee.

Here: direction labels. Not here: files, sample weights of models, anything that a decision may look at.
"""

from scalper.labels.direction import DOWN, FLAT, NONE, UP, direction

__all__ = ["DOWN", "FLAT", "NONE", "UP", "direction"]
