"""What learns: an interface, XGBoost, and small networks as an optional extra.

`estimator(name)` gives one. Your own is a class that keeps the rules of `base` and is named `package.module:Class` in a
lane's `model.estimator`; `conformance.check` tells whether it keeps them. Nothing here knows lanes, folds or files.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from pathlib import Path
from typing import Any

from scalper.errors import BadInput
from scalper.learn.estimators.base import Checkpoint, Estimator, Fitted, Part, Target

KNOWN = {
    "xgboost": "scalper.learn.estimators.xgboost:XGBoost",
    "feedforward": "scalper.learn.estimators.networks:FeedForward",
    "lstm": "scalper.learn.estimators.networks:Lstm",
}


def source_of(name: str) -> str:
    """Digest of the module that somebody's own estimator is in; what is ours is in the program's own digest."""
    if name in KNOWN:
        return ""
    found = inspect.getsourcefile(type(estimator(name)))
    if found is None:
        raise BadInput(f"model.estimator {name}: its source is not there, so what it was trained by could not be told")
    return hashlib.sha256(Path(found).read_bytes()).hexdigest()


def estimator(name: str) -> Estimator:
    """The estimator of that name. Raises BadInput for one that is not there, or is none."""
    module, _, of = KNOWN.get(name, name).partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), of)
        if not (isinstance(found, type) and issubclass(found, Estimator)):
            raise BadInput(f"model.estimator {name}: not a class of Estimator (scalper.learn.estimators.Estimator)")
        return found()
    except (ImportError, AttributeError, SyntaxError, NameError, TypeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
        raise BadInput(
            f"model.estimator {name}: {why}; name xgboost, feedforward, lstm or package.module:Class"
        ) from None


__all__ = ["KNOWN", "Checkpoint", "Estimator", "Fitted", "Part", "Target", "estimator"]
