"""MLflow: what was trained, for people to compare; and the registry of a lane's models, with who promoted which.

Needs no server: one SQLite file and a folder of artefacts below `<home>/mlruns`. Verdicts, bundles and trials are kept
elsewhere and nothing of a lane run is read back from here; what is decided here, by a person, is which version is the
champion. Everything raises TrackingFailed when MLflow cannot record or be read.
"""

from scalper.learn.tracking.promotion import Promotion, promote, rollback, set_candidate, withdraw
from scalper.learn.tracking.registry import Version, candidate, champion, previous, register, versions
from scalper.learn.tracking.runs import Entry, flat, log_run

__all__ = [
    "Entry",
    "Promotion",
    "Version",
    "candidate",
    "champion",
    "flat",
    "log_run",
    "previous",
    "promote",
    "register",
    "rollback",
    "set_candidate",
    "versions",
    "withdraw",
]
