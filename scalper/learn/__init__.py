"""Learning: from features and labels to a model that is worth asking, and the record of all that was tried.

Here live the walk-forward folds, training and calibration, the ONNX model and its loader, the search of a policy's
numbers, the trial ledger, scores and MLflow tracking. Not here: what a trade costs or earns (simulate/), and whether
a model may trade (gate/). Heavy libraries are imported inside the functions that need them.
"""

from __future__ import annotations

import os

from scalper.learn.calibration import Calibration
from scalper.learn.dataset import Dataset, load
from scalper.learn.describe import ks, psi
from scalper.learn.feed import Feed
from scalper.learn.folds import Fold, Folds, purge, walk_forward
from scalper.learn.model import Model
from scalper.learn.train import Trained, train

# XGBoost's threads wait for each other by spinning: on a busy machine a 2 s training then takes a minute.
# It is read when xgboost's libgomp is loaded, so it stands before any import of xgboost below this package.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__all__ = [
    "Calibration",
    "Dataset",
    "Feed",
    "Fold",
    "Folds",
    "Model",
    "Trained",
    "ks",
    "load",
    "psi",
    "purge",
    "train",
    "walk_forward",
]
