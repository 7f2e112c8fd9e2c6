"""Digests that say what a fold's model and choice, and the whole path, were made from."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from scalper import features
from scalper.compiled import source_digest
from scalper.errors import BadInput
from scalper.lake import Lake
from scalper.learn.estimators import source_of
from scalper.learn.folds import Fold
from scalper.policy import Choice
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


def read_choice(folder: Path) -> dict[str, Any]:
    """The choice.json of a folder, or nothing. Raises BadInput when the file is damaged or was edited out of shape.

    What the search tells beside the choice has its shape too: a page is drawn from it.
    """
    path = folder / "choice.json"
    found = read_json(path)
    wrong = [name for name, kind in _KINDS.items() if name in found and not isinstance(found[name], kind)]
    wrong += [] if wrong or "choice" not in found else _odd(found["choice"])
    wrong += [] if wrong or not {"input", "study", "trials"} & set(found) else _untold(found)
    if wrong:
        raise BadInput(f"{path}: damaged ({wrong[0]} is not what a search writes); remove it and run the lane again")
    return found


def choice_of(record: Mapping[str, Any]) -> Choice:
    """The choice of a record of `read_choice`."""
    return Choice(**record["choice"])


_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("input", "study", "data", "outcome", "until"), str),
    **dict.fromkeys(("choice", "model", "importance", "plateau"), dict),
    **dict.fromkeys(("windows", "trials", "front", "scaled", "axes"), list),
    "number": int,
    "score": (int, float),
}
_TRIAL = ("number", "score", "trades", "net", "drawdown", "error")


def _odd(choice: Mapping[str, Any]) -> list[str]:
    """What of a choice is no number of the policy, is missing, or is too much."""
    known = [one.name for one in fields(Choice)]
    odd = [f"choice.{name}" for name, value in choice.items() if name not in known or not _finite(value)]
    odd += [f"choice.{name}" for name in ("stop_ticks", "target_ticks") if not isinstance(choice.get(name, 0), int)]
    return odd + [f"choice.{name}" for name in known[:3] if name not in choice]


def _untold(record: Mapping[str, Any]) -> list[str]:
    """What is missing beside the choice in the record of a search."""
    wanted = _KINDS if "choice" in record else ("input", "study", "outcome", "trials")
    missing = [name for name in wanted if name not in record and name != "until"]
    missing += [f"trials[{number}]" for number, row in enumerate(record.get("trials", ())) if not _is_trial(row)]
    if missing or "choice" not in record:
        return missing
    if not 0 <= record["number"] < len(record["trials"]):
        missing.append("number")
    if not {"lonely", "around"} <= set(record["plateau"]):
        missing.append("plateau")
    if not all(_finite(one) for one in record["importance"].values()):
        missing.append("importance")
    return missing


def _is_trial(row: Any) -> bool:
    """Whether this is a trial as choice.json keeps it."""
    if not isinstance(row, dict):
        return False
    one = cast(dict[str, Any], row)
    told = all(name in one and (one[name] is None or _finite(one[name])) for name in _TRIAL)
    return told and isinstance(one.get("status"), str) and isinstance(one.get("model", {}), dict)


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


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
    made_by = " ".join(version(name) for name in ("xgboost", "onnxmltools", "onnx")) + source_of(lane.model.estimator)
    return hashlib.sha256(f"{data} {fold.search[0]} {config} {code} {made_by}".encode()).hexdigest(), data


def choice_input(lane: Lane, lake: Lake, fold: Fold, onnx: str) -> tuple[str, str]:
    """Digest of everything that a fold's choice is made from (`onnx`: SHA-256 of its model), and of its data alone."""
    data = data_digest(lake, lane, fold.search)
    config = lane.digest("search", "policy", "risk", "simulation", "gate", "execution_symbol")
    code = source_digest("market", "policy", "simulate", "learn")
    return hashlib.sha256(f"{onnx} {data} {len(fold.test)} {config} {code}".encode()).hexdigest(), data


def window_digests(lake: Lake, lane: Lane, name: str, days: Sequence[date], folder: Path) -> dict[str, Any]:
    """A window of a search as its choice.json keeps it: its fold, its sessions, and what it scores by: the digest of
    their data, and the SHA-256 of the model that lies in that fold's folder."""
    told = [day.isoformat() for day in days]
    return {"fold": name, "days": told, "data": data_digest(lake, lane, days), "onnx": sha256(folder / "model.onnx")}


def study_of(wanted: str, windows: Sequence[Mapping[str, Any]]) -> str:
    """Digest of everything that a search is made from: `wanted` of choice_input, and its windows if they are more."""
    if len(windows) == 1:
        return wanted
    parts = "\n".join(f"{one['fold']} {one['onnx']} {one['data']}" for one in windows)
    return hashlib.sha256(f"{wanted}\n{parts}".encode()).hexdigest()


def sha256(path: Path) -> str:
    """Digest of a file, `none` if there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "none"


def chosen_folder(folder: Path) -> Path:
    """Where the model lies that a fold's search chose: the fold's folder, or that of a variant below it."""
    return variant_folder(folder, read_choice(folder).get("model") or {})


def variant_folder(folder: Path, changes: Mapping[str, Any]) -> Path:
    """Where a fold's model with other parameters lies; without changes the fold's own folder."""
    name = hashlib.sha256(json.dumps(dict(changes), sort_keys=True).encode()).hexdigest()[:16]
    return folder / "variants" / name if changes else folder


def made_of(folders: Iterable[Path]) -> str:
    """SHA-256 over the models and choices of these folders."""
    parts = (
        f"{sha256(chosen_folder(folder) / 'model.onnx')} {read_choice(folder).get('choice')}" for folder in folders
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def kernel_version() -> str:
    """Version and digest of the feature kernel: a model is only fed by the one that taught it."""
    return f"{features.VERSION}-{source_digest('features')[:16]}"
