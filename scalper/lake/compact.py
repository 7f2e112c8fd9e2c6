"""Tidying the lake: what no reader and no later run will ask for again.

A model's digest binds the bytes of its bars, so bars stay as they are: files are removed, none is rewritten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalper import clock
from scalper.lake.databento.raw import DOWNLOADING, alone, load
from scalper.lake.storage import SCRATCH, STAGING
from scalper.lake.store import Lake

DERIVED = ("features", "labels", "predictions")
YOUNG_NS = 3600 * clock.NS
"""A download writes its files before it takes the lake's lock: what is younger is left alone."""


@dataclass(frozen=True, slots=True)
class Scrap:
    """A file that may go: its name below the lake (of a bucket's mirror: below the mirror), bytes, and why."""

    name: str
    size: int
    why: str


@dataclass(frozen=True, slots=True)
class Compacted:
    """What was removed, or with `dry_run` would be."""

    scraps: list[Scrap]
    dry_run: bool

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of `scalper lake compact`."""
        by_reason: dict[str, dict[str, int]] = {}
        for scrap in self.scraps:
            figures = by_reason.setdefault(scrap.why, {"files": 0, "bytes": 0})
            figures["files"] += 1
            figures["bytes"] += scrap.size
        total = {"files": len(self.scraps), "bytes": sum(scrap.size for scrap in self.scraps)}
        return total | {"dry_run": self.dry_run, "reasons": by_reason, "names": [scrap.name for scrap in self.scraps]}


def compact(lake: Lake, *, dry_run: bool = False, lanes: Collection[str] | None = None) -> Compacted:
    """Remove leftovers of killed writers, raw files without a manifest, empty folders; and, if `lanes` are given, the
    features, labels and predictions of all others.

    Opening the lake has finished or thrown away what was staged. Raises Refused while an import or download is running:
    both of a download's locks are held, for what it pays for enters the raw folder under the first one only.
    """
    storage = lake.storage
    with alone(lake), storage.lock():
        local = list(_local_scraps(lake))
        objects = list(_orphans(lake))
        if lanes is not None:
            objects += _strangers(lake, lanes)
        if not dry_run:
            for scrap in objects:
                storage.delete(scrap.name)
            for scrap in local:
                (lake.root / scrap.name).unlink()
            _drop_empty(lake.root)
    return Compacted([*local, *objects], dry_run)


def _local_scraps(lake: Lake) -> Iterator[Scrap]:
    """Half-written files, and of a mirror the copies of objects that are gone."""
    held = None if lake.storage.is_local else {name for name, _ in lake.storage.listing()}
    for path in sorted(lake.root.rglob("*")):
        parts = path.relative_to(lake.root).parts
        if not path.is_file() or parts[0] == STAGING or path == lake.root / SCRATCH / DOWNLOADING:
            continue
        name, size = "/".join(parts), path.stat().st_size
        if parts[0] == SCRATCH or path.name.startswith("."):
            if _old(path.stat().st_mtime_ns):
                yield Scrap(name, size, "left by a killed writer")
        elif held is not None and name not in held:
            yield Scrap(name, size, "mirror of an object that is gone")


def _orphans(lake: Lake) -> Iterator[Scrap]:
    """Raw data files that no manifest names, but those of a batch job that is under way."""
    listed = lake.storage.listing("raw")
    kept: set[str] = set()
    under_way: list[str] = []
    for name, _ in listed:
        if name.endswith(".job.json"):
            under_way.append(name.removesuffix(".job.json"))
        elif name.endswith(".json"):
            folder = name.rsplit("/", 1)[0]
            kept |= {f"{folder}/{file['name']}" for file in load(lake, name).get("files", [])}
    for name, size in listed:
        busy = any(name.startswith((f"{start}/", f"{start}.")) for start in under_way)
        if name.endswith(".dbn.zst") and name not in kept and not busy and _old(lake.storage.written_ns(name)):
            yield Scrap(name, size, "raw file without a manifest")


def _strangers(lake: Lake, lanes: Collection[str]) -> Iterator[Scrap]:
    """Tables derived for lanes that are not among those given."""
    ours = {f"lane={lane}" for lane in lanes}
    for kind in DERIVED:
        for name, size in lake.storage.listing(kind):
            if name.split("/")[1] not in ours:
                yield Scrap(name, size, "of a lane that is not configured")


def _old(written_ns: int) -> bool:
    """Whether a file is too old to be one that a living process is about to finish."""
    return clock.now_ns() - written_ns > YOUNG_NS


def _drop_empty(root: Path) -> None:
    """Remove empty folders below the root, the deepest first."""
    for folder in sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True):
        if folder.name not in (STAGING, SCRATCH) and not any(folder.iterdir()):
            folder.rmdir()
