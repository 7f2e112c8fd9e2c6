"""A bundle's manifest: the digest of every file and of all that the verdict rests on; its digest names the bundle."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scalper.learn.digests import kernel_version
from scalper.settings import Lane

FORMAT = "bundle/1"
MANIFEST = "manifest.json"
CONTENT = ("model.onnx", "lane.yaml", "choice.json", "checks.json", "trades.parquet", "daily.parquet")
"""Files that the bundle's digest covers: the same inputs give the same bytes."""
BESIDE = ("report.html", "measured.json")
"""Files with a digest of their own, outside the bundle's: a page for people, and figures of this very machine."""
NUMERIC = (
    "numpy",
    "numba",
    "onnxruntime",
    "polars",
    "xgboost",
    "onnx",
    "onnxmltools",
    "skl2onnx",
    "pandas-market-calendars",
)
"""Packages whose version can change a number."""


def canonical(document: object) -> bytes:
    """JSON with sorted keys and no spare space; refuses NaN and infinity (ValueError)."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sha256(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def build(
    lane: Lane, verdict: str, stage: str, files: Mapping[str, bytes], digests: Mapping[str, str]
) -> dict[str, Any]:
    """The manifest of a bundle with these files; `digests` are those of data, features, code, config and trials."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "lane": lane.name,
        "configuration": lane.digest(),
        "verdict": verdict,
        "stage": stage,
        "kernel": kernel_version(),
        "digests": dict(digests),
        "packages": {name: version(name) for name in NUMERIC},
        "python": platform.python_version(),
        "files": {name: sha256(files[name]) for name in CONTENT},
        "beside": {name: sha256(files[name]) for name in BESIDE},
    }
    return document | {"digest": digest(document)}


def digest(manifest: Mapping[str, Any]) -> str:
    """The bundle's digest: SHA-256 of the canonical manifest without what lies beside and without itself."""
    return sha256(canonical({key: value for key, value in manifest.items() if key not in ("beside", "digest")}))


def read(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder, None if there is none that can be read."""
    try:
        found: object = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType]
