"""Evidence: all that the gate judges a lane by, kept as a folder of Parquet files and one JSON document.

The folder is sealed: the document has the SHA-256 of every file and of itself, and what was changed is not loaded. It
keeps out a hand's edits and a disk's mistakes; whoever counts the digests again can forge it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import polars as pl

from scalper.errors import BadInput, DataUnavailable
from scalper.lake.parquet import write_parquet
from scalper.learn.digests import sha256
from scalper.settings import Lane

VERSION = 3
DOCUMENT = "evidence.json"
SEAL = "seal"
"""Key of the document that has the digest of all its others."""
AGAIN = "run `scalper simulate` again"
DICTS = ("holdout", "stress", "quality", "account", "parity", "digests")
DIGESTS = ("data", "features", "code", "config", "recipe", "trials")
FRAMES: dict[str, tuple[str, ...]] = {
    "folds": ("fold", "test_from", "test_to", "trades", "net"),
    "daily": ("session", "fold", "net", "cash", "trades"),
    "trades": (
        *("session", "fold", "entry_ns", "exit_ns", "side", "contracts", "entry", "exit", "first_stop", "stop"),
        *("target", "gross", "commission", "slippage", "net", "reason", "confidence", "mae", "mfe", "bars"),
    ),
    "equity": ("ts_ns", "equity"),
    "refusals": ("gate", "count"),
    "changed": ("factor", "count"),
    "limits": ("session", "gate", "limit", "value", "final", "excess"),
    "scored": (
        *("session", "fold", "ts_ns", "label", "down", "flat", "up"),
        *("prior_down", "prior_flat", "prior_up", "threshold"),
    ),
    "holdout_daily": ("session", "net", "trades"),
    "holdout_trades": ("session", "net"),
}
"""The frames, each with the columns that it must have; it may have more."""


@dataclass(slots=True)
class Evidence:
    """A lane's out-of-sample path, its hold-out, and what was found out about its data, its limits and its parity."""

    lane: Lane
    folds: pl.DataFrame
    """A row a fold: fold, train_from, train_to, test_from, test_to, trades, net, sharpe, confidence, stop_atr, …"""
    daily: pl.DataFrame
    """Every out-of-sample session, flat ones too: session, fold, net, cash, trades."""
    trades: pl.DataFrame
    equity: pl.DataFrame
    refusals: pl.DataFrame
    changed: pl.DataFrame
    """factor, count: entries whose size a factor changed."""
    limits: pl.DataFrame
    """Limits that fired: session, gate, limit, value, final, excess (simulate.breaches)."""
    scored: pl.DataFrame
    """Every labelled test row: its calibrated probabilities, its fold's class shares in training, its threshold."""
    holdout_daily: pl.DataFrame
    holdout_trades: pl.DataFrame
    holdout: dict[str, Any] = field(default_factory=dict[str, Any])
    """{"opened_at", "recipe", "sessions", "first_opening", "refused"}"""
    stress: dict[str, float] = field(default_factory=dict[str, float])
    """Net of the path under {"costs", "slippage", "latency"}."""
    quality: dict[str, Any] = field(default_factory=dict[str, Any])
    """{"sessions", "quarantined": {date: [reasons]}, "coverage", "used_quarantined"}"""
    account: dict[str, Any] = field(default_factory=dict[str, Any])
    """{"review", "kill", "late", "sessions"}"""
    parity: dict[str, Any] = field(default_factory=dict[str, Any])
    """{"onnx": largest difference, "replay": {"session", "bars", "decisions", "trades", "differences"}}"""
    digests: dict[str, str] = field(default_factory=dict[str, str])
    """{"data", "features", "code", "config", "recipe", "trials"}"""

    def save(self, folder: Path) -> Path:
        """Write the folder under a temporary name and rename it; an older one is replaced. Returns the folder."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh, old = (folder.with_name(f".{folder.name}.{kind}.{os.getpid()}") for kind in ("new", "old"))
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh.mkdir()
        try:
            for name in FRAMES:
                write_parquet(fresh / _file(name), getattr(self, name), {"scalper.evidence": str(VERSION)})
            document: dict[str, Any] = {"version": VERSION, "lane": self.lane.name, "made_with": made_with(self.lane)}
            document |= {name: _keyed(getattr(self, name)) for name in DICTS}
            document["files"] = {file: sha256(fresh / file) for file in map(_file, FRAMES)}
            text = _text(document | {SEAL: _seal(document)})
            (fresh / DOCUMENT).write_text(text)
            if folder.exists():
                folder.rename(old)
            fresh.rename(folder)
        finally:
            for leftover in (fresh, old):
                shutil.rmtree(leftover, ignore_errors=True)
        return folder

    @classmethod
    def load(cls, folder: Path, lane: Lane) -> Evidence:
        """Read what `save` wrote for this lane.

        Raises DataUnavailable if it is not there; BadInput if a file of it is missing, unreadable or not what `save`
        wrote, or if it was made with another configuration (the gate's own thresholds may differ: they judge evidence,
        not make it).
        """
        path = folder / DOCUMENT
        if not path.is_file():
            raise DataUnavailable(f"no evidence for lane {lane.name} at {folder}; run the lane's simulation first")
        document = _document(path)
        wanted = {"version": VERSION, "lane": lane.name, "made_with": made_with(lane)}
        for key, want in wanted.items():
            if document.get(key) != want:
                raise BadInput(
                    f"{path}: key {key} is {document.get(key)}, the lane {lane.name} has {want}: it was made with "
                    f"another configuration or version; {AGAIN}"
                )
        if document.pop(SEAL, None) != _seal(document):
            raise BadInput(f"{path}: was changed since the simulation wrote it; {AGAIN}")
        frames = {name: _frame(folder, name, document["files"]) for name in FRAMES}
        return cls(lane=lane, **frames, **{name: document[name] for name in DICTS})


def made_with(lane: Lane) -> str:
    """Digest of the configuration that evidence depends on: all but the gate's thresholds."""
    return lane.digest(*(key for key in type(lane).model_fields if key != "gate"))


def _document(path: Path) -> dict[str, Any]:
    try:
        found: object = json.loads(path.read_text())
    except ValueError as error:
        raise BadInput(f"{path}: not JSON ({error}); {AGAIN}") from None
    if not isinstance(found, dict):
        raise BadInput(f"{path}: not a document of keys and values; {AGAIN}")
    return cast(dict[str, Any], found)


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, default=_plain) + "\n"


def _seal(document: dict[str, Any]) -> str:
    """SHA-256 of the document's text, which is the same before it is written and after it is read."""
    return hashlib.sha256(_text(document).encode()).hexdigest()


def _file(name: str) -> str:
    return f"{name}.parquet"


def _frame(folder: Path, name: str, digests: dict[str, str]) -> pl.DataFrame:
    path = folder / _file(name)
    if not path.is_file():
        raise BadInput(f"{path}: is missing; {AGAIN}")
    if sha256(path) != digests[path.name]:
        raise BadInput(f"{path}: was changed since the simulation wrote it; {AGAIN}")
    try:
        frame = pl.read_parquet(path, hive_partitioning=False, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"{path}: cannot be read ({str(error).splitlines()[0]}); {AGAIN}") from None
    if missing := [column for column in FRAMES[name] if column not in frame.columns]:
        raise BadInput(f"{path}: lacks the columns {', '.join(missing)}; {AGAIN}")
    return frame


def _keyed(value: Any) -> Any:
    """Mappings with text for keys, as JSON takes them: a date becomes 2026-03-02."""
    if not isinstance(value, dict):
        return value
    return {str(key): _keyed(one) for key, one in cast(dict[Any, Any], value).items()}


def _plain(value: Any) -> Any:
    """numpy's numbers and dates as JSON takes them."""
    return value.item() if hasattr(value, "item") else cast(object, value.isoformat())
