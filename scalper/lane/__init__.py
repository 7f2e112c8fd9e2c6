"""The stages of a lane, in order, as plain functions: the command line and the Dagster assets call the same ones.

Every stage skips what it has done before with the same inputs and leaves no half file: a run that was cut off is
resumed by running it again. Not here: arithmetic (the floors below) and what runs when (pipelines/).
"""

from scalper.lane.approved import approved, unseen
from scalper.lane.bars import bars, fetch, gaps, quote
from scalper.lane.described import describe
from scalper.lane.folded import draw_folds
from scalper.lane.gridded import grid
from scalper.lane.learning import folds, learnable, models
from scalper.lane.quality import check, judged, quality, quality_page, unfit, usable
from scalper.lane.refereed import export_nautilus, referee
from scalper.lane.report import pictures
from scalper.lane.retraining import retrain
from scalper.lane.rows import features, labels, materialise
from scalper.lane.searched import search
from scalper.lane.simulated import default_folder, simulate_model
from scalper.lane.simulation import simulation
from scalper.lane.stage import StageReport, calendar
from scalper.lane.tracked import Tracked, track
from scalper.lane.verdict import audit, gate, replay, run

__all__ = [
    "StageReport",
    "Tracked",
    "approved",
    "audit",
    "bars",
    "calendar",
    "check",
    "default_folder",
    "describe",
    "draw_folds",
    "export_nautilus",
    "features",
    "fetch",
    "folds",
    "gaps",
    "gate",
    "grid",
    "judged",
    "labels",
    "learnable",
    "materialise",
    "models",
    "pictures",
    "quality",
    "quality_page",
    "quote",
    "referee",
    "replay",
    "retrain",
    "run",
    "search",
    "simulate_model",
    "simulation",
    "track",
    "unfit",
    "unseen",
    "usable",
]
