"""The search: Optuna over model and policy, scored by simulation on windows that end before the fold's test.

Points are drawn (draws), claimed and kept (shelf, storage), scored (windows), counted (the ledger), and one is picked
by a named rule (front); choosing puts it together for a fold. Not here: training (fitting) and simulation (simulate/).
"""

from scalper.learn.search.choosing import choose
from scalper.learn.search.engine import run
from scalper.learn.search.front import front, pick
from scalper.learn.search.space import Axis, Space, drawn, space
from scalper.learn.search.trial import Found, Trial

__all__ = ["Axis", "Found", "Space", "Trial", "choose", "drawn", "front", "pick", "run", "space"]
