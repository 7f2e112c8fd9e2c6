"""Digests that say what a fold's model and choice, and the whole path, were made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from scalper import features
from scalper.compiled import source_digest
from scalper.errors import BadInput
from scalper.lake import Lake
from scalper.learn.folds import Fold
from scalper.settings import Lane


def read_json(path: Path) -> dict[str, Any]:
    """A document of write_json, or nothing. Raises BadInput when the file is damaged."""
    try:
        document: Any = json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        raise BadInput(f"{path}: damaged ({error}); remove it and run the lane again") from None
    if not isinstance(document, dict):
        raise BadInput(f"{path}: damaged (no JSON object); remove it and run the lane again")
    return cast(dict[str, Any], document)


def data_digest(lake: Lake, lane: Lane, days: Iterable[date]) -> str:
    """SHA-256 over what the features and labels of these sessions were made from."""
    found = hashlib.sha256()
    for day in days:
        keys = {"lane": lane.name, "date": day.isoformat()}
        for kind in ("features", "labels"):
            made = _made_from(lake, kind, day, lane.name, lake.storage.written_ns(lake.name(kind, keys)))
            found.update(f"{day} {kind} {made}\n".encode())
    return found.hexdigest()


@lru_cache(maxsize=65_536)
def _made_from(lake: Lake, kind: str, day: date, lane: str, written_ns: int) -> str:
    """The input digest that a session's file carries; `written_ns` tells one writing of it from another."""
    return lake.metadata(kind, {"lane": lane, "date": day.isoformat()})["scalper.input"]


def recipe_digest(lane: Lane) -> str:
    """SHA-256 over everything that decides how the lane learns and trades: configuration and code."""
    config = lane.digest(
        *("symbol", "execution_symbol", "interval", "hours", "roll", "features", "labels", "folds", "model"),
        *("search", "policy", "risk", "simulation"),
    )
    code = source_digest("market", "lake", "features", "labels", "policy", "simulate", "learn", "lane")
    return hashlib.sha256(f"{config} {lane.gate.trades_per_fold} {code}".encode()).hexdigest()


def fit_input(lane: Lane, lake: Lake, fold: Fold) -> tuple[str, str]:
    """Digest of everything that a fold's model is made from, and of its data alone."""
    data = data_digest(lake, lane, (*fold.train, *fold.calibrate))
    config = lane.model_copy(update={"model": lane.model.learning}).digest("model", "features", "labels", "name")
    code = source_digest("market", "features", "labels", "policy", "learn")  # the policy's minutes make the norms
    made_by = " ".join(version(name) for name in ("xgboost", "onnxmltools", "onnx"))
    return hashlib.sha256(f"{data} {fold.search[0]} {config} {code} {made_by}".encode()).hexdigest(), data


def choice_input(lane: Lane, lake: Lake, fold: Fold, onnx: str) -> tuple[str, str]:
    """Digest of everything that a fold's choice is made from (`onnx`: SHA-256 of its model), and of its data alone."""
    data = data_digest(lake, lane, fold.search)
    config = lane.digest("search", "policy", "risk", "simulation", "gate", "execution_symbol")
    code = source_digest("market", "policy", "simulate", "learn")
    return hashlib.sha256(f"{onnx} {data} {len(fold.test)} {config} {code}".encode()).hexdigest(), data


def sha256(path: Path) -> str:
    """Digest of a file, `none` if there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "none"


def chosen_folder(folder: Path) -> Path:
    """Where the model lies that a fold's search chose: the fold's folder, or that of a variant below it."""
    return variant_folder(folder, read_json(folder / "choice.json").get("model") or {})


def variant_folder(folder: Path, changes: Mapping[str, Any]) -> Path:
    """Where a fold's model with other parameters lies; without changes the fold's own folder."""
    name = hashlib.sha256(json.dumps(dict(changes), sort_keys=True).encode()).hexdigest()[:16]
    return folder / "variants" / name if changes else folder


def made_of(folders: Iterable[Path]) -> str:
    """SHA-256 over the models and choices of these folders."""
    parts = (
        f"{sha256(chosen_folder(folder) / 'model.onnx')} {read_json(folder / 'choice.json').get('choice')}"
        for folder in folders
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def kernel_version() -> str:
    """Version and digest of the feature kernel: a model is only fed by the one that taught it."""
    return f"{features.VERSION}-{source_digest('features')[:16]}"
